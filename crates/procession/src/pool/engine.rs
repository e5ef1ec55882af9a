//! The engine: hands tasks to workers, receives what comes back, and goes on when a worker dies.
//!
//! All of it is one private structure under one lock, and whoever has something to do with it does the work itself: a
//! thread that submits writes into a worker's ring, a thread that waits for a result drains the rings. The dispatcher
//! thread serves what nobody waits for.

use super::{
    batch::{Batch, Piece},
    callbacks::Callbacks,
    plan::{self, Snapshot},
    state::{FAILED_START, Phase, START_PAUSE, State},
    statistics::PoolStatistics,
    worker::Worker,
};
use crate::TaskError;
use procession_core::{Deadline, Result, pool::Inbox};
use std::{
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

/// A submitting thread also receives, once in so many tasks: else a flood of them would wake the dispatcher.
const RECEIVE_EVERY: usize = 64;

/// So often the workers are looked at though nobody reported a death: the monitor may be stuck.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a worker that was told to end may take.
const END_TIMEOUT: Duration = Duration::from_secs(5);

impl Engine {
    pub(super) fn new(size: usize, name: String) -> Result<Engine> {
        let inbox = Inbox::new()?;
        let mut workers = Vec::new();
        for _ in 0..size {
            match Worker::start(&inbox, &name) {
                Ok(worker) => workers.push(worker),
                Err(e) => {
                    end(&mut workers);
                    return Err(e);
                }
            }
        }
        let state = State::new(size, workers, inbox.deaths());
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
        // Also where the next submission will say why there is nobody to keep busy.
        state.check_open().is_err()
            || state.backlog.is_empty()
                && state.workers.iter().any(|worker| worker.unfinished() < plan::ENOUGH)
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
        self.pump();
        result
    }

    /// Does what there is to do now: receives, looks after deaths, hands out, moves tasks to idle workers.
    fn pump(&self) {
        self.look_after(self.lock());
    }

    fn look_after(&self, mut state: MutexGuard<'_, State>) {
        let mut changed = state.receive() != 0;
        let deaths = self.inbox.deaths();
        let look = state.look_due.has_passed();
        if deaths != state.deaths_seen || look {
            state.deaths_seen = deaths;
            state.look_due = Deadline::after(LOOK_EVERY);
            changed |= state.bury();
        }
        state.feed(look);
        let due = |due: Deadline| changed || due.has_passed();
        let needs_dispatcher = state.start_due.is_some_and(due) && state.phase != Phase::Terminated;
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
                    || state.look_due.has_passed()
                    || state.workers.iter().any(Worker::has_results)
                    || !state.stuck && state.has_spare() && state.workers.iter().any(Worker::is_idle);
                work.then_some(())
            };
            let deadline = self.lock().start_due.unwrap_or(Deadline::NEVER);
            if self.callbacks.are_wanted() {
                self.inbox.wait_for_result(deadline, look);
            } else {
                // Whoever rings has a reason; also what to wait for, and until when, may be another now.
                let mut looked = false;
                self.inbox.wait_for_attention(deadline, || {
                    let rung = std::mem::replace(&mut looked, true);
                    look().or(rung.then_some(()))
                });
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
                break;
            }
            state.starting = true;
            drop(state);
            let started = Worker::start(&self.inbox, &self.name);
            state = self.lock();
            state.starting = false;
            match started {
                Ok(worker) if state.phase == Phase::Terminated => {
                    drop(state);
                    return end(&mut vec![worker]);
                }
                Ok(worker) => {
                    state.workers.push(worker);
                    state.feed(false);
                }
                Err(e) => {
                    state.start_due = Some(Deadline::after(START_PAUSE));
                    state.count_failed_start(FAILED_START, &e);
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
        self.callbacks.check_not_inside()?;
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
            drop(state);
            // Their ends first: what is called cancelled must not go on, and needs its arguments until then.
            workers.iter().for_each(Worker::kill);
            for worker in &workers {
                worker.wait(Deadline::NEVER);
            }
            let mut state = self.lock();
            let mut left = Vec::from(std::mem::take(&mut state.backlog));
            for worker in &mut workers {
                // What was finished is delivered, though nobody may look.
                let (received, _) = worker.receive();
                state.count_done(received);
                left.extend(worker.abandon());
            }
            for piece in &left {
                state.fail(piece, &TaskError::Cancelled);
            }
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
