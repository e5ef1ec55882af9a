//! The version of what is changed by single stores under a lock, for those who read it without.
//!
//! A sequence lock without the odd numbers: since each change is one store, there is no time at which what is there is wrong, and one
//! who is killed in between leaves nothing behind that readers would wait for. (Lamport, "Concurrent reading and writing", 1977.)

use crate::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

/// Higher after each change.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Version(AtomicU64);

impl Version {
    #[cfg(loom)]
    pub(crate) fn new() -> Version {
        Version(AtomicU64::new(0))
    }

    /// How many changes there were.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// What `look` sees, if nothing was changed meanwhile. If something was, it may have seen anything.
    #[inline]
    pub(crate) fn observe<R>(&self, look: impl FnOnce() -> R) -> Option<R> {
        let before = self.get();
        let seen = look();
        fence(Acquire);
        (self.0.load(Relaxed) == before).then_some(seen)
    }

    /// Says that something has changed. What the change has made free may be written over after this.
    #[inline]
    pub(crate) fn raise(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Release);
        // Whoever sees anything that is written after this sees the version as well.
        fence(Release);
    }
}
