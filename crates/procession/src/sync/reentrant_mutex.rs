//! A lock around plain data that its own thread can take again.

use super::lock_error::{LockResult, TryLockResult, checked, checked_try, must};
use crate::{
    handles::{has_statistics, poisonable},
    travel::travels,
};
use bytemuck::Pod;
pub use procession_core::objects::ReentrantMutexGuard;
use procession_core::{Deadline, Result, objects};
use std::time::Duration;

/// A lock around plain data in shared memory that the thread which has it can take again; alias [`RLock`](crate::RLock).
///
/// It's free when all guards of that thread are dropped. Since there may be several, they dereference to a
/// [`Cell`](std::cell::Cell). Handles are cheap to clone, and travel as arguments and results.
///
/// # Process death
///
/// As for [`Mutex`](crate::Mutex), however often the dead thread had taken it.
///
/// # Examples
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::ReentrantMutex;
///
/// let count = ReentrantMutex::new(0_u32)?;
/// let outer = count.lock()?;
/// let inner = count.lock()?; // no deadlock
/// inner.set(inner.get() + 1);
/// assert_eq!(outer.get(), 1);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ReentrantMutex<T: Pod> {
    inner: objects::ReentrantMutex<T>,
}

travels!(ReentrantMutex<T>, objects::ReentrantMutex::from_share);
has_statistics!(ReentrantMutex<T>);
poisonable!(ReentrantMutex);

impl<T: Pod> ReentrantMutex<T> {
    /// A lock that is free.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new(value: T) -> Result<ReentrantMutex<T>> {
        Ok(ReentrantMutex { inner: objects::ReentrantMutex::new(value)? })
    }

    /// Takes the lock, for the first time or once more, and waits for it as long as it takes.
    ///
    /// # Process death
    ///
    /// If the holder dies, one of those who wait gets the lock, poisoned.
    ///
    /// # Errors
    ///
    /// - Poisoned: the error has the guard.
    /// - [`is_forked`](procession_core::Error::is_forked).
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> LockResult<ReentrantMutexGuard<'_, T>> {
        checked(must(self.inner.lock(Deadline::NEVER)?), ReentrantMutexGuard::is_poisoned)
    }

    /// Takes the lock if no other thread has it; `None` if one has.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](ReentrantMutex::lock).
    pub fn try_lock(&self) -> TryLockResult<ReentrantMutexGuard<'_, T>> {
        checked_try(self.inner.try_lock()?, ReentrantMutexGuard::is_poisoned)
    }

    /// Takes the lock, and waits for at most `timeout`; `None` if another thread has it until then.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](ReentrantMutex::lock).
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<ReentrantMutexGuard<'_, T>> {
        checked_try(self.inner.lock(Deadline::after(timeout))?, ReentrantMutexGuard::is_poisoned)
    }
}
