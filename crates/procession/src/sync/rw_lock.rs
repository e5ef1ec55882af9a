//! A lock around plain data, for many readers or one writer.

use super::lock_error::{LockResult, TryLockResult, checked, checked_try, must};
use crate::{
    handles::{has_statistics, poisonable},
    travel::travels,
};
use bytemuck::Pod;
pub use procession_core::objects::{ReadGuard, WriteGuard};
use procession_core::{Deadline, Result, objects};
use std::time::Duration;

/// A lock around plain data in shared memory, which many threads may have for reading, or one for writing.
///
/// A writer that waits keeps new readers out, except for threads that read already. Readers of different processes don't get in
/// each other's way. It takes 4 KiB. Handles are cheap to clone, and travel as arguments and results.
///
/// # Process death
///
/// Readers that die are gone. A writer that dies poisons the lock, as for [`Mutex`](crate::Mutex).
///
/// # Examples
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::RwLock;
///
/// let settings = RwLock::new([1_u32, 2, 3])?;
/// assert_eq!(settings.read()?[0], 1);
/// settings.write()?[0] = 7;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RwLock<T: Pod> {
    inner: objects::RwLock<T>,
}

travels!(RwLock<T>, objects::RwLock::from_share);
has_statistics!(RwLock<T>);
poisonable!(RwLock);

impl<T: Pod> RwLock<T> {
    /// A lock that is free.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new(value: T) -> Result<RwLock<T>> {
        Ok(RwLock { inner: objects::RwLock::new(value)? })
    }

    /// Takes the lock for reading, and waits as long as it takes.
    ///
    /// # Process death
    ///
    /// If the writer dies, those who wait get the lock, poisoned.
    ///
    /// # Errors
    ///
    /// - Poisoned: the error has the guard.
    /// - [`is_deadlock`](procession_core::Error::is_deadlock): this thread has the lock for writing.
    /// - [`is_forked`](procession_core::Error::is_forked).
    pub fn read(&self) -> LockResult<ReadGuard<'_, T>> {
        checked(must(self.inner.read(Deadline::NEVER)?), ReadGuard::is_poisoned)
    }

    /// Takes the lock for reading if that's possible at once.
    ///
    /// # Errors
    ///
    /// Those of [`read`](RwLock::read).
    pub fn try_read(&self) -> TryLockResult<ReadGuard<'_, T>> {
        checked_try(self.inner.read(Deadline::PASSED)?, ReadGuard::is_poisoned)
    }

    /// Takes the lock for reading, and waits for at most `timeout`; `None` if that wasn't enough.
    ///
    /// # Errors
    ///
    /// Those of [`read`](RwLock::read).
    pub fn read_timeout(&self, timeout: Duration) -> TryLockResult<ReadGuard<'_, T>> {
        checked_try(self.inner.read(Deadline::after(timeout))?, ReadGuard::is_poisoned)
    }

    /// Takes the lock for writing, and waits as long as it takes.
    ///
    /// # Process death
    ///
    /// If another writer dies, or readers do, one of those who wait gets the lock.
    ///
    /// # Errors
    ///
    /// - Poisoned: the error has the guard.
    /// - [`is_deadlock`](procession_core::Error::is_deadlock): this thread has the lock already, for reading or writing.
    /// - [`is_forked`](procession_core::Error::is_forked).
    pub fn write(&self) -> LockResult<WriteGuard<'_, T>> {
        checked(must(self.inner.write(Deadline::NEVER)?), WriteGuard::is_poisoned)
    }

    /// Takes the lock for writing if that's possible at once.
    ///
    /// # Errors
    ///
    /// Those of [`write`](RwLock::write).
    pub fn try_write(&self) -> TryLockResult<WriteGuard<'_, T>> {
        checked_try(self.inner.try_write()?, WriteGuard::is_poisoned)
    }

    /// Takes the lock for writing, and waits for at most `timeout`; `None` if that wasn't enough.
    ///
    /// # Errors
    ///
    /// Those of [`write`](RwLock::write).
    pub fn write_timeout(&self, timeout: Duration) -> TryLockResult<WriteGuard<'_, T>> {
        checked_try(self.inner.write(Deadline::after(timeout))?, WriteGuard::is_poisoned)
    }
}
