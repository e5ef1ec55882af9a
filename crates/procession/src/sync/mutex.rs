//! A lock around plain data.

use super::lock_error::{LockResult, TryLockResult, checked, checked_try, must};
use crate::{
    handles::{has_statistics, poisonable},
    travel::travels,
};
use bytemuck::Pod;
pub use procession_core::objects::MutexGuard;
use procession_core::{Deadline, Result, objects};
use std::time::Duration;

/// A lock around plain data in shared memory; alias [`Lock`](crate::Lock).
///
/// Handles are cheap to clone, and travel as arguments and results of processes and tasks. What it protects is
/// [`Pod`](bytemuck::Pod): numbers, arrays of numbers, structs of them; `()` for a lock alone.
///
/// A thread that takes it twice gets an error. (For a lock that can be taken twice see
/// [`ReentrantMutex`](crate::ReentrantMutex).)
///
/// # Process death
///
/// A lock whose holder dies goes to the next one who wants it, at once, and is *poisoned*, as if the holder had panicked: what it
/// protects may be half changed. A stopped holder isn't dead. Whoever dies while it waits, or has just been woken, is of no
/// consequence for the others.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Mutex, Process};
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let hits = Mutex::new(0_u64)?;
///     let process = Process::spawn(|hits: Mutex<u64>| *hits.lock().unwrap() += 1, (hits.clone(),))?;
///     *hits.lock()? += 1;
///     process.join()?;
///     assert_eq!(*hits.lock()?, 2);
///     Ok(())
/// }
/// ```
///
/// # Example: what a dead process left
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::Mutex;
///
/// let pair = Mutex::new([0_i64; 2])?;
/// let mut guard = pair.lock().unwrap_or_else(|poisoned| {
///     let mut guard = poisoned.into_inner();
///     guard[1] = -guard[0]; // what must be true
///     pair.clear_poison();
///     guard
/// });
/// guard[0] += 1;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Mutex<T: Pod> {
    inner: objects::Mutex<T>,
}

travels!(Mutex<T>, objects::Mutex::from_share);
has_statistics!(Mutex<T>);
poisonable!(Mutex);

impl<T: Pod> Mutex<T> {
    /// A lock that is free.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new(value: T) -> Result<Mutex<T>> {
        Ok(Mutex { inner: objects::Mutex::new(value)? })
    }

    /// Takes the lock, and waits for it as long as it takes. The guard releases it when it's dropped.
    ///
    /// # Process death
    ///
    /// If the holder dies, one of those who wait gets the lock, poisoned.
    ///
    /// # Errors
    ///
    /// - Poisoned: the error has the guard.
    /// - [`is_deadlock`](procession_core::Error::is_deadlock): this thread has the lock already.
    /// - [`is_forked`](procession_core::Error::is_forked).
    #[doc(alias = "acquire")]
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        checked(must(self.inner.lock(Deadline::NEVER)?), MutexGuard::is_poisoned)
    }

    /// Takes the lock if nobody has it (or only a dead process); `None` if somebody has.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](Mutex::lock).
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        checked_try(self.inner.try_lock()?, MutexGuard::is_poisoned)
    }

    /// Takes the lock, and waits for at most `timeout`; `None` if somebody has it until then.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](Mutex::lock).
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        checked_try(self.inner.lock(Deadline::after(timeout))?, MutexGuard::is_poisoned)
    }
}
