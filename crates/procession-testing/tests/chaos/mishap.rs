//! What may go wrong. Anything else that does is a fault, and ends the trial.

use crate::tally::Tally;
use procession::{Error, LockResult, RecvError, SendError, TaskError};
use std::fmt::Display;

/// Why something wasn't done, if that is one of the things that are done to a family here.
pub(crate) enum Mishap {
    /// There was no memory.
    Memory,
    /// No process could be started.
    Start,
    /// A process was killed.
    Death,
    /// A task took too long, or was taken back.
    Cut,
}

pub(crate) trait Failure: Display {
    fn mishap(&self) -> Option<Mishap>;
}

impl Failure for Error {
    fn mishap(&self) -> Option<Mishap> {
        if self.is_out_of_memory() {
            Some(Mishap::Memory)
        } else if self.is_start_failed() {
            Some(Mishap::Start)
        } else {
            None
        }
    }
}

impl Failure for TaskError {
    fn mishap(&self) -> Option<Mishap> {
        match self {
            TaskError::Died(status) if status.signal() == Some(9) => Some(Mishap::Death),
            TaskError::TimedOut | TaskError::Cancelled => Some(Mishap::Cut),
            TaskError::Failed(error) => error.mishap(),
            _ => None,
        }
    }
}

impl Failure for SendError {
    fn mishap(&self) -> Option<Mishap> {
        if let SendError::Failed(error) = self { error.mishap() } else { None }
    }
}

impl Failure for RecvError {
    fn mishap(&self) -> Option<Mishap> {
        if let RecvError::Failed(error) = self { error.mishap() } else { None }
    }
}

impl Tally {
    /// What it gave; or it's counted what kept it from giving anything.
    #[track_caller]
    pub(crate) fn forgive<T, E: Failure>(&mut self, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                *match error.mishap() {
                    Some(Mishap::Memory) => &mut self.memory,
                    Some(Mishap::Start) => &mut self.starts,
                    Some(Mishap::Death) => &mut self.deaths,
                    Some(Mishap::Cut) => &mut self.cut,
                    None => panic!("nothing of that kind was done here: {error}"),
                } += 1;
                None
            }
        }
    }

    /// Adds what was done; or counts what kept it from being done.
    #[track_caller]
    pub(crate) fn add<E: Failure>(&mut self, done: Result<Tally, E>) {
        if let Some(done) = self.forgive(done) {
            *self += done;
        }
    }

    /// The guard, made good if who had it before died.
    #[track_caller]
    pub(crate) fn mended<G>(&mut self, locked: LockResult<G>, mend: impl FnOnce(&mut G)) -> Option<G> {
        match locked {
            Err(poisoned) if poisoned.is_poisoned() => {
                let mut guard = poisoned.into_inner();
                mend(&mut guard);
                Some(guard)
            }
            other => self.forgive(other.map_err(Error::from)),
        }
    }
}
