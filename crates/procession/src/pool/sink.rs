//! Where the outcomes of tasks go. Bytes: whoever asked for a value decodes it, in its own thread.

use super::trace::Trace;
use crate::{TaskError, error};
use procession_core::{Parcel, pool::Results, start::Verdict};
use serde::de::DeserializeOwned;

/// What came of tasks that arrived together.
#[derive(Debug)]
pub(super) enum Part {
    Ran(Results),
    Failed(TaskError),
}

impl Part {
    pub(super) fn len(&self) -> usize {
        match self {
            Part::Ran(results) => results.len(),
            Part::Failed(_) => 1,
        }
    }

    /// Whether some task of it gave no value.
    pub(super) fn has_failed(&self) -> bool {
        match self {
            Part::Failed(_) => true,
            Part::Ran(results) => results.iter().any(|(verdict, ..)| verdict != Verdict::Value),
        }
    }

    /// Calls `each` with what came of each task.
    #[inline]
    pub(super) fn decode<R: DeserializeOwned>(&self, mut each: impl FnMut(Result<R, TaskError>)) {
        match self {
            Part::Failed(error) => each(Err(error.clone())),
            Part::Ran(results) => results
                .iter()
                .for_each(|(verdict, bytes, shares)| each(error::outcome(verdict, bytes, shares))),
        }
    }

    /// Of one task: its verdict and the message that goes with it.
    pub(super) fn single(self) -> Result<(Verdict, Parcel), TaskError> {
        match self {
            Part::Failed(error) => Err(error),
            Part::Ran(results) => Ok(results.into_first().expect("results are of one task at least")),
        }
    }
}

/// What is done once the engine's lock is free: it may run anybody's code.
pub(super) type Later = Box<dyn FnOnce() + Send>;

/// What outcomes bring about, besides being delivered.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) later: Vec<Later>,
    pub(super) trace: Option<Trace>,
}

/// Receives the outcomes of tasks. Called under the engine's lock: must be quick, and not call back; what isn't so is left for later.
pub(super) trait Sink: Send + Sync {
    /// This became of tasks `first..first + part.len()`.
    fn deliver(&self, first: usize, part: Part, later: &mut Vec<Later>);
}
