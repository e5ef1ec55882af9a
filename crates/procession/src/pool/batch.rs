//! Tasks on their way through the engine.

use super::sink::Sink;
use crate::codec;
use procession_core::{
    Result,
    pool::{Loan, Tasks},
    start::FunctionId,
};
use serde::Serialize;
use std::{ops::Range, sync::Arc};

/// Tasks of one function that were submitted together. The arguments stay here until the last of them is done, so that
/// those a dead worker didn't get to can be given to another.
pub(super) struct Batch {
    pub(super) function: FunctionId,
    pub(super) tasks: Tasks,
    /// Large arguments, in shared memory for as long as they may be needed.
    _loans: Vec<Loan>,
    /// The number of the first task, for the sink.
    pub(super) first: usize,
    pub(super) sink: Arc<dyn Sink>,
}

/// Collects arguments into a batch.
pub(super) struct BatchBuilder {
    tasks: Tasks,
    loans: Vec<Loan>,
}

impl BatchBuilder {
    pub(super) fn new() -> BatchBuilder {
        BatchBuilder { tasks: Tasks::new(), loans: Vec::new() }
    }

    /// Adds a task.
    ///
    /// # Errors
    ///
    /// The argument can't be encoded, or is large and doesn't fit into shared memory. It wasn't added then.
    #[inline]
    pub(super) fn push<A: Serialize>(&mut self, arguments: &A) -> Result<()> {
        self.loans.extend(self.tasks.push(|out| codec::encode(arguments, out))?);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// The bytes so far.
    pub(super) fn size(&self) -> usize {
        self.tasks.size()
    }

    pub(super) fn build(self, function: FunctionId, first: usize, sink: Arc<dyn Sink>) -> Arc<Batch> {
        Arc::new(Batch { function, tasks: self.tasks, _loans: self.loans, first, sink })
    }
}

/// Some tasks of a batch.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) batch: Arc<Batch>,
    pub(super) range: Range<usize>,
}

impl Piece {
    pub(super) fn whole(batch: Arc<Batch>) -> Piece {
        let range = 0..batch.tasks.len();
        Piece { batch, range }
    }

    pub(super) fn len(&self) -> usize {
        self.range.len()
    }

    /// The part that comes `skip` tasks later.
    pub(super) fn after(&self, skip: usize) -> Piece {
        Piece {
            batch: self.batch.clone(),
            range: (self.range.start + skip).min(self.range.end)..self.range.end,
        }
    }

    /// The number of a task for the sink, `at` tasks into this piece.
    pub(super) fn number(&self, at: usize) -> usize {
        self.batch.first + self.range.start + at
    }
}
