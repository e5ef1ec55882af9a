//! The ends of workers: by themselves, by somebody's hand, because there are too many, because of what they run; and what comes of starts
//! that fail.

use super::{
    batch::Piece,
    state::State,
    worker::{Remains, Stage, Worker},
};
use crate::{TaskError, process::death};
use procession_core::{Deadline, Error, ErrorKind, now, start::Exit};
use std::time::Duration;

/// After so many failed starts in a row nothing will come of more. One that somebody killed before it was ready counts as one, and one
/// that ended by itself, or was late, as `FAILED_START`.
const MOST_FAILED_STARTS: u32 = 50;
pub(super) const FAILED_START: u32 = 10;

/// Between two attempts to start a worker, after some that failed: twice as long for each, and this once there's little hope.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl State {
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
            self.tombstones = 0;
            for piece in std::mem::take(&mut self.backlog) {
                self.fail(piece, &error);
            }
        }
    }

    /// Somebody asks again, some time after the pool gave up: one more attempt.
    pub(super) fn hope_again(&mut self) {
        if self.has_given_up() {
            self.failed_starts = MOST_FAILED_STARTS - FAILED_START;
            self.rethink = true;
        }
    }

    /// Whether it has only just given up.
    pub(super) fn is_hopeless(&self) -> bool {
        self.has_given_up() && !self.next_start.has_passed()
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.failed_starts >= MOST_FAILED_STARTS
            && !self.launching
            && self.workers.iter().all(|worker| worker.waits && worker.unfinished() > 0)
    }

    pub(super) fn hopeless(&self) -> Error {
        let why = self.failure.as_ref().map_or(String::new(), |error| format!(": {error}"));
        let text = format!("the pool's workers can't be started, the last attempts all failed{why}");
        Error::new(ErrorKind::StartFailed, text)
    }

    /// Ends a worker because of the task that it's running, and nothing but that task: first it gets nothing more to begin, so if it has
    /// ended that task meanwhile, it may live.
    pub(super) fn condemn(&mut self, at: usize, error: TaskError) {
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

    /// Sends a worker away, when it has ended the task that it's running; what else it has is for others.
    pub(super) fn dismiss(&mut self, at: usize) {
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
