//! A 32-bit word that processes can sleep on.
//!
//! Under `--cfg loom` the kernel's queue is a mutex and a condition variable, so that the model checker finds lost
//! wake-ups as deadlocks.

use crate::{atomic::AtomicU32, sys::clock::Deadline};
use std::ops::Deref;

/// An atomic word in shared memory with `wait` and `wake`. Dereferences to the word.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(transparent))]
pub(crate) struct Futex {
    word: AtomicU32,
    /// How many sleep, and what on.
    #[cfg(loom)]
    queue: (loom::sync::Mutex<usize>, loom::sync::Condvar),
}

impl Deref for Futex {
    type Target = AtomicU32;
    fn deref(&self) -> &AtomicU32 {
        &self.word
    }
}

#[cfg(not(loom))]
impl Futex {
    /// Sleeps while the word is `expected`, until a wake, the deadline or for no reason at all.
    ///
    /// Callers look again at what they wait for; nothing may be concluded from the return.
    pub(crate) fn wait(&self, expected: u32, deadline: Deadline) {
        use rustix::thread::futex;
        // FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock, so a signal cannot stretch a wait.
        let bits = std::num::NonZeroU32::MAX;
        let time = deadline.timespec();
        // EAGAIN, EINTR and ETIMEDOUT all mean the same here: look again.
        let _ = futex::wait_bitset(&self.word, futex::Flags::empty(), expected, time.as_ref(), bits);
    }

    /// Wakes up to `count` sleepers and says how many there were.
    pub(crate) fn wake(&self, count: u32) -> usize {
        use rustix::thread::futex;
        futex::wake(&self.word, futex::Flags::empty(), count).unwrap_or(0)
    }
}

#[cfg(loom)]
impl Futex {
    pub(crate) fn new(value: u32) -> Futex {
        Futex { word: AtomicU32::new(value), queue: (loom::sync::Mutex::new(0), loom::sync::Condvar::new()) }
    }

    /// Sleeps while the word is `expected`; the model has no deadlines, so a missing wake is a deadlock.
    pub(crate) fn wait(&self, expected: u32, _deadline: Deadline) {
        let mut sleepers = self.queue.0.lock().unwrap();
        if self.word.load(crate::atomic::Ordering::SeqCst) == expected {
            *sleepers += 1;
            drop(self.queue.1.wait(sleepers).unwrap());
        }
    }

    pub(crate) fn wake(&self, count: u32) -> usize {
        let mut sleepers = self.queue.0.lock().unwrap();
        let woken = (*sleepers).min(count as usize);
        *sleepers -= woken;
        if count == 1 {
            self.queue.1.notify_one();
        } else {
            self.queue.1.notify_all();
        }
        woken
    }
}

/// Wakes everybody.
pub(crate) const ALL: u32 = i32::MAX as u32;
