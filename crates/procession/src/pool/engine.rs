//! The engine: hands tasks to workers, receives what comes back, and goes on when a worker dies.
//!
//! All of it is one private structure under one lock, and whoever has something to do with it does the work itself: a
//! thread that submits writes into a worker's ring, a thread that waits for a result drains the rings. The dispatcher
//! thread serves what nobody waits for.

use super::{
    batch::Piece,
    callbacks::Callbacks,
    handle::PoolHandle,
    locked::Locked,
    plan,
    requests::Requests,
    settings::Settings,
    sink::Sink,
    size::PoolSize,
    state::{Phase, State},
    statistics::PoolStatistics,
    trace::Trace,
    worker::Worker,
};
use crate::TaskError;
use procession_core::{Deadline, Result, now, pool::Inbox};
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// What a pool's threads share.
pub(super) struct Engine {
    pub(super) settings: Settings,
    pub(super) callbacks: Arc<Callbacks>,
    state: Mutex<State>,
    /// Of other processes; there are none before somebody makes a handle.
    requests: Mutex<Option<Arc<Requests>>>,
    /// Dropped after the state: the links refer to it.
    pub(super) inbox: Inbox,
}

/// A submitting thread also receives, once in so many tasks: else a flood of them would wake the dispatcher.
const RECEIVE_EVERY: usize = 64;

/// So often the workers are looked at though nobody reported a death: the monitor may be stuck.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a worker that was told to end may take.
const END_TIMEOUT: Duration = Duration::from_secs(5);

impl Engine {
    pub(super) fn new(settings: Settings) -> Result<Engine> {
        let inbox = Inbox::new()?;
        let mut workers = Vec::new();
        for index in 0..settings.size.min {
            match Worker::start(&inbox, &settings, index) {
                Ok(worker) => workers.push(worker),
                Err(e) => {
                    end(&mut workers);
                    return Err(e);
                }
            }
        }
        let state = State::new(settings.size, workers, inbox.deaths());
        let callbacks = Arc::new(Callbacks::new(&settings.name)?);
        Ok(Engine { callbacks, state: Mutex::new(state), requests: Mutex::new(None), inbox, settings })
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked<'_> {
        Locked::new(&self.state)
    }

    /// Whether tasks would be accepted.
    pub(super) fn check_open(&self) -> Result<()> {
        // First of all: in a plain fork even the lock may be held by a thread that isn't there.
        procession_core::check()?;
        self.lock().check_open()
    }

    /// Accepts tasks, once there is room for all of them among those that may be pending; there never is for more than that.
    ///
    /// # Errors
    ///
    /// Closed; start failed, if no worker can be started any more. Nothing of the batch will run then.
    pub(super) fn submit(&self, piece: Piece) -> Result<()> {
        procession_core::check()?;
        let most = self.settings.max_pending;
        let must_wait =
            |state: &State| most.saturating_sub(state.unfinished) < piece.len() && state.phase == Phase::Open;
        let mut state = self.lock();
        while must_wait(&state) {
            drop(state);
            let room = || (!must_wait(&self.lock())).then_some(());
            self.wait_for(Deadline::NEVER, room);
            state = self.lock();
        }
        state.check_open()?;
        self.submit_to(state, piece);
        Ok(())
    }

    /// Accepts tasks of another process, however many are pending, and until the pool is over: a task of this pool may wait for them.
    ///
    /// # Errors
    ///
    /// Those of `submit`.
    pub(super) fn submit_at_once(&self, piece: Piece) -> Result<()> {
        procession_core::check()?;
        let state = self.lock();
        state.check_not_over()?;
        self.submit_to(state, piece);
        Ok(())
    }

    fn submit_to(&self, mut state: Locked<'_>, piece: Piece) {
        state.submitted += piece.len();
        let received = state.submitted >= RECEIVE_EVERY && {
            state.submitted = 0;
            state.receive() != 0
        };
        let needs_dispatcher = state.accept(piece);
        drop(state);
        if needs_dispatcher {
            self.wake_dispatcher();
        } else if received {
            self.inbox.ring_results();
        }
    }

    /// Whether more may be submitted without waiting.
    pub(super) fn has_room(&self) -> bool {
        self.room() > 0
    }

    fn room(&self) -> usize {
        self.settings.max_pending.saturating_sub(self.lock().unfinished)
    }

    /// How many tasks of those that are wanted to submit next: as many as there is room for, or one that waits for some.
    pub(super) fn portion(&self, wanted: usize) -> usize {
        wanted.min(self.room().max(1))
    }

    /// Whether more tasks are needed to keep every worker busy, or to have the first one started, and may be submitted.
    pub(super) fn wants_more(&self) -> bool {
        let state = self.lock();
        let takers = state.workers.iter().filter(|worker| worker.takes_tasks());
        // Where there is no worker, one is started for the first tasks that come.
        let wanted = takers.map(Worker::unfinished).min().is_none_or(|least| least < plan::ENOUGH);
        // Also where the next submission will say why there is nobody to keep busy.
        state.check_open().is_err()
            || state.backlog.is_empty() && state.unfinished < self.settings.max_pending && wanted
    }

    /// The most workers that there may be.
    pub(super) fn width(&self) -> usize {
        self.lock().size.max
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
    pub(super) fn pump(&self) {
        let mut state = self.lock();
        let known = state.rethink;
        let mut changed = state.receive() != 0;
        let deaths = self.inbox.deaths();
        let look = state.look_due.has_passed();
        if deaths != state.deaths_seen || look {
            state.deaths_seen = deaths;
            state.look_due = Deadline::after(LOOK_EVERY);
            changed |= state.bury();
        }
        if state.workers.iter().any(Worker::has_news) {
            state.read_reports();
            state.rethink = true;
        }
        state.feed(look);
        state.note_pressure();
        // Once: those who wait for results would wake each other for ever.
        let needs_dispatcher = state.rethink && !known && state.phase != Phase::Terminated;
        drop(state);
        if needs_dispatcher {
            self.wake_dispatcher();
        } else if changed {
            self.inbox.ring_results();
        }
    }

    /// Wakes the dispatcher, wherever it sleeps.
    pub(super) fn wake_dispatcher(&self) {
        self.inbox.ring_attention();
        self.inbox.ring_results();
    }

    /// Takes back what goes to this sink; `running`: also what has begun, whose workers are ended and replaced.
    pub(super) fn cancel(&self, sink: &Arc<dyn Sink>, running: bool) {
        if procession_core::check().is_err() {
            return;
        }
        self.lock().cancel(sink, running);
        self.wake_dispatcher();
    }

    fn requests(&self) -> MutexGuard<'_, Option<Arc<Requests>>> {
        self.requests.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A handle for other processes.
    pub(super) fn handle(self: &Arc<Engine>) -> Result<PoolHandle> {
        self.check_open()?;
        let mut requests = self.requests();
        // One that got no memory for too long has ended.
        if requests.as_ref().is_none_or(|requests| requests.has_ended()) {
            *requests = Some(Arc::new(Requests::start(self)?));
        }
        Ok(requests.as_ref().expect("made if there was none").handle())
    }

    /// Takes no more requests of other processes.
    pub(super) fn end_requests(&self) {
        if procession_core::check().is_ok() {
            let requests = self.requests().take();
            if let Some(requests) = requests {
                requests.end();
            }
        }
    }

    /// Has another number of workers from now on.
    pub(super) fn resize(&self, size: PoolSize) -> Result<()> {
        procession_core::check()?;
        let size = size.check()?;
        let mut state = self.lock();
        state.check_open()?;
        if !state.size.is_elastic() {
            // Until now nobody asked how long they have been idle.
            let now = now();
            state.workers.iter_mut().for_each(|worker| worker.since = now);
        }
        state.size = size;
        state.rethink = true;
        drop(state);
        self.wake_dispatcher();
        Ok(())
    }

    /// Writes what the workers do from now on to a file.
    pub(super) fn trace(&self, path: &Path) -> Result<()> {
        procession_core::check()?;
        let mut trace = Trace::create(path)?;
        let mut state = self.lock();
        state.check_open()?;
        for worker in &state.workers {
            trace.worker(worker.index, &self.settings.name, worker.pid());
        }
        state.effects.trace = Some(trace);
        Ok(())
    }

    /// Takes no more tasks.
    pub(super) fn close(&self) {
        if procession_core::check().is_err() {
            return;
        }
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closed;
            state.rethink = true;
        }
        drop(state);
        self.wake_dispatcher();
    }

    /// Waits until every accepted task is done and every callback has run, and ends the workers.
    pub(super) fn join(&self) -> Result<()> {
        procession_core::check()?;
        self.callbacks.check_not_inside()?;
        self.close();
        let done = || {
            let state = self.lock();
            (state.unfinished == 0).then_some(state.counts.accepted)
        };
        let (workers, rest) = loop {
            let accepted = self.wait_for(Deadline::NEVER, done);
            // The last tasks may have submitted others, and those others again.
            let requests = self.requests().clone();
            if let Some(requests) = requests {
                requests.flush();
            }
            // Each was queued before its task stopped counting as unfinished.
            self.callbacks.wait_done();
            let mut state = self.lock();
            if state.unfinished == 0 && accepted == Some(state.counts.accepted) {
                state.phase = Phase::Terminated;
                let tombstones = std::mem::take(&mut state.backlog);
                break (std::mem::take(&mut state.workers), (state.effects.trace.take(), tombstones));
            }
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
        drop((workers, rest));
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
                let (received, _) = worker.receive(&mut state.effects);
                state.count_done(received);
                left.extend(worker.abandon());
            }
            for piece in left {
                state.fail(piece, &TaskError::Cancelled);
            }
            state.effects.trace = None;
        }
        self.wake_dispatcher();
    }

    pub(super) fn statistics(&self) -> PoolStatistics {
        if procession_core::check().is_err() {
            return PoolStatistics::default();
        }
        PoolStatistics::of(&mut self.lock())
    }

    pub(super) fn worker_pids(&self) -> Vec<u32> {
        if procession_core::check().is_err() {
            return Vec::new();
        }
        self.lock().workers.iter().map(Worker::pid).collect()
    }
}

/// Kills workers and waits until they're gone.
pub(super) fn end(workers: &mut Vec<Worker>) {
    for worker in workers.iter() {
        worker.kill();
    }
    for worker in workers.drain(..) {
        worker.wait(Deadline::NEVER);
    }
}
