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
    /// For threads of one process.
    pub(crate) fn private() -> Futex {
        Futex { word: AtomicU32::new(0) }
    }

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
    pub(crate) fn private() -> Futex {
        Futex::new(0)
    }

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

/// How many words a thread can sleep on at once.
pub(crate) const MOST_WORDS: usize = 128;

/// Sleeps while each of the words is what is expected of it, until one is woken, the deadline, or for no reason at all. At most
/// `MOST_WORDS`.
///
/// Where the kernel can't do that (before 5.16, or under a filter), it looks at the words every few milliseconds.
#[cfg(not(loom))]
pub(crate) fn wait_any(words: &[(&AtomicU32, u32)], deadline: Deadline) {
    use rustix::{thread::futex, time::ClockId};
    let waits: Vec<futex::Wait> = words
        .iter()
        .map(|(word, expected)| {
            let mut wait = futex::Wait::new();
            wait.val = u64::from(*expected);
            wait.uaddr = futex::WaitPtr::new(std::ptr::from_ref(*word).cast_mut().cast());
            wait.flags = futex::WaitFlags::SIZE_U32;
            wait
        })
        .collect();
    match futex::waitv(&waits, futex::WaitvFlags::empty(), deadline.timespec().as_ref(), ClockId::Monotonic) {
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {}
        // Woken, or changed before, or too late, or a signal: look again.
        _ => return,
    }
    const NAP: std::time::Duration = std::time::Duration::from_millis(2);
    use std::sync::atomic::Ordering::Acquire;
    while words.iter().all(|(word, expected)| word.load(Acquire) == *expected) && !deadline.has_passed() {
        std::thread::sleep(NAP.min(deadline.remaining().unwrap_or(NAP)));
    }
}

#[cfg(loom)]
pub(crate) fn wait_any(_words: &[(&AtomicU32, u32)], _deadline: Deadline) {}

/// Wakes everybody.
pub(crate) const ALL: u32 = i32::MAX as u32;
