//! One worker, as its pool sees it: what it was given, and what came back.

use super::batch::Piece;
use crate::task::descriptor;
use procession_core::{
    Deadline, Handle, Owner, Result, Signal,
    pool::{Inbox, Link, Receiver, Results, Ticket, Worker as WorkerSide},
    start::{Exit, Launch, Running},
};
use std::collections::VecDeque;

/// A piece that a worker was given.
struct Given {
    piece: Piece,
    ticket: Ticket,
    /// How many of its tasks have come back.
    done: usize,
}

/// A worker process and the private rings to it.
pub(super) struct Worker {
    link: Link,
    process: Running,
    given: VecDeque<Given>,
    /// Tasks given and not back.
    unfinished: usize,
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

impl Worker {
    /// Starts a worker process; returns without waiting for it.
    pub(super) fn start(inbox: &Inbox, name: &str) -> Result<Worker> {
        let link = Link::new(inbox)?;
        let Handle { offset, generation } = link.handle();
        let argument = crate::codec::pack(&(offset, generation))?;
        let identify = |worker: Owner| link.set_worker(worker);
        let mut launch = Launch::new(descriptor_of(serve).id()?, &argument);
        launch.name = name;
        launch.daemon = true;
        launch.before_start = Some(&identify);
        let process = launch.start()?;
        Ok(Worker { link, process, given: VecDeque::new(), unfinished: 0 })
    }

    /// Tasks given and not back.
    pub(super) fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Whether it has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.unfinished == 0
    }

    /// Gives it tasks from the front of the piece, as many as fit at once: what is left over.
    pub(super) fn give(&mut self, piece: Piece) -> Result<Option<Piece>, Piece> {
        if self.given.len() >= MOST_PIECES {
            return Err(piece);
        }
        let batch = &piece.batch;
        let (count, ticket) = match self.link.give(batch.function, &batch.tasks, piece.range.clone()) {
            Ok(Some(given)) => given,
            Ok(None) => return Err(piece),
            // It scribbled over what it shares with us. Its end is seen like any other.
            Err(_) => {
                self.kill();
                return Err(piece);
            }
        };
        self.unfinished += count;
        let rest = (count < piece.len()).then(|| piece.after(count));
        let range = piece.range.start..piece.range.start + count;
        self.given.push_back(Given { piece: Piece { batch: piece.batch, range }, ticket, done: 0 });
        Ok(rest)
    }

    /// Takes back about half of what it has, from the end, as far as it has not begun it.
    pub(super) fn take_back_half(&mut self) -> Vec<Piece> {
        let wanted = self.unfinished.div_ceil(2);
        let (mut taken, mut pieces) = (0, Vec::new());
        for given in self.given.iter_mut().rev() {
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
            pieces.push(Piece { batch: given.piece.batch.clone(), range });
        }
        self.unfinished -= taken;
        self.drop_finished();
        pieces
    }

    fn drop_finished(&mut self) {
        self.given.retain(|given| given.done < given.piece.len());
    }

    #[inline]
    pub(super) fn has_results(&self) -> bool {
        self.link.has_results()
    }

    /// Receives what has come back and hands it to the sinks: how many tasks; and an error if the worker wrote what no
    /// worker writes after those.
    pub(super) fn receive(&mut self) -> (usize, Result<()>) {
        struct Front<'a>(&'a mut VecDeque<Given>, usize);
        impl Receiver for Front<'_> {
            fn expected(&self) -> usize {
                self.0.front().map_or(0, |given| given.piece.len() - given.done)
            }

            fn deliver(&mut self, results: Results) {
                let Some(given) = self.0.front_mut() else { return };
                let number = given.piece.number(given.done);
                self.1 += results.len();
                given.done += results.len();
                given.piece.batch.sink.deliver(number, results);
                if given.done == given.piece.len() {
                    self.0.pop_front();
                }
            }
        }
        let mut front = Front(&mut self.given, 0);
        let outcome = self.link.receive(&mut front);
        let received = front.1;
        self.unfinished -= received;
        (received, outcome.map(|_| ()))
    }

    /// How it ended, if it has.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.process.exit()
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
                remains.running = Some(Piece { batch: rest.batch.clone(), range });
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

/// The claim word is shared memory: whatever it says, only tasks that were given and have not come back can come back.
fn clamp(range: std::ops::Range<u32>, done: usize, len: usize) -> std::ops::Range<usize> {
    let start = (range.start as usize).clamp(done, len);
    let end = (range.end as usize).clamp(start, len);
    if end == len { start..end } else { len..len }
}

/// What a worker process runs.
fn serve(offset: u64, generation: u64) {
    let served = WorkerSide::attach(Handle { offset, generation }).and_then(|mut worker| worker.serve());
    if let Err(e) = served
        && !e.is_closed()
    {
        eprintln!("procession: a worker of a pool ends: {e}");
        std::process::exit(101);
    }
}

fn descriptor_of<F>(_: F) -> &'static procession_core::start::Descriptor
where
    F: crate::Task<(u64, u64)>,
{
    descriptor::<F, (u64, u64)>()
}
