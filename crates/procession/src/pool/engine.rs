//! The engine: hands tasks to workers, receives what comes back, and goes on when a worker dies.
//!
//! All of it is one private structure under one lock, and whoever has something to do with it does the work itself: a
//! thread that submits writes into a worker's ring, a thread that waits for a result drains the rings. The dispatcher
//! thread serves what nobody waits for.

use super::{
    batch::{Batch, Piece},
    callbacks::Callbacks,
    plan::{self, Snapshot},
    statistics::PoolStatistics,
    worker::{Remains, Worker},
};
use crate::{TaskError, process::death};
use procession_core::{Deadline, Error, ErrorKind, Result, pool::Inbox};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// What a pool's threads share.
pub(super) struct Engine {
    pub(super) name: String,
    pub(super) callbacks: Arc<Callbacks>,
    state: Mutex<State>,
    /// Dropped after the state: the links refer to it.
    inbox: Inbox,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Takes no more tasks, finishes what it has.
    Closed,
    /// Over.
    Terminated,
}

struct State {
    phase: Phase,
    size: usize,
    workers: Vec<Worker>,
    /// What no worker had room for.
    backlog: VecDeque<Piece>,
    /// Tasks accepted and not delivered.
    unfinished: usize,
    done: u64,
    failed: u64,
    deaths: u64,
    /// The family's count of deaths when the workers were last looked at.
    deaths_seen: u64,
    /// Starts in a row that came to nothing.
    failed_starts: u32,
    /// When the next start is due, if one is.
    start_due: Option<Deadline>,
    /// Nothing could be moved although a worker is idle: not to be tried again before something came back.
    stuck: bool,
    /// Tasks submitted since something was last received in passing.
    submitted: usize,
}

/// After so many starts in a row that come to nothing, nothing will come of more.
const MOST_FAILED_STARTS: u32 = 5;

/// Between two attempts to start a worker, after one that failed.
const START_PAUSE: Duration = Duration::from_millis(50);

/// A submitting thread also receives, once in so many tasks: else a flood of them would wake the dispatcher.
const RECEIVE_EVERY: usize = 64;

/// How long a worker that was told to end may take.
const END_TIMEOUT: Duration = Duration::from_secs(5);

impl Engine {
    pub(super) fn new(size: usize, name: String) -> Result<Engine> {
        let inbox = Inbox::new()?;
        let mut workers = Vec::with_capacity(size);
        for _ in 0..size {
            match Worker::start(&inbox, &name) {
                Ok(worker) => workers.push(worker),
                Err(e) => {
                    end(&mut workers);
                    return Err(e);
                }
            }
        }
        let deaths_seen = inbox.deaths();
        let state = State {
            phase: Phase::Open,
            size,
            workers,
            backlog: VecDeque::new(),
            unfinished: 0,
            done: 0,
            failed: 0,
            deaths: 0,
            deaths_seen,
            failed_starts: 0,
            start_due: None,
            stuck: false,
            submitted: 0,
        };
        Ok(Engine { callbacks: Arc::new(Callbacks::new(&name)?), name, state: Mutex::new(state), inbox })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether tasks would be accepted.
    pub(super) fn check_open(&self) -> Result<()> {
        // First of all: in a plain fork even the lock may be held by a thread that isn't there.
        procession_core::check()?;
        self.lock().check_open()
    }

    /// Accepts a batch.
    ///
    /// # Errors
    ///
    /// Closed; start failed, if no worker can be started any more. Nothing of the batch will run then.
    pub(super) fn submit(&self, batch: Arc<Batch>) -> Result<()> {
        procession_core::check()?;
        let mut state = self.lock();
        state.check_open()?;
        state.unfinished += batch.tasks.len();
        state.submitted += batch.tasks.len();
        let received = state.submitted >= RECEIVE_EVERY && {
            state.submitted = 0;
            state.receive() != 0
        };
        state.hand_out(Piece::whole(batch));
        drop(state);
        if received {
            self.inbox.ring_results();
        }
        Ok(())
    }

    /// Whether more tasks are needed to keep every worker busy.
    pub(super) fn wants_more(&self) -> bool {
        let state = self.lock();
        state.backlog.is_empty() && state.workers.iter().any(|worker| worker.unfinished() < plan::ENOUGH)
    }

    /// Waits until `ready` gives something, doing the engine's work meanwhile; `None` when the deadline passed. Not to be
    /// called in a plain fork.
    pub(super) fn wait_for<T>(&self, deadline: Deadline, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        let result = self.inbox.wait_for_result(deadline, || {
            ready().or_else(|| {
                self.pump();
                ready()
            })
        });
        // A worker may have rung for attention when this thread already knew what it wanted to know.
        self.look_after(self.lock());
        result
    }

    /// Does what there is to do now: receives, looks after deaths, hands out, moves tasks to idle workers.
    ///
    /// If another thread is at it, that thread does it, and rings when something came of it.
    fn pump(&self) {
        if let Ok(state) = self.state.try_lock() {
            self.look_after(state);
        }
    }

    fn look_after(&self, mut state: MutexGuard<'_, State>) {
        let mut changed = state.receive() != 0;
        let deaths = self.inbox.deaths();
        if deaths != state.deaths_seen {
            state.deaths_seen = deaths;
            changed |= state.bury();
        }
        state.feed();
        let needs_dispatcher = state.start_due.is_some() && state.phase != Phase::Terminated;
        drop(state);
        if changed {
            self.inbox.ring_results();
        }
        if needs_dispatcher {
            self.inbox.ring_attention();
        }
    }

    /// The dispatcher's life: until the pool is terminated.
    pub(super) fn dispatch(&self) {
        loop {
            let look = || {
                let state = self.lock();
                let due = state.start_due.is_some_and(|due| due.has_passed());
                let work = state.phase == Phase::Terminated
                    || due
                    || state.deaths_seen != self.inbox.deaths()
                    || state.workers.iter().any(Worker::has_results)
                    || !state.stuck && state.has_spare() && state.workers.iter().any(Worker::is_idle);
                work.then_some(())
            };
            let deadline = self.lock().start_due.unwrap_or(Deadline::NEVER);
            if self.callbacks.are_wanted() {
                self.inbox.wait_for_result(deadline, look);
            } else {
                let wanted = || self.callbacks.are_wanted().then_some(());
                self.inbox.wait_for_attention(deadline, || look().or_else(wanted));
            }
            self.pump();
            self.start_missing();
            if self.lock().phase == Phase::Terminated {
                return;
            }
        }
    }

    /// Wakes the dispatcher, wherever it sleeps.
    pub(super) fn wake_dispatcher(&self) {
        self.inbox.ring_attention();
        self.inbox.ring_results();
    }

    /// Replaces workers that died. Only the dispatcher does: a start takes a millisecond.
    fn start_missing(&self) {
        let mut state = self.lock();
        while state.start_due.is_some_and(|due| due.has_passed()) {
            let snapshot = Snapshot {
                size: state.size,
                workers: state.workers.len(),
                unfinished: state.unfinished,
                closed: state.phase != Phase::Open,
            };
            if state.phase == Phase::Terminated || plan::missing(&snapshot) == 0 {
                state.start_due = None;
                return;
            }
            drop(state);
            let started = Worker::start(&self.inbox, &self.name);
            state = self.lock();
            match started {
                Ok(worker) if state.phase == Phase::Terminated => {
                    drop(state);
                    return end(&mut vec![worker]);
                }
                Ok(worker) => {
                    state.workers.push(worker);
                    state.feed();
                }
                Err(e) => {
                    state.start_due = Some(Deadline::after(START_PAUSE));
                    state.count_failed_start(&e);
                }
            }
        }
        drop(state);
        self.inbox.ring_results();
    }

    /// Takes no more tasks.
    pub(super) fn close(&self) {
        if procession_core::check().is_err() {
            return;
        }
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closed;
        }
        drop(state);
        self.wake_dispatcher();
    }

    /// Waits until every accepted task is done and every callback has run, and ends the workers.
    pub(super) fn join(&self) -> Result<()> {
        procession_core::check()?;
        self.close();
        self.wait_for(Deadline::NEVER, || (self.lock().unfinished == 0).then_some(()));
        // Each was queued before its task stopped counting as unfinished.
        self.callbacks.wait_done();
        let workers = {
            let mut state = self.lock();
            state.phase = Phase::Terminated;
            std::mem::take(&mut state.workers)
        };
        for worker in &workers {
            worker.close();
        }
        let deadline = Deadline::after(END_TIMEOUT);
        for worker in &workers {
            if worker.wait(deadline).is_none() {
                worker.kill();
                worker.wait(Deadline::NEVER);
            }
        }
        drop(workers);
        self.wake_dispatcher();
        Ok(())
    }

    /// Ends everything now: workers are killed, tasks that are not done are cancelled.
    pub(super) fn terminate(&self) {
        if procession_core::check().is_err() {
            return;
        }
        let mut state = self.lock();
        if state.phase != Phase::Terminated {
            state.phase = Phase::Terminated;
            let mut workers = std::mem::take(&mut state.workers);
            // What was finished is delivered, though nobody may look.
            for worker in &mut workers {
                let _ = worker.receive().map(|count| state.count_done(count));
            }
            let left = workers
                .iter_mut()
                .flat_map(|worker| worker.abandon())
                .chain(std::mem::take(&mut state.backlog));
            for piece in left.collect::<Vec<_>>() {
                state.fail(&piece, &TaskError::Cancelled);
            }
            drop(state);
            end(&mut workers);
        }
        self.wake_dispatcher();
    }

    pub(super) fn statistics(&self) -> PoolStatistics {
        let state = self.lock();
        let busy = state.workers.iter().filter(|worker| worker.unfinished() > 0).count();
        PoolStatistics {
            workers: state.workers.len(),
            idle: state.workers.len() - busy,
            running: busy,
            queued: state.unfinished - busy.min(state.unfinished),
            done: state.done,
            failed: state.failed,
            deaths: state.deaths,
        }
    }

    pub(super) fn worker_pids(&self) -> Vec<u32> {
        self.lock().workers.iter().map(Worker::pid).collect()
    }
}

/// Kills workers and waits until they're gone.
fn end(workers: &mut Vec<Worker>) {
    for worker in workers.iter() {
        worker.kill();
    }
    for worker in workers.drain(..) {
        worker.wait(Deadline::NEVER);
    }
}

impl State {
    fn check_open(&self) -> Result<()> {
        match self.phase {
            Phase::Open if self.failed_starts >= MOST_FAILED_STARTS && self.workers.is_empty() => {
                Err(Error::new(
                    ErrorKind::StartFailed,
                    "the pool's workers can't be started: the last attempts all failed",
                ))
            }
            Phase::Open => Ok(()),
            Phase::Closed => Err(Error::new(ErrorKind::Closed, "the pool is closed: it takes no more tasks")),
            Phase::Terminated => Err(Error::new(ErrorKind::Closed, "the pool has been terminated")),
        }
    }

    /// Receives from every worker: how many tasks.
    fn receive(&mut self) -> usize {
        let mut count = 0;
        for worker in &mut self.workers {
            if worker.has_results() {
                match worker.receive() {
                    Ok(received) => count += received,
                    // It scribbled over what it shares with us. Nothing more that it says can be believed.
                    Err(_) => worker.kill(),
                }
            }
        }
        self.count_done(count);
        count
    }

    fn count_done(&mut self, count: usize) {
        if count != 0 {
            self.unfinished -= count;
            self.done += count as u64;
            self.failed_starts = 0;
            self.stuck = false;
        }
    }

    /// Gives the piece to the workers that have least, and what they have no room for to the backlog.
    fn hand_out(&mut self, piece: Piece) {
        let mut rest = Some(piece);
        while let Some(piece) = rest.take() {
            match self.workers.iter_mut().min_by_key(|worker| worker.unfinished()) {
                Some(worker) => match worker.give(piece) {
                    Ok(left) => rest = left,
                    Err(piece) => return self.backlog.push_back(piece),
                },
                None => return self.backlog.push_back(piece),
            }
        }
    }

    /// Hands out the backlog, then lets idle workers take over what others have not begun.
    fn feed(&mut self) {
        while let Some(worker) = self.workers.iter_mut().min_by_key(|worker| worker.unfinished()) {
            let Some(piece) = self.backlog.pop_front() else { break };
            if worker.unfinished() >= plan::ENOUGH {
                self.backlog.push_front(piece);
                return;
            }
            match worker.give(piece) {
                Ok(left) => self.backlog.extend(left),
                Err(piece) => {
                    self.backlog.push_front(piece);
                    return;
                }
            }
        }
        while let Some(idle) = self.workers.iter().position(Worker::is_idle) {
            let busiest = self.workers.iter_mut().max_by_key(|worker| worker.unfinished());
            let Some(busiest) = busiest.filter(|worker| worker.unfinished() > 1) else { return };
            let pieces = busiest.take_back_half();
            if pieces.is_empty() {
                self.stuck = true;
                return;
            }
            for piece in pieces.into_iter().rev() {
                match self.workers[idle].give(piece) {
                    Ok(left) => self.backlog.extend(left),
                    Err(piece) => self.backlog.push_front(piece),
                }
            }
        }
    }

    /// Whether some tasks could be moved to a worker that has none.
    fn has_spare(&self) -> bool {
        !self.backlog.is_empty() || self.workers.iter().any(|worker| worker.unfinished() > 1)
    }

    /// Looks which workers have ended, and settles what they had: whether anything changed.
    fn bury(&mut self) -> bool {
        let mut changed = false;
        let mut at = 0;
        while at < self.workers.len() {
            let Some(exit) = self.workers[at].exit() else {
                at += 1;
                continue;
            };
            let mut worker = self.workers.swap_remove(at);
            changed = true;
            self.deaths += 1;
            // It's dead, so this is the last of what it finished; what it scribbled is as good as unfinished.
            let received = worker.receive();
            self.count_done(received.unwrap_or(0));
            let Remains { untouched, running } = worker.remains();
            drop(worker);
            if let Some(tasks) = running {
                self.fail(&tasks, &death(exit));
            }
            for piece in untouched.into_iter().rev() {
                self.backlog.push_front(piece);
            }
            let pause = if exit.attached { Duration::ZERO } else { START_PAUSE };
            self.start_due = Some(Deadline::after(pause));
            if let TaskError::Failed(e) = death(exit) {
                self.count_failed_start(&e);
            }
        }
        changed
    }

    /// A start came to nothing. After too many in a row, and without a worker, the pool has to give up.
    fn count_failed_start(&mut self, error: &Error) {
        self.failed_starts += 1;
        if self.failed_starts >= MOST_FAILED_STARTS && self.workers.is_empty() {
            self.start_due = None;
            for piece in std::mem::take(&mut self.backlog) {
                self.fail(&piece, &TaskError::Failed(error.clone()));
            }
        }
    }

    fn fail(&mut self, piece: &Piece, error: &TaskError) {
        for at in 0..piece.len() {
            piece.batch.sink.fail(piece.number(at), error.clone());
        }
        self.unfinished -= piece.len();
        self.failed += piece.len() as u64;
    }
}
