//! Many plain values.

use crate::{
    handles::{has_statistics, poisonable},
    sync::{LockResult, TryLockResult, checked, checked_try, must},
    travel::travels,
};
use bytemuck::Pod;
pub use procession_core::objects::ArrayGuard;
use procession_core::{Deadline, Result, objects};
use std::{ops::RangeBounds, time::Duration};

/// Many plain values in shared memory: a fixed number of them, mapped by every process and copied by none.
///
/// It has a lock for each part that somebody asks for: [`lock`](Array::lock) takes all of it, [`lock_range`](Array::lock_range)
/// some, so that several processes can fill disjoint parts at once (up to 128). Handles are cheap to clone, and travel as
/// arguments and results.
///
/// # Process death
///
/// The parts of a process that dies go to the next who want them, and the array is poisoned, as a [`Mutex`](crate::Mutex)
/// would be: values in those parts may be half changed.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Array, Pool};
///
/// fn fill(squares: Array<u64>, start: usize) {
///     let mut part = squares.lock_range(start..start + 1000).unwrap();
///     for (i, square) in part.iter_mut().enumerate() {
///         *square = ((start + i) * (start + i)) as u64;
///     }
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let squares = Array::<u64>::new(10_000)?;
///     Pool::new(4)?.starmap(fill, (0..10).map(|i| (squares.clone(), i * 1000)))?;
///     assert_eq!(squares.lock()?[9_999], 99_980_001);
///     Ok(())
/// }
/// ```
#[doc(alias = "RawArray")]
#[doc(alias = "SharedMemory")]
#[derive(Clone)]
pub struct Array<T: Pod> {
    inner: objects::Array<T>,
}

travels!(Array<T>, objects::Array::from_share);
has_statistics!(Array<T>);
poisonable!(Array);

impl<T: Pod> Array<T> {
    /// An array of so many values, all of them zero.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](procession_core::Error::is_invalid_argument): of none;
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new(len: usize) -> Result<Array<T>> {
        Ok(Array { inner: objects::Array::zeroed(len)? })
    }

    /// An array of these values.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Array::new).
    pub fn from_slice(values: &[T]) -> Result<Array<T>> {
        Ok(Array { inner: objects::Array::from_slice(values)? })
    }

    /// How many values there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Takes all of it, and waits until nobody else has any. The guard is a slice of the values.
    ///
    /// # Process death
    ///
    /// If a process dies that has a part, those who wait for it get it, poisoned.
    ///
    /// # Errors
    ///
    /// - Poisoned: the error has the guard.
    /// - [`is_deadlock`](procession_core::Error::is_deadlock): this thread has some of it already.
    /// - [`is_forked`](procession_core::Error::is_forked).
    #[doc(alias = "get_lock")]
    pub fn lock(&self) -> LockResult<ArrayGuard<'_, T>> {
        self.lock_range(..)
    }

    /// Takes the values in `range`, and waits until nobody else has any of them.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](Array::lock); [`is_invalid_argument`](procession_core::Error::is_invalid_argument): a range that reaches over
    /// the end.
    pub fn lock_range(&self, range: impl RangeBounds<usize>) -> LockResult<ArrayGuard<'_, T>> {
        checked(must(self.inner.lock(range, Deadline::NEVER)?), ArrayGuard::is_poisoned)
    }

    /// Takes all of it if nobody has any; `None` if somebody has.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](Array::lock).
    pub fn try_lock(&self) -> TryLockResult<ArrayGuard<'_, T>> {
        self.try_lock_range(..)
    }

    /// Takes the values in `range` if nobody has any of them; `None` if somebody has.
    ///
    /// # Errors
    ///
    /// Those of [`lock_range`](Array::lock_range).
    pub fn try_lock_range(&self, range: impl RangeBounds<usize>) -> TryLockResult<ArrayGuard<'_, T>> {
        checked_try(self.inner.try_lock(range)?, ArrayGuard::is_poisoned)
    }

    /// Takes all of it, and waits for at most `timeout`; `None` if that wasn't enough.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](Array::lock).
    pub fn lock_timeout(&self, timeout: Duration) -> TryLockResult<ArrayGuard<'_, T>> {
        self.lock_range_timeout(.., timeout)
    }

    /// Takes the values in `range`, and waits for at most `timeout`; `None` if that wasn't enough.
    ///
    /// # Errors
    ///
    /// Those of [`lock_range`](Array::lock_range).
    pub fn lock_range_timeout(
        &self,
        range: impl RangeBounds<usize>,
        timeout: Duration,
    ) -> TryLockResult<ArrayGuard<'_, T>> {
        checked_try(self.inner.lock(range, Deadline::after(timeout))?, ArrayGuard::is_poisoned)
    }

    /// A copy of all values, taken under the lock.
    ///
    /// # Errors
    ///
    /// Those of [`lock`](Array::lock); a poisoned lock gives no copy.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        Ok(self.lock()?.to_vec())
    }
}
