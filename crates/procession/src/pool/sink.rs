//! Where the outcomes of tasks go. Bytes: whoever asked for a value decodes it, in its own thread.

use crate::{TaskError, error};
use procession_core::{Parcel, pool::Results, start::Verdict};
use serde::de::DeserializeOwned;

/// What came of one task.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The function ran: its verdict, and the message that goes with it.
    Ran(Verdict, Parcel),
    /// It didn't, or not to its end.
    Failed(TaskError),
}

impl Outcome {
    pub(super) fn decode<R: DeserializeOwned>(&self) -> Result<R, TaskError> {
        match self {
            Outcome::Ran(verdict, parcel) => error::outcome(*verdict, &parcel.bytes, &parcel.shares),
            Outcome::Failed(error) => Err(error.clone()),
        }
    }
}

/// Receives the outcomes of a batch's tasks. Called under the engine's lock: must be quick, and not call back.
pub(super) trait Sink: Send + Sync {
    /// Tasks `first..first + results.len()` have run.
    fn deliver(&self, first: usize, results: Results);

    /// One task failed.
    fn fail(&self, index: usize, error: TaskError);
}
