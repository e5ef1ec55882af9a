//! Tasks on their way through the engine.

use super::sink::Sink;
use crate::{
    codec,
    task::{Task, descriptor},
};
use procession_core::{
    Parcel, Result, Share,
    pool::{Loan, Tasks},
    start::FunctionId,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{any::type_name, ops::Range, sync::Arc, time::Duration};

/// What may become of a task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    /// How long it may run.
    pub(super) timeout: Option<Duration>,
    /// How often it's run again because its worker died.
    pub(super) retries: u32,
}

/// What tasks of a batch have in common.
#[derive(Clone)]
pub(super) struct Kind {
    pub(super) function: FunctionId,
    /// The function's name, for people.
    pub(super) name: &'static str,
    pub(super) limits: Limits,
    /// Another process asked for it, and may wait for it.
    pub(super) requested: bool,
    pub(super) sink: Arc<dyn Sink>,
}

impl Kind {
    pub(super) fn new<F, Args>(limits: Limits, sink: Arc<dyn Sink>) -> Result<Kind>
    where
        F: Task<Args>,
        Args: DeserializeOwned,
    {
        Ok(Kind {
            function: descriptor::<F, Args>().id()?,
            name: type_name::<F>(),
            limits,
            requested: false,
            sink,
        })
    }
}

/// Tasks of one function that were submitted together. The arguments stay here until the last of them is done, so that
/// those a dead worker didn't get to can be given to another.
pub(super) struct Batch {
    pub(super) kind: Kind,
    pub(super) tasks: Tasks,
    /// Large arguments, in shared memory for as long as they may be needed.
    loans: Vec<Loan>,
    originals: Vec<(usize, Parcel)>,
    /// The number of the first task, for the sink.
    pub(super) first: usize,
}

/// Collects arguments into a batch.
#[derive(Default)]
pub(super) struct BatchBuilder {
    tasks: Tasks,
    loans: Vec<Loan>,
    /// Arguments with handles in them, of tasks that may be run again: whoever runs one takes the handles with it.
    originals: Vec<(usize, Parcel)>,
    keeps_originals: bool,
}

impl BatchBuilder {
    pub(super) fn new(limits: Limits) -> BatchBuilder {
        BatchBuilder { keeps_originals: limits.retries > 0, ..BatchBuilder::default() }
    }

    /// Adds a task.
    ///
    /// # Errors
    ///
    /// The argument can't be encoded, or is large and doesn't fit into shared memory. It wasn't added then.
    #[inline]
    pub(super) fn push<A: Serialize>(&mut self, arguments: &A) -> Result<()> {
        self.push_with(|out| codec::encode(arguments, out))
    }

    /// Adds a task whose arguments are encoded.
    ///
    /// # Errors
    ///
    /// They are large and don't fit into shared memory.
    pub(super) fn push_encoded(&mut self, arguments: Parcel) -> Result<()> {
        self.push_with(|out| {
            out.extend_from_slice(&arguments.bytes);
            Ok(arguments.shares)
        })
    }

    #[inline]
    fn push_with(&mut self, encode: impl FnOnce(&mut Vec<u8>) -> Result<Vec<Arc<Share>>>) -> Result<()> {
        let BatchBuilder { tasks, loans, originals, keeps_originals } = self;
        let number = tasks.len();
        loans.extend(tasks.push(|out| {
            let start = out.len();
            let shares = encode(out)?;
            if *keeps_originals && !shares.is_empty() {
                originals.push((number, Parcel { bytes: out[start..].to_vec(), shares: shares.clone() }));
            }
            Ok(shares)
        })?);
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// The bytes so far.
    pub(super) fn size(&self) -> usize {
        self.tasks.size()
    }

    pub(super) fn build(self, kind: Kind, first: usize) -> Piece {
        let range = 0..self.tasks.len();
        let BatchBuilder { tasks, loans, originals, .. } = self;
        let batch = Batch { kind, tasks, loans, originals, first };
        Piece { batch: Arc::new(batch), range, attempt: 0 }
    }
}

/// Some tasks of a batch.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) batch: Arc<Batch>,
    pub(super) range: Range<usize>,
    /// How often it has been run already, and its worker died.
    pub(super) attempt: u32,
}

impl Piece {
    pub(super) fn len(&self) -> usize {
        self.range.len()
    }

    /// The part that comes `skip` tasks later.
    pub(super) fn after(&self, skip: usize) -> Piece {
        let start = (self.range.start + skip).min(self.range.end);
        Piece { range: start..self.range.end, ..self.clone() }
    }

    /// The number of a task for the sink, `at` tasks into this piece.
    pub(super) fn number(&self, at: usize) -> usize {
        self.batch.first + self.range.start + at
    }

    /// One task, which died with its worker, to be run once more.
    ///
    /// # Errors
    ///
    /// Its arguments don't fit into shared memory once more.
    pub(super) fn again(&self) -> Result<Piece> {
        let Batch { kind, originals, .. } = &*self.batch;
        let attempt = self.attempt + 1;
        match originals.iter().find(|(number, _)| *number == self.range.start) {
            // Nothing but its bytes, which are still where they were.
            None => Ok(Piece { attempt, ..self.clone() }),
            Some((_, arguments)) => {
                let mut builder = BatchBuilder::new(kind.limits);
                builder.push_encoded(arguments.clone())?;
                Ok(Piece { attempt, ..builder.build(kind.clone(), self.number(0)) })
            }
        }
    }

    /// Whether dropping it may free shared memory: its arguments', or that of outcomes that nobody wants any more.
    pub(super) fn may_free(&self) -> bool {
        let is_last = Arc::strong_count(&self.batch) == 1 && Arc::strong_count(&self.batch.kind.sink) == 1;
        is_last || !self.batch.loans.is_empty()
    }

    pub(super) fn limits(&self) -> Limits {
        self.batch.kind.limits
    }

    pub(super) fn is_requested(&self) -> bool {
        self.batch.kind.requested
    }

    /// Whether its outcome is known already: it was cancelled.
    pub(super) fn is_settled(&self) -> bool {
        self.batch.kind.sink.is_settled()
    }

    /// Whether it begins with the same task.
    pub(super) fn is_same(&self, other: &Piece) -> bool {
        Arc::ptr_eq(&self.batch, &other.batch) && self.range.start == other.range.start
    }

    pub(super) fn goes_to(&self, sink: &Arc<dyn Sink>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.batch.kind.sink), Arc::as_ptr(sink))
    }
}
