//! How many references an object has: a cache of what the records say.

use crate::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// Bits 0..32: how many references there are; bits 32..64: how often that changed.
///
/// Never too low: what is to be a reference is counted before it is one, and until it has ceased to be one. Too high after a
/// death in between: then the object ends in a sweep.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Count(AtomicU64);

const CHANGE: u64 = 1 << 32;

impl Count {
    #[cfg(loom)]
    pub(crate) fn new(references: u32) -> Count {
        Count(AtomicU64::new(u64::from(references)))
    }

    /// For an object that nobody knows yet.
    pub(crate) fn set(&self, references: u32) {
        self.0.store(u64::from(references), Relaxed);
    }

    /// One more. Only for one who has a reference.
    pub(crate) fn add(&self) {
        self.0.fetch_add(CHANGE + 1, AcqRel);
    }

    /// One less: true if that was the last.
    pub(crate) fn remove(&self) -> bool {
        // One more change and one reference less.
        self.0.fetch_add(CHANGE - 1, AcqRel) as u32 == 1
    }

    /// The whole word. If it's the same before and after a look at all references, the look saw them all.
    pub(crate) fn snapshot(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// How many references a snapshot counts.
    pub(crate) fn counted(snapshot: u64) -> u32 {
        snapshot as u32
    }
}
