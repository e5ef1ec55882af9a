//! What the engine knows, and what it does with it: all under one lock, none of it waiting for anybody.

use super::{
    batch::Piece,
    plan::{self, Snapshot},
    settings::Settings,
    sink::{Effects, Part, Sink},
    size::PoolSize,
    worker::{Remains, Stage, Worker},
};
use crate::{TaskError, process::death};
use procession_core::{Deadline, Error, ErrorKind, Result, now, pool::Span, start::Exit};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// After so many failed starts in a row nothing will come of more. One that somebody killed before it was ready counts as one, and one
/// that ended by itself, or was late, as `FAILED_START`.
const MOST_FAILED_STARTS: u32 = 50;
pub(super) const FAILED_START: u32 = 10;

/// Between two attempts to start a worker, after some that failed: twice as long for each, and this once there's little hope.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Takes no more tasks, finishes what it has.
    Closed,
    /// Over.
    Terminated,
}

pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) size: PoolSize,
    pub(super) workers: Vec<Worker>,
    /// What no worker had room for.
    pub(super) backlog: VecDeque<Piece>,
    /// Tasks accepted and not delivered.
    pub(super) unfinished: usize,
    pub(super) counts: Counts,
    pub(super) effects: Effects,
    /// The family's count of deaths when the workers were last looked at.
    pub(super) deaths_seen: u64,
    /// When to look at the workers whatever that count says.
    pub(super) look_due: Deadline,
    /// Starts in a row that came to nothing, weighted; and why the last one did.
    failed_starts: u32,
    failure: Option<Error>,
    /// No start before this.
    pub(super) next_start: Deadline,
    /// A worker is being started, and isn't among the workers yet.
    pub(super) launching: bool,
    /// Since when there have been tasks that nobody had begun, and nobody idle. Only for a pool that can grow.
    pressed: Option<u64>,
    /// The shortest time limit of a task that may be unfinished.
    pub(super) shortest_timeout: Option<Duration>,
    /// Until when the dispatcher sleeps.
    pub(super) dispatcher_due: Deadline,
    /// The dispatcher has to look at the number of workers.
    pub(super) rethink: bool,
    /// Nothing could be moved although a worker is idle: not to be tried again before something came back.
    pub(super) stuck: bool,
    /// Tasks submitted since something was last received in passing.
    pub(super) submitted: usize,
}

/// What has happened since the pool was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
    pub(super) deaths: u64,
    /// Workers that became ready, and how long that took them all together, in nanoseconds.
    pub(super) starts: u32,
    pub(super) start_time: u64,
}

impl State {
    pub(super) fn new(size: PoolSize, workers: Vec<Worker>, deaths_seen: u64) -> State {
        State {
            phase: Phase::Open,
            size,
            workers,
            backlog: VecDeque::new(),
            unfinished: 0,
            counts: Counts::default(),
            effects: Effects::default(),
            deaths_seen,
            look_due: Deadline::PASSED,
            failed_starts: 0,
            failure: None,
            next_start: Deadline::PASSED,
            launching: false,
            pressed: None,
            shortest_timeout: None,
            dispatcher_due: Deadline::PASSED,
            rethink: true,
            stuck: false,
            submitted: 0,
        }
    }

    /// Whether it takes tasks of its own tasks.
    pub(super) fn check_not_over(&self) -> Result<()> {
        match self.phase {
            Phase::Closed if !self.is_hopeless() => Ok(()),
            _ => self.check_open(),
        }
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.phase {
            Phase::Open if self.is_hopeless() => Err(self.hopeless()),
            Phase::Open => Ok(()),
            Phase::Closed => Err(Error::new(ErrorKind::Closed, "the pool is closed: it takes no more tasks")),
            Phase::Terminated => Err(Error::new(ErrorKind::Closed, "the pool has been terminated")),
        }
    }

    /// Accepts tasks: whether the dispatcher must be told.
    pub(super) fn accept(&mut self, piece: Piece) -> bool {
        let timeout = piece.limits().timeout;
        if self.has_given_up() {
            // Some time has passed: one more attempt.
            self.failed_starts = MOST_FAILED_STARTS - FAILED_START;
            self.rethink = true;
        }
        self.unfinished += piece.len();
        self.counts.accepted += piece.len() as u64;
        self.hand_out(piece);
        if let Some(timeout) = timeout {
            self.shortest_timeout = Some(self.shortest_timeout.map_or(timeout, |known| known.min(timeout)));
            self.rethink |= Deadline::after(timeout) < self.dispatcher_due;
        }
        self.note_pressure();
        self.rethink
    }

    /// To be called when tasks were handed out, by whomever: if there are some now that nobody has begun and nobody is idle, the dispatcher
    /// must look in time whether that lasts.
    pub(super) fn note_pressure(&mut self) {
        if self.pressed.is_none()
            && self.can_grow()
            && !self.workers.iter().any(Worker::is_idle)
            && self.queued() > 0
        {
            self.pressed = Some(now());
            self.rethink |= Deadline::after(plan::PATIENCE) < self.dispatcher_due;
        }
    }

    fn can_grow(&self) -> bool {
        let staying = || self.workers.iter().filter(|worker| worker.stage != Stage::Leaving);
        self.size.is_elastic() && staying().count() < self.size.max
    }

    /// Tasks that nobody has begun, if each worker that has some has begun one.
    fn queued(&self) -> usize {
        self.unfinished.saturating_sub(self.workers.iter().filter(|worker| worker.unfinished() > 0).count())
    }

    /// Receives from every worker: how many tasks.
    pub(super) fn receive(&mut self) -> usize {
        let mut count = 0;
        for at in 0..self.workers.len() {
            if self.workers[at].has_results() {
                count += self.receive_from(at);
            }
        }
        count
    }

    fn receive_from(&mut self, at: usize) -> usize {
        let worker = &mut self.workers[at];
        let (received, outcome) = worker.receive(&mut self.effects);
        if outcome.is_err() {
            // It scribbled over what it shares with us. Nothing more that it says can be believed.
            worker.kill();
        }
        if received > 0 && (self.size.is_elastic() || self.shortest_timeout.is_some()) {
            worker.since = now();
            if worker.is_idle() {
                self.pressed = None;
            }
        }
        if worker.is_used_up() {
            self.dismiss(at);
        }
        self.count_done(received);
        received
    }

    pub(super) fn count_done(&mut self, count: usize) {
        if count != 0 {
            self.unfinished -= count;
            self.counts.done += count as u64;
            self.stuck = false;
            self.settle();
        }
    }

    fn settle(&mut self) {
        if self.unfinished == 0 {
            self.shortest_timeout = None;
            self.pressed = None;
        }
    }

    /// Gives the piece to the workers that have least, and what they have no room for to the backlog.
    pub(super) fn hand_out(&mut self, piece: Piece) {
        let mut rest = Some(piece);
        while let Some(piece) = rest.take() {
            match self.place(piece) {
                Ok(left) => rest = left,
                Err(piece) => return self.backlog.push_back(piece),
            }
        }
    }

    /// Gives from the front of the piece to the worker that has least and has room: what is left over.
    fn place(&mut self, piece: Piece) -> Result<Option<Piece>, Piece> {
        let traced = self.effects.trace.is_some();
        if !piece.is_requested() && self.has_stand_ins() {
            return Err(piece);
        }
        let takers = self.workers.iter_mut().filter(|worker| worker.takes_tasks());
        let Some(least) = takers.min_by_key(|worker| worker.load()) else { return Err(piece) };
        let mut piece = match least.give(piece, traced) {
            Ok(left) => return Ok(left),
            Err(piece) => piece,
        };
        // The ring of one that runs a long task may be full of batches that were taken back: it's the others' turn.
        let mut others: Vec<&mut Worker> =
            self.workers.iter_mut().filter(|worker| worker.takes_tasks()).collect();
        others.sort_by_key(|worker| worker.load());
        for worker in others.into_iter().skip(1) {
            match worker.give(piece, traced) {
                Ok(left) => return Ok(left),
                Err(refused) => piece = refused,
            }
        }
        Err(piece)
    }

    /// Hands out the backlog, then lets idle workers take over what others have not begun. `last`: also a worker's only
    /// task, if it has not begun that either. (Not each time: it will in a moment, unless it's stopped, or slow to start.)
    pub(super) fn feed(&mut self, last: bool) {
        self.stuck = false;
        self.feed_requested();
        while let Some(piece) = self.backlog.pop_front() {
            if piece.is_settled() {
                self.effects.let_go(piece);
                continue;
            }
            let mut takers = self.workers.iter().filter(|worker| worker.takes_tasks());
            if takers.all(|worker| worker.unfinished() >= plan::ENOUGH) {
                self.backlog.push_front(piece);
                break;
            }
            match self.place(piece) {
                Ok(left) => {
                    if let Some(left) = left {
                        self.backlog.push_front(left);
                    }
                }
                Err(piece) => {
                    // Also who is idle has no room: it's stopped, and its ring full of batches that were taken back.
                    self.backlog.push_front(piece);
                    self.stuck = true;
                    break;
                }
            }
        }
        let traced = self.effects.trace.is_some();
        if self.has_stand_ins() {
            return;
        }
        while let Some(idle) = self.workers.iter().position(Worker::is_idle) {
            let most = if last { 0 } else { 1 };
            let Some(pieces) = self.take_from_the_busiest(most) else { return };
            if pieces.is_empty() {
                self.stuck = true;
                return;
            }
            for piece in pieces.into_iter().rev() {
                match self.workers[idle].give(piece, traced) {
                    Ok(left) => self.backlog.extend(left),
                    Err(piece) => {
                        // Its ring is full of batches that were taken back, and that it has not come to yet.
                        self.stuck = true;
                        self.backlog.push_front(piece);
                    }
                }
            }
            if self.stuck {
                return;
            }
        }
    }

    /// Whether there are more workers than there may be, because some wait for tasks of this pool, and as many have tasks as may: then
    /// others begin only what somebody waits for.
    fn has_stand_ins(&self) -> bool {
        let staff = || self.workers.iter().filter(|worker| worker.stage != Stage::Leaving);
        staff().any(|worker| worker.waits)
            && staff().count() > self.size.max
            && staff().filter(|worker| worker.unfinished() > 0).count() >= self.size.max
    }

    /// While workers wait, what others of them wait for comes first: for who is idle.
    fn feed_requested(&mut self) {
        if !self.workers.iter().any(|worker| worker.waits) {
            return;
        }
        let traced = self.effects.trace.is_some();
        while let Some(idle) = self.workers.iter().position(Worker::is_idle) {
            let Some(piece) = self.take_requested() else { return };
            if let Err(piece) = self.workers[idle].give(piece, traced) {
                self.backlog.push_front(piece);
                return;
            }
        }
    }

    fn take_requested(&mut self) -> Option<Piece> {
        let queued = self.backlog.iter().position(|piece| piece.is_requested() && !piece.is_settled());
        match queued {
            Some(at) => self.backlog.remove(at),
            None => self.workers.iter_mut().find_map(|worker| worker.take_back_requested().pop()),
        }
    }

    /// Takes back about half of what the worker has that has most, and more than `most`; if it has begun all of that, of the next one.
    /// `None` if nobody has so many.
    fn take_from_the_busiest(&mut self, most: usize) -> Option<Vec<Piece>> {
        let busiest = self.workers.iter().map(Worker::unfinished).enumerate().max_by_key(|(_, tasks)| *tasks);
        let (busiest, tasks) = busiest?;
        if tasks <= most {
            return None;
        }
        let pieces = self.workers[busiest].take_back_half();
        if !pieces.is_empty() {
            return Some(pieces);
        }
        let mut order: Vec<usize> = (0..self.workers.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.workers[*at].unfinished()));
        let busy = order.into_iter().filter(|at| self.workers[*at].unfinished() > most).collect::<Vec<_>>();
        let taken =
            busy.into_iter().map(|at| self.workers[at].take_back_half()).find(|pieces| !pieces.is_empty());
        Some(taken.unwrap_or_default())
    }

    /// Whether some tasks could be moved to a worker that has none.
    pub(super) fn has_spare(&self) -> bool {
        !self.backlog.is_empty() || self.workers.iter().any(|worker| worker.unfinished() > 1)
    }

    /// Looks which workers have ended, and settles what they had: whether anything changed.
    pub(super) fn bury(&mut self) -> bool {
        let mut changed = false;
        let mut at = 0;
        while at < self.workers.len() {
            let Some(exit) = self.workers[at].exit() else {
                at += 1;
                continue;
            };
            changed = true;
            self.rethink = true;
            // It's dead, so this is the last of what it finished; what it scribbled is as good as unfinished.
            self.receive_from(at);
            let worker = self.workers.swap_remove(at);
            self.settle_end(worker, exit);
        }
        changed
    }

    fn settle_end(&mut self, mut worker: Worker, exit: Exit) {
        let asked = worker.stage == Stage::Leaving && (exit.status.success() || worker.condemned.is_some());
        self.counts.deaths += !asked as u64;
        if let Some(trace) = &mut self.effects.trace {
            trace.instant(worker.index, if asked { "left" } else { "died" }, now());
        }
        let Remains { untouched, running } = worker.remains();
        let was_ready = worker.done() > 0 || running.is_some() || worker.report().ready.is_some();
        if let Some(tasks) = running {
            match worker.condemned.take() {
                Some(error) => self.fail(tasks, &error),
                None if worker.has_starved() => self.fail_or_retry(tasks, &TaskError::OutOfMemory),
                None => self.fail_or_retry(tasks, &death(exit)),
            }
        }
        for piece in untouched.into_iter().rev() {
            self.backlog.push_front(piece);
        }
        // One that was too slow to become ready was told to end, and counts all the same.
        if !was_ready && (!asked || worker.condemned.is_some()) {
            let error = worker.refusal().map_or_else(|| not_ready(&worker, exit), initializer_failed);
            // One that was killed from outside says little about the next.
            let weight =
                if exit.status.signal() == Some(9) && !exit.is_failed_start() && worker.condemned.is_none() {
                    1
                } else {
                    FAILED_START
                };
            self.count_failed_start(weight, error);
        }
        // It has memory that it shared with the pool.
        self.effects.later.push(Box::new(move || drop(worker)));
    }

    /// A task died with its worker: it's run again if it may be.
    fn fail_or_retry(&mut self, task: Piece, error: &TaskError) {
        if task.attempt >= task.limits().retries || task.len() != 1 {
            return self.fail(task, error);
        }
        match task.again() {
            Ok(piece) => {
                self.counts.retried += 1;
                self.backlog.push_front(piece);
            }
            Err(e) => self.fail(task, &e.into()),
        }
    }

    /// A start came to nothing. After too many in a row, and without a worker, the pool has to give up.
    pub(super) fn count_failed_start(&mut self, weight: u32, error: Error) {
        self.failed_starts = self.failed_starts.saturating_add(weight);
        let pause = match self.failed_starts {
            ..MOST_FAILED_STARTS => Duration::from_millis(1 << (self.failed_starts / 8)),
            _ => LONGEST_PAUSE,
        };
        self.next_start = Deadline::after(pause);
        self.failure = Some(error);
        self.give_up_if_hopeless();
    }

    /// With no worker that could do anything, and none to come, tasks fail.
    pub(super) fn give_up_if_hopeless(&mut self) {
        if self.has_given_up() {
            // What those who wait were handed they won't begin either.
            (0..self.workers.len()).for_each(|at| self.reclaim(at));
            let error = TaskError::Failed(self.hopeless());
            for piece in std::mem::take(&mut self.backlog).into_iter().filter(|piece| !piece.is_settled()) {
                self.fail(piece, &error);
            }
        }
    }

    /// Whether it has only just given up.
    fn is_hopeless(&self) -> bool {
        self.has_given_up() && !self.next_start.has_passed()
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.failed_starts >= MOST_FAILED_STARTS
            && !self.launching
            && self.workers.iter().all(|worker| worker.waits)
    }

    fn hopeless(&self) -> Error {
        let why = self.failure.as_ref().map_or(String::new(), |error| format!(": {error}"));
        let text = format!("the pool's workers can't be started, the last attempts all failed{why}");
        Error::new(ErrorKind::StartFailed, text)
    }

    pub(super) fn fail(&mut self, piece: Piece, error: &TaskError) {
        for at in 0..piece.len() {
            let part = Part::Failed(error.clone());
            piece.batch.kind.sink.deliver(piece.number(at), part, &mut self.effects.later);
        }
        self.unfinished -= piece.len();
        self.counts.failed += piece.len() as u64;
        self.effects.let_go(piece);
        self.settle();
    }

    /// Takes back what goes to this sink and hasn't begun; `running`: also ends the workers that run some of it.
    pub(super) fn cancel(&mut self, sink: &Arc<dyn Sink>, running: bool) {
        let mut cancelled = Vec::new();
        for at in 0..self.workers.len() {
            cancelled.extend(self.workers[at].take_back_of(sink));
            // What it has ended meanwhile isn't what it's running.
            self.receive_from(at);
            if running && self.workers[at].running().is_some_and(|piece| piece.goes_to(sink)) {
                self.condemn(at, TaskError::Cancelled);
            }
        }
        let single = sink.is_single();
        let pending = cancelled.is_empty() && !sink.is_settled() && !self.runs(sink);
        if single && pending {
            // Somewhere in the backlog, which may be long: it's passed over when it comes.
            sink.deliver(0, Part::Failed(TaskError::Cancelled), &mut self.effects.later);
            self.unfinished -= 1;
            self.counts.failed += 1;
            self.settle();
        } else if !single {
            self.backlog.retain(|piece| {
                let goes = piece.goes_to(sink);
                if goes {
                    cancelled.push(piece.clone());
                }
                !goes
            });
        }
        for piece in cancelled {
            self.fail(piece, &TaskError::Cancelled);
        }
    }

    fn runs(&self, sink: &Arc<dyn Sink>) -> bool {
        self.workers.iter().any(|worker| worker.has_of(sink))
    }

    /// Ends a worker because of the task that it's running, and nothing but that task: first it gets nothing more to begin, so if it has
    /// ended that task meanwhile, it may live.
    fn condemn(&mut self, at: usize, error: TaskError) {
        let Some(before) = self.workers[at].running() else { return };
        self.reclaim(at);
        self.receive_from(at);
        let worker = &mut self.workers[at];
        let still = worker.running().is_some_and(|now| now.is_same(&before));
        if still && worker.condemned.is_none() {
            worker.condemned = Some(error);
            worker.stage = Stage::Leaving;
            worker.kill();
            self.rethink = true;
        }
    }

    fn reclaim(&mut self, at: usize) {
        for piece in self.workers[at].take_back_all() {
            self.backlog.push_front(piece);
        }
    }

    /// Sends a worker away, when it has ended the task that it's running; what else it has is for others.
    fn dismiss(&mut self, at: usize) {
        self.reclaim(at);
        self.workers[at].stage = Stage::Leaving;
        self.workers[at].close();
        self.rethink = true;
    }

    /// Sends away so many, those first that have had nothing to do for longest.
    pub(super) fn retire(&mut self, count: usize) {
        let serving = |state: &State, at: &usize| state.workers[*at].stage != Stage::Leaving;
        let mut order: Vec<usize> = (0..self.workers.len()).filter(|at| serving(self, at)).collect();
        order.sort_by_key(|at| {
            let worker = &self.workers[*at];
            (worker.waits, worker.unfinished() > 0, worker.stage == Stage::Serving, worker.since)
        });
        order.into_iter().take(count).for_each(|at| self.dismiss(at));
    }

    /// Sends away the one that has been idle for longest.
    pub(super) fn expire(&mut self) {
        let idle = |worker: &Worker| worker.stage == Stage::Serving && worker.unfinished() == 0;
        let idle = (0..self.workers.len()).filter(|at| idle(&self.workers[*at]));
        if let Some(idlest) = idle.min_by_key(|at| self.workers[*at].since) {
            self.dismiss(idlest);
        }
    }

    /// Ends workers whose time is up: when the next one's is.
    pub(super) fn end_overdue(&mut self, start_limit: Option<Duration>) -> Option<Duration> {
        if self.shortest_timeout.is_none() && start_limit.is_none() {
            return None;
        }
        let mut next = self.shortest_timeout.filter(|_| self.unfinished > 0);
        for at in 0..self.workers.len() {
            let Some(due) = self.workers[at].due(start_limit) else { continue };
            let left = Duration::from_nanos(due.saturating_sub(now()));
            if !left.is_zero() {
                next = Some(next.map_or(left, |next| next.min(left)));
            } else if self.workers[at].running().is_some() {
                self.condemn(at, TaskError::TimedOut);
            } else {
                self.replace(at);
            }
        }
        next
    }

    /// Ends a worker that does nothing.
    fn replace(&mut self, at: usize) {
        self.reclaim(at);
        let worker = &mut self.workers[at];
        if worker.running().is_none() {
            worker.condemned = Some(TaskError::TimedOut);
            worker.stage = Stage::Leaving;
            worker.kill();
        }
    }

    /// Hears what the workers say of themselves.
    pub(super) fn read_reports(&mut self) {
        let State { workers, effects, counts, failed_starts, .. } = self;
        for worker in workers {
            let report = worker.report();
            worker.waits = report.waits;
            let Some(ready) = report.ready else { continue };
            if worker.launched != 0 {
                let span = Span { start: worker.launched, end: ready.max(worker.launched) };
                worker.launched = 0;
                counts.starts += 1;
                counts.start_time += span.end - span.start;
                *failed_starts = 0;
                if let Some(trace) = &mut effects.trace {
                    trace.span(worker.index, "start", span);
                }
            }
            if worker.stage == Stage::Starting {
                worker.stage = Stage::Serving;
                worker.since = now();
            }
        }
    }

    /// What the plan goes by.
    pub(super) fn snapshot(&mut self, settings: &Settings) -> Snapshot {
        let now = now();
        let since = |then: u64| Duration::from_nanos(now.saturating_sub(then));
        let mut snapshot = Snapshot {
            size: self.size,
            closed: self.phase != Phase::Open,
            starting: 0,
            busy: 0,
            waiting: 0,
            idle: 0,
            idlest: Duration::ZERO,
            idle_timeout: settings.idle_timeout,
            unfinished: self.unfinished,
            pressed: None,
            requested: false,
            pause: self.next_start.remaining().unwrap_or_default(),
        };
        for worker in &self.workers {
            match worker.stage {
                // What it's running is nobody else's to begin.
                Stage::Leaving => snapshot.unfinished -= worker.unfinished().min(snapshot.unfinished),
                Stage::Starting => snapshot.starting += 1,
                Stage::Serving if worker.unfinished() > 0 => {
                    snapshot.busy += 1;
                    snapshot.waiting += worker.waits as usize;
                }
                Stage::Serving => {
                    snapshot.idle += 1;
                    snapshot.idlest = snapshot.idlest.max(since(worker.since));
                }
            }
        }
        snapshot.requested = snapshot.waiting > 0
            && (self.backlog.iter().any(Piece::is_requested)
                || self.workers.iter().any(Worker::has_requested));
        if snapshot.idle > 0 || self.queued() == 0 {
            self.pressed = None;
        } else if self.can_grow() || snapshot.waiting > 0 {
            snapshot.pressed = Some(since(*self.pressed.get_or_insert(now)));
        }
        snapshot
    }

    /// The smallest number that no worker has.
    pub(super) fn free_index(&self) -> usize {
        (0..)
            .find(|index| self.workers.iter().all(|worker| worker.index != *index))
            .expect("there are more numbers than workers")
    }
}

fn initializer_failed(error: TaskError) -> Error {
    Error::new(ErrorKind::StartFailed, format!("a worker couldn't be initialised: {error}"))
}

/// Why a worker that said nothing didn't become ready.
fn not_ready(worker: &Worker, exit: Exit) -> Error {
    match &worker.condemned {
        Some(_) => initializer_failed(TaskError::TimedOut),
        None if worker.has_starved() => initializer_failed(TaskError::OutOfMemory),
        None => match death(exit) {
            TaskError::Failed(error) => error,
            died => initializer_failed(died),
        },
    }
}
