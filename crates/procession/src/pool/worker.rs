//! One worker, as its pool sees it: what it was given, and what came back.

use super::{
    batch::Piece,
    given::{Front, Given},
    life::Assignment,
    settings::Settings,
    sink::{Effects, Sink},
};
use crate::TaskError;
use procession_core::{
    Deadline, Owner, Result, Signal, now,
    pool::{Inbox, Link, Report, Stamps, Ticket},
    start::{Exit, Launch, Running, Verdict},
};
use std::{collections::VecDeque, ffi::OsString, sync::Arc, time::Duration};

/// A worker process and the private rings to it.
pub(super) struct Worker {
    pub(super) index: usize,
    link: Link,
    process: Running,
    given: VecDeque<Given>,
    /// Tasks given and not back.
    unfinished: usize,
    /// How many more it may be given.
    quota: u64,
    done: u64,
    pub(super) stage: Stage,
    /// It was killed for this; what it was running then has failed with it.
    pub(super) condemned: Option<TaskError>,
    /// As far as is known: it waits for a task of this pool.
    pub(super) waits: bool,
    pub(super) launched: u64,
    /// A task that it was seen to run (its batch's place, and which of that), and when it was first seen to.
    seen: Option<(Ticket, usize, u64)>,
    /// When it was last heard of, or was given something after it had nothing; not kept up where nobody asks.
    pub(super) since: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not ready for tasks, as far as is known. It may be given some.
    Starting,
    Serving,
    /// Ends as soon as it has done what it has begun, and gets nothing more.
    Leaving,
}

/// What a worker left behind.
pub(super) struct Remains {
    /// What it had not begun.
    pub(super) untouched: Vec<Piece>,
    /// The task that it was running.
    pub(super) running: Option<Piece>,
}

/// How many pieces a worker may have at once: enough that it never waits for the next one.
const MOST_PIECES: usize = 1024;

/// A worker that has had tasks for so long and began none is stopped, or worse.
const SILENCE: Duration = Duration::from_secs(1);

impl Worker {
    /// Starts a worker process; returns without waiting for it.
    pub(super) fn start(inbox: &Inbox, settings: &Settings, index: usize) -> Result<Worker> {
        let link = Link::new(inbox)?;
        let initial = settings.initial.as_ref();
        let assignment = Assignment::new(link.handle(), index, settings.memory_limit.is_some(), initial);
        let argument = assignment.pack(initial)?;
        let identify = |worker: Owner| link.set_worker(worker);
        let name = format!("{}-{index}", settings.name);
        let mut launch = Launch::new(Assignment::function()?, &argument);
        launch.name = &name;
        launch.daemon = true;
        // Also when its owner is killed, and isn't the root.
        launch.kill_on_drop = true;
        launch.method = settings.method;
        launch.memory_limit = settings.memory_limit;
        launch.environment = environment(settings);
        launch.before_start = Some(&identify);
        let launched = now();
        let process = launch.start()?;
        Ok(Worker {
            index,
            link,
            process,
            given: VecDeque::new(),
            unfinished: 0,
            quota: settings.max_tasks.unwrap_or(u64::MAX),
            done: 0,
            stage: Stage::Starting,
            condemned: None,
            waits: false,
            launched,
            seen: None,
            since: launched,
        })
    }

    /// Tasks given and not back.
    #[inline]
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished
    }

    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Whether it's ready for tasks and has none.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.unfinished == 0 && self.stage == Stage::Serving && self.quota > 0
    }

    /// Whether it may be given tasks.
    #[inline]
    pub(super) fn takes_tasks(&self) -> bool {
        self.stage != Stage::Leaving && self.quota > 0
    }

    /// Whether it has had all the tasks that it may have, and has done them.
    pub(super) fn is_used_up(&self) -> bool {
        self.quota == 0 && self.unfinished == 0 && self.stage != Stage::Leaving
    }

    /// Orders workers by how soon a task that they are given now is done.
    #[inline]
    pub(super) fn load(&self) -> (bool, bool, usize) {
        (self.waits, self.stage == Stage::Starting, self.unfinished)
    }

    /// Gives it tasks from the front of the piece, as many as fit at once: what is left over.
    pub(super) fn give(&mut self, piece: Piece, traced: bool) -> Result<Option<Piece>, Piece> {
        if self.given.len() >= MOST_PIECES || !self.takes_tasks() {
            return Err(piece);
        }
        let batch = &piece.batch;
        let timeout = batch.kind.limits.timeout;
        let stamps = match timeout {
            _ if traced => Stamps::Spans,
            Some(_) => Stamps::Beginnings,
            None => Stamps::None,
        };
        let most = piece.len().min(usize::try_from(self.quota).unwrap_or(usize::MAX));
        let range = piece.range.start..piece.range.start + most;
        let (count, ticket) = match self.link.give(batch.kind.function, &batch.tasks, range, stamps) {
            Ok(Some(given)) => given,
            Ok(None) => return Err(piece),
            // It scribbled over what it shares with us. Its end is seen like any other.
            Err(_) => {
                self.kill();
                return Err(piece);
            }
        };
        if self.unfinished == 0 && timeout.is_some() {
            self.since = now();
        }
        self.unfinished += count;
        self.quota -= count as u64;
        let rest = (count < piece.len()).then(|| piece.after(count));
        let range = piece.range.start..piece.range.start + count;
        self.given.push_back(Given { piece: Piece { range, ..piece }, ticket, done: 0 });
        Ok(rest)
    }

    /// Takes back about half of what it has, from the end, as far as it has not begun it.
    pub(super) fn take_back_half(&mut self) -> Vec<Piece> {
        self.take_back(self.unfinished.div_ceil(2), |_| true)
    }

    /// Takes back all that it has not begun.
    pub(super) fn take_back_all(&mut self) -> Vec<Piece> {
        self.take_back(usize::MAX, |_| true)
    }

    /// Takes back all that goes to this sink, and that it has not begun.
    pub(super) fn take_back_of(&mut self, sink: &Arc<dyn Sink>) -> Vec<Piece> {
        self.take_back(usize::MAX, |piece| piece.goes_to(sink))
    }

    fn take_back(&mut self, wanted: usize, which: impl Fn(&Piece) -> bool) -> Vec<Piece> {
        let (mut taken, mut pieces) = (0, Vec::new());
        for given in self.given.iter_mut().rev().filter(|given| which(&given.piece)) {
            if taken >= wanted {
                break;
            }
            let all = given.piece.len() - given.done <= wanted - taken;
            let back = self.link.revoke(given.ticket, all);
            let back = clamp(back, given.done, given.piece.len());
            if back.is_empty() {
                continue;
            }
            let start = given.piece.range.start;
            let range = start + back.start..given.piece.range.end;
            taken += range.len();
            given.piece.range.end = range.start;
            pieces.push(Piece { range, ..given.piece.clone() });
        }
        self.unfinished -= taken;
        self.quota += taken as u64;
        self.given.retain(|given| given.done < given.piece.len());
        pieces
    }

    /// The task that it's running, as far as is known: it may have ended, and its result be on its way.
    pub(super) fn running(&self) -> Option<Piece> {
        let given = self.given.front()?;
        let begun = self.link.claimed(given.ticket) as usize > given.done;
        begun.then(|| {
            let start = given.piece.range.start + given.done;
            Piece { range: start..start + 1, ..given.piece.clone() }
        })
    }

    #[inline]
    pub(super) fn has_results(&self) -> bool {
        self.link.has_results()
    }

    /// Receives what has come back and hands it to the sinks: how many tasks; and an error if the worker wrote what no
    /// worker writes after those.
    pub(super) fn receive(&mut self, effects: &mut Effects) -> (usize, Result<()>) {
        let mut front = Front { given: &mut self.given, index: self.index, effects, received: 0 };
        let outcome = self.link.receive(&mut front);
        let received = front.received;
        self.unfinished -= received;
        self.done += received as u64;
        if received > 0 {
            self.waits = false;
            if self.stage == Stage::Starting {
                self.stage = Stage::Serving;
            }
        }
        (received, outcome.map(|_| ()))
    }

    /// Whether it says something that isn't known yet.
    pub(super) fn has_news(&self) -> bool {
        let (ready, waits) = self.link.flags();
        ready && self.stage == Stage::Starting || waits != self.waits
    }

    /// Whether it has a task of another process that it has not begun.
    pub(super) fn has_requested(&self) -> bool {
        let running = self.running().is_some();
        let unbegun = |(i, given): (usize, &Given)| given.piece.is_requested() && !(running && i == 0);
        self.given.iter().enumerate().any(unbegun)
    }

    /// Whether it has some that go to this sink.
    pub(super) fn has_of(&self, sink: &Arc<dyn Sink>) -> bool {
        self.given.iter().any(|given| given.piece.goes_to(sink))
    }

    /// Takes back a task of another process that it has not begun.
    pub(super) fn take_back_requested(&mut self) -> Vec<Piece> {
        self.take_back(1, Piece::is_requested)
    }

    /// What it says of itself.
    pub(super) fn report(&self) -> Report {
        self.link.report()
    }

    /// When its time is up: of its task, if that has a limit; or to become ready, or to begin something.
    pub(super) fn due(&mut self, start_limit: Option<Duration>) -> Option<u64> {
        let after = |start: u64, limit: Duration| {
            start.saturating_add(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX))
        };
        if self.condemned.is_some() {
            return None;
        }
        let report = self.report();
        if report.ready.is_none() {
            return Some(after(report.since?, start_limit?));
        }
        let front = self.given.front()?;
        let limit = front.piece.limits().timeout?;
        let (ticket, done) = (front.ticket, front.done);
        if self.running().is_none() {
            // Not even begun: it's stopped, or has only just been told.
            return (self.stage == Stage::Serving).then(|| after(self.since, limit.max(SILENCE)));
        }
        // It says when it began. Without that, or if it says something impossible, it's late by no more than the time to here.
        let seen = match self.seen {
            Some((known, of, seen)) if (known, of) == (ticket, done) => seen,
            _ => now(),
        };
        self.seen = Some((ticket, done, seen));
        Some(after(report.since.map_or(seen, |since| since.min(seen)), limit))
    }

    /// How it ended, if it has.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.process.exit()
    }

    /// After its end: whether that was because it got no more memory.
    pub(super) fn has_starved(&self) -> bool {
        self.link.has_starved()
    }

    /// After its end: why it didn't become ready, if it could still say so.
    pub(super) fn refusal(&self) -> Option<TaskError> {
        let (verdict, left) = self.process.take_result().ok()??;
        if verdict == Verdict::Value {
            return None;
        }
        crate::error::outcome::<()>(verdict, &left.bytes, &left.shares).err()
    }

    /// After its end, when all that it had finished was received: what is left of what it was given.
    pub(super) fn remains(&mut self) -> Remains {
        let mut remains = Remains { untouched: Vec::new(), running: None };
        for (i, given) in std::mem::take(&mut self.given).into_iter().enumerate() {
            let rest = given.piece.after(given.done);
            // Tasks are claimed one by one and in order, so only the first piece can have one that was begun. (More than
            // one, if it scribbled over its results: those were run and must not be run again.)
            let claimed = if i == 0 { self.link.claimed(given.ticket) as usize } else { 0 };
            let begun = claimed.saturating_sub(given.done).min(rest.len());
            if begun > 0 {
                let range = rest.range.start..rest.range.start + begun;
                remains.running = Some(Piece { range, ..rest.clone() });
            }
            remains.untouched.push(rest.after(begun));
        }
        remains.untouched.retain(|piece| piece.len() > 0);
        self.unfinished = 0;
        remains
    }

    /// Everything that it was given and that has not come back, begun or not.
    pub(super) fn abandon(&mut self) -> Vec<Piece> {
        self.unfinished = 0;
        std::mem::take(&mut self.given).into_iter().map(|given| given.piece.after(given.done)).collect()
    }

    /// Says that no more tasks will come: it ends when it has done what it has.
    pub(super) fn close(&self) {
        self.link.close();
    }

    pub(super) fn kill(&self) {
        // A signal that can't be sent has no process to reach.
        let _ = self.process.signal(Signal::KILL);
    }

    /// Waits for its end.
    pub(super) fn wait(&self, deadline: Deadline) -> Option<Exit> {
        self.process.wait(deadline)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

/// What a worker's environment has that this process's hasn't.
fn environment(settings: &Settings) -> Vec<(OsString, Option<OsString>)> {
    // A failed allocation is told from other aborts by what it leaves behind, which printing the stack first would hide. For the stacks of
    // panics, which are carried back, there is another variable.
    match (settings.memory_limit, std::env::var_os("RUST_BACKTRACE")) {
        (Some(_), Some(value)) => {
            let panics = std::env::var_os("RUST_LIB_BACKTRACE").unwrap_or(value);
            vec![("RUST_LIB_BACKTRACE".into(), Some(panics)), ("RUST_BACKTRACE".into(), Some("0".into()))]
        }
        _ => Vec::new(),
    }
}

/// The claim word is shared memory: whatever it says, only tasks that were given and have not come back can come back.
fn clamp(range: std::ops::Range<u32>, done: usize, len: usize) -> std::ops::Range<usize> {
    let start = (range.start as usize).clamp(done, len);
    let end = (range.end as usize).clamp(start, len);
    if end == len { start..end } else { len..len }
}
