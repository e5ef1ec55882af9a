//! Where the outcomes of tasks go. Bytes: whoever asked for a value decodes it, in its own thread.

use crate::{TaskError, error};
use procession_core::start::Verdict;
use serde::de::DeserializeOwned;

/// What came of one task.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The function ran: its verdict, and the bytes that go with it.
    Ran(Verdict, Vec<u8>),
    /// It didn't, or not to its end.
    Failed(TaskError),
}

impl Outcome {
    pub(super) fn decode<R: DeserializeOwned>(&self) -> Result<R, TaskError> {
        match self {
            Outcome::Ran(verdict, bytes) => error::outcome(*verdict, bytes),
            Outcome::Failed(error) => Err(error.clone()),
        }
    }
}

/// The outcomes of tasks that follow each other, in a flat buffer.
#[derive(Debug, Default)]
pub(super) struct Run {
    bytes: Vec<u8>,
    count: usize,
}

impl Run {
    #[inline]
    pub(super) fn push(&mut self, verdict: Verdict, bytes: &[u8]) {
        let header = (bytes.len() as u64) << 8 | verdict as u64;
        self.bytes.extend_from_slice(&header.to_le_bytes());
        self.bytes.extend_from_slice(bytes);
        self.count += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (Verdict, &[u8])> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (header, tail) = rest.split_first_chunk()?;
            let header = u64::from_le_bytes(*header);
            let verdict = Verdict::from_bits(header as u8)?;
            let (bytes, tail) = tail.split_at((header >> 8) as usize);
            rest = tail;
            Some((verdict, bytes))
        })
    }
}

/// Receives the outcomes of a batch's tasks. Called under the engine's lock: must be quick, and not call back.
pub(super) trait Sink: Send + Sync {
    /// Tasks `first..first + run.len()` have run.
    fn deliver(&self, first: usize, run: Run);

    /// One task failed.
    fn fail(&self, index: usize, error: TaskError);
}
