//! The one import path for atomics: the standard library's, or the model checker's under `--cfg loom`.
//!
//! Everything that lives in shared memory is made of these types, so that each protocol can be checked as it is
//! written. Process-private flags and counters use the standard types directly.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
