//! A condition variable.

use super::lock_error::{LockError, LockResult, checked};
use crate::{MutexGuard, handles::has_statistics, travel::travels};
use bytemuck::Pod;
use procession_core::{Deadline, Result, objects};
use std::time::Duration;

/// Waits, together with a [`Mutex`](crate::Mutex), until what it protects is as one wants it; alias [`Condvar`](crate::Condvar).
///
/// As in [`std::sync::Condvar`]: waiting releases the lock and takes it again, and may end without a notification, so it's to be
/// done in a loop, which [`wait_for`](Condition::wait_for) is. Handles are cheap to clone, and travel as arguments and results.
///
/// # Process death
///
/// If a process dies that had the condition, everybody who waits is woken and looks again; so no notification is lost with one
/// that was woken and died. The lock's holder may have died as well: then the wait ends with a poisoned lock.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Condition, Mutex, Process};
///
/// fn fill(level: Mutex<u32>, filled: Condition) {
///     *level.lock().unwrap() = 7;
///     filled.notify_all().unwrap();
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let (level, filled) = (Mutex::new(0)?, Condition::new()?);
///     Process::spawn(fill, (level.clone(), filled.clone()))?;
///     let level = filled.wait_for(level.lock()?, |level| *level > 0)?;
///     assert_eq!(*level, 7);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Condition {
    inner: objects::Condition,
}

travels!(Condition, objects::Condition::from_share);
has_statistics!(Condition);

impl Condition {
    /// A condition that nobody waits for.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new() -> Result<Condition> {
        Ok(Condition { inner: objects::Condition::new()? })
    }

    /// Releases the lock, waits for a notification, and takes the lock again.
    ///
    /// # Process death
    ///
    /// The death of a process that has the condition ends the wait as well.
    ///
    /// # Errors
    ///
    /// Poisoned: the error has the guard. [`is_forked`](procession_core::Error::is_forked).
    pub fn wait<'a, T: Pod>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let (guard, _) = self.inner.wait(guard, Deadline::NEVER)?;
        checked(guard, MutexGuard::is_poisoned)
    }

    /// Waits like [`wait`](Condition::wait), for at most `timeout`: also whether there was a notification.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Condition::wait).
    pub fn wait_timeout<'a, T: Pod>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> Result<(MutexGuard<'a, T>, bool), LockError<MutexGuard<'a, T>>> {
        let (guard, notified) = self.inner.wait(guard, Deadline::after(timeout))?;
        Ok((checked(guard, MutexGuard::is_poisoned)?, notified))
    }

    /// Waits until `predicate` is true of what the lock protects; it's asked under the lock, first of all and after each
    /// notification.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Condition::wait).
    pub fn wait_for<'a, T: Pod>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut predicate: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while !predicate(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Waits like [`wait_for`](Condition::wait_for), for at most `timeout`: also what `predicate` said last.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Condition::wait).
    pub fn wait_for_timeout<'a, T: Pod>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut predicate: impl FnMut(&mut T) -> bool,
    ) -> Result<(MutexGuard<'a, T>, bool), LockError<MutexGuard<'a, T>>> {
        let deadline = Deadline::after(timeout);
        loop {
            if predicate(&mut guard) {
                return Ok((guard, true));
            }
            if deadline.has_passed() {
                return Ok((guard, false));
            }
            guard = checked(self.inner.wait(guard, deadline)?.0, MutexGuard::is_poisoned)?;
        }
    }

    /// Wakes one of those who wait, if somebody does. Those who go on waiting look again twice a second, and then also take a
    /// notification that was for another for theirs: what one waits for is to be looked at each time.
    ///
    /// # Errors
    ///
    /// [`is_forked`](procession_core::Error::is_forked).
    #[doc(alias = "notify")]
    pub fn notify_one(&self) -> Result<()> {
        self.inner.notify_one()
    }

    /// Wakes all who wait.
    ///
    /// # Errors
    ///
    /// [`is_forked`](procession_core::Error::is_forked).
    pub fn notify_all(&self) -> Result<()> {
        self.inner.notify_all()
    }
}
