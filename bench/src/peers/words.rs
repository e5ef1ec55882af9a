//! The least that a message can be: the number alone, in a word that both processes map, and waited for by looking without a pause
//! or by sleeping at once.

use crate::{
    measure::Result,
    traffic::forms::{Receives, Sends},
};
use std::{
    ptr,
    sync::atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// Looks until the word isn't zero.
pub(crate) struct Spinning<'a>(pub(crate) &'a AtomicU32);

/// Sleeps until the word isn't zero.
pub(crate) struct Sleeping<'a>(pub(crate) &'a AtomicU32);

/// The message is one number, which isn't the largest.
impl Sends<u32> for Spinning<'_> {
    #[inline]
    fn send(&mut self, message: &u32) -> Result<()> {
        self.0.store(message + 1, Release);
        Ok(())
    }
}

impl Receives<u32> for Spinning<'_> {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&u32) -> R) -> Result<R> {
        loop {
            match self.0.load(Acquire) {
                0 => std::hint::spin_loop(),
                message => {
                    self.0.store(0, Relaxed);
                    return Ok(look(&(message - 1)));
                }
            }
        }
    }
}

impl Sends<u32> for Sleeping<'_> {
    fn send(&mut self, message: &u32) -> Result<()> {
        self.0.store(message + 1, Release);
        // SAFETY: bounds: a word. Aliasing: atomic. Lifetime: mapped while it's borrowed.
        unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), libc::FUTEX_WAKE, 1) };
        Ok(())
    }
}

impl Receives<u32> for Sleeping<'_> {
    fn receive<R>(&mut self, look: impl FnOnce(&u32) -> R) -> Result<R> {
        loop {
            match self.0.load(Acquire) {
                0 => {
                    let time = ptr::null::<libc::timespec>();
                    // SAFETY: bounds: a word. Aliasing: atomic. Lifetime: mapped while it's borrowed.
                    unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), libc::FUTEX_WAIT, 0, time) };
                }
                message => {
                    self.0.store(0, Relaxed);
                    return Ok(look(&(message - 1)));
                }
            }
        }
    }
}
