//! Where the outcomes of tasks go. Bytes: whoever asked for a value decodes it, in its own thread.

use super::{batch::Piece, trace::Trace};
use crate::{TaskError, error, panics};
use procession_core::{Parcel, pool::Results, start::Verdict};
use serde::de::DeserializeOwned;
use std::panic::{AssertUnwindSafe, catch_unwind};

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
            Part::Ran(results) => {
                let mut results = results.iter();
                // Decoding runs the type's own code, which may panic as it may in a worker; the other values are there all the same.
                while let Err(info) = panics::catch(|| {
                    for (verdict, bytes, shares) in results.by_ref() {
                        each(error::outcome(verdict, bytes, shares));
                    }
                }) {
                    each(Err(TaskError::Panicked(info)));
                }
            }
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

/// What is done once the engine's lock is free: it may run anybody's code, or wait for another process.
pub(super) type Later = Box<dyn FnOnce() + Send>;

/// Does it, whatever code it is; its panic is nobody's here.
pub(super) fn run(later: Later) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(later)) {
        // What it panicked with may panic again when it's dropped, so it isn't.
        std::mem::forget(payload);
    }
}

/// What outcomes bring about, besides being delivered.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) later: Vec<Later>,
    pub(super) trace: Option<Trace>,
}

impl Effects {
    /// Lets go of tasks that are done. Freeing shared memory may have to wait for its lock, and so for another process.
    #[inline]
    pub(super) fn let_go(&mut self, piece: Piece) {
        if piece.may_free() {
            self.later.push(Box::new(move || drop(piece)));
        }
    }
}

/// Receives the outcomes of tasks. Called under the engine's lock: must be quick, and not call back; what isn't so is left for later.
pub(super) trait Sink: Send + Sync {
    /// This became of tasks `first..first + part.len()`.
    fn deliver(&self, first: usize, part: Part, later: &mut Vec<Later>);

    /// Whether it's for one task only.
    fn is_single(&self) -> bool {
        false
    }

    /// Of one task: whether it has been delivered.
    fn is_settled(&self) -> bool {
        false
    }
}
