//! The dispatcher: a thread for what nobody waits for. It starts and retires workers, ends those whose time is up, and receives what
//! has a callback.

use super::{
    ends::FAILED_START,
    engine::{Engine, end},
    locked::Locked,
    plan,
    state::Phase,
    worker::Worker,
};
use procession_core::Deadline;
use std::time::Duration;

/// Who waits for its own pool doesn't say when it waits no more; so often it's looked at.
const LOOK_AT_WAITING: Duration = Duration::from_millis(20);

impl Engine {
    /// The dispatcher's life: until the pool is terminated.
    pub(super) fn dispatch(&self) {
        loop {
            self.pump();
            let Some(due) = self.manage() else { return };
            let look = || {
                let state = self.lock();
                let work = state.phase == Phase::Terminated
                    || state.rethink
                    || due.has_passed()
                    || state.deaths_seen != self.inbox.deaths()
                    || state.look_due.has_passed()
                    || state.workers.iter().any(|worker| worker.has_results() || worker.has_news())
                    || !state.stuck && state.has_spare() && state.workers.iter().any(Worker::is_idle);
                work.then_some(())
            };
            if self.callbacks.are_wanted() {
                self.inbox.wait_for_result(due, look);
            } else {
                // Whoever rings has a reason; also what to wait for, and until when, may be another now.
                let mut looked = false;
                self.inbox.wait_for_attention(due, || {
                    let rung = std::mem::replace(&mut looked, true);
                    look().or((rung || self.callbacks.are_wanted()).then_some(()))
                });
            }
        }
    }

    /// Ends workers whose time is up, retires and starts them as planned: when to do so again if nothing happens before;
    /// `None` once the pool is terminated. Only the dispatcher does: a start takes a moment.
    fn manage(&self) -> Option<Deadline> {
        // An initializer may take as long as a task.
        let start_limit = self.settings.initial.as_ref().and(self.settings.limits.timeout);
        let mut state = self.lock();
        let due = loop {
            if state.phase == Phase::Terminated {
                return None;
            }
            state.rethink = false;
            state.read_reports();
            let overdue = state.end_overdue(start_limit);
            // One that has just become ready isn't idle if there is something for it to do.
            state.feed(false);
            let snapshot = state.snapshot(&self.settings);
            let plan = plan::plan(&snapshot);
            if plan.retire > 0 {
                state.retire(plan.retire);
                continue;
            }
            if plan.expire {
                state.expire();
                continue;
            }
            if plan.start > 0 && !state.has_given_up() {
                state = self.start_one(state)?;
                continue;
            }
            let waiting = (snapshot.waiting > 0).then_some(LOOK_AT_WAITING);
            let next = [overdue, plan.again, waiting].into_iter().flatten().min();
            break next.map_or(Deadline::NEVER, Deadline::after);
        };
        state.dispatcher_due = due;
        state.give_up_if_hopeless();
        drop(state);
        self.inbox.ring_results();
        Some(due)
    }

    /// Starts a worker; `None` if the pool is terminated meanwhile.
    fn start_one<'a>(&'a self, mut state: Locked<'a>) -> Option<Locked<'a>> {
        let index = state.free_index();
        state.launching = true;
        drop(state);
        let started = Worker::start(&self.inbox, &self.settings, index);
        let mut state = self.lock();
        state.launching = false;
        match started {
            Ok(worker) if state.phase == Phase::Terminated => {
                drop(state);
                end(&mut vec![worker]);
                return None;
            }
            Ok(worker) => {
                if let Some(trace) = &mut state.effects.trace {
                    trace.worker(index, &self.settings.name, worker.pid());
                }
                state.workers.push(worker);
            }
            Err(e) => state.count_failed_start(FAILED_START, e),
        }
        // What waited for it, or is done meanwhile.
        if state.receive() != 0 {
            self.inbox.ring_results();
        }
        state.feed(false);
        Some(state)
    }
}
