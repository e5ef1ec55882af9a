//! Ours and the peers' locks as one: each protects a number.

use super::pthread::RobustMutex;
use procession::Mutex;
use raw_sync::locks::LockImpl;
use rustix_futex_sync::shm;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(super) trait Lock {
    /// Takes the lock, adds one, and releases it.
    fn add_one(&self);

    /// What was counted.
    fn count(&self) -> u64;
}

/// A lock that has no number of its own, and one. The lock protects the number, so that it needn't be added to atomically;
/// if the lock doesn't, some are missing.
#[repr(C)]
pub(super) struct Counted<L> {
    pub(super) lock: L,
    pub(super) count: AtomicU64,
}

/// The peer's handle of a lock in shared memory.
pub(super) struct RawSync<'a> {
    pub(super) lock: Box<dyn LockImpl + 'a>,
    pub(super) count: &'a AtomicU64,
}

#[inline]
fn add_one_to(count: &AtomicU64) {
    count.store(count.load(Relaxed) + 1, Relaxed);
}

impl Lock for Mutex<u64> {
    #[inline]
    fn add_one(&self) {
        *self.lock().expect("nobody dies") += 1;
    }

    fn count(&self) -> u64 {
        *self.lock().expect("nobody dies")
    }
}

impl Lock for &Counted<RobustMutex> {
    #[inline]
    fn add_one(&self) {
        let _ = self.lock.lock();
        add_one_to(&self.count);
        self.lock.unlock();
    }

    fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }
}

impl Lock for shm::Mutex<u64> {
    #[inline]
    fn add_one(&self) {
        *self.lock() += 1;
    }

    fn count(&self) -> u64 {
        *self.lock()
    }
}

impl Lock for RawSync<'_> {
    #[inline]
    fn add_one(&self) {
        let _guard = self.lock.lock().expect("nobody dies");
        add_one_to(self.count);
    }

    fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }
}
