//! One plain value.

use crate::{handles::has_statistics, travel::travels};
use bytemuck::Pod;
pub use procession_core::objects::{Integer, ValueGuard};
use procession_core::{Deadline, Result, objects};
use std::time::Duration;

/// One plain value in shared memory: a number, an array or a struct of numbers.
///
/// Reading it never waits and never sees half of a change. Integers can be changed without the lock, as atomics
/// ([`fetch_add`](Value::fetch_add)); anything else, and any larger change, under it ([`update`](Value::update),
/// [`lock`](Value::lock)). Handles are cheap to clone, and travel as arguments and results.
///
/// # Process death
///
/// A process that dies while it changes the value has changed it or not; nothing is poisoned. A lock whose holder dies goes to
/// the next who wants it.
///
/// # Examples
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::Value;
///
/// let count = Value::new(0_u64)?;
/// count.fetch_add(1)?;
/// assert_eq!(count.get(), 1);
///
/// let point = Value::new([0.0_f64; 3])?;
/// point.update(|point| point[2] += 1.0)?;
/// *point.lock()? = [1.0, 2.0, 3.0];
/// assert_eq!(point.get(), [1.0, 2.0, 3.0]);
/// # Ok(()) }
/// ```
#[doc(alias = "RawValue")]
#[derive(Clone)]
pub struct Value<T: Pod> {
    inner: objects::Value<T>,
}

travels!(Value<T>, objects::Value::from_share);
has_statistics!(Value<T>);

impl<T: Pod> Value<T> {
    /// A value in shared memory.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new(value: T) -> Result<Value<T>> {
        Ok(Value { inner: objects::Value::new(value)? })
    }

    /// The value. Doesn't wait.
    pub fn get(&self) -> T {
        self.inner.get()
    }

    /// Sets the value: one of up to 8 bytes at once, a larger one under the lock.
    ///
    /// # Errors
    ///
    /// [`is_deadlock`](procession_core::Error::is_deadlock): this thread has the lock.
    /// [`is_forked`](procession_core::Error::is_forked).
    pub fn set(&self, value: T) -> Result<()> {
        self.inner.set(value, Deadline::NEVER).map(|_| ())
    }

    /// Changes the value under the lock. If `f` panics, or the process dies in it, the value stays as it was.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Value::set).
    pub fn update<R>(&self, f: impl FnOnce(&mut T) -> R) -> Result<R> {
        Ok(f(&mut *self.lock()?))
    }

    /// Takes the lock, and waits for it as long as it takes. The guard is a copy of the value; when it's dropped, what was
    /// changed in it becomes the value. (The lock keeps out others who take the lock, but not `get`, nor changes without it.)
    ///
    /// # Errors
    ///
    /// Those of [`set`](Value::set).
    #[doc(alias = "get_lock")]
    pub fn lock(&self) -> Result<ValueGuard<'_, T>> {
        self.inner.lock(Deadline::NEVER).map(crate::sync::must)
    }

    /// Takes the lock if nobody has it; `None` if somebody has.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Value::set).
    pub fn try_lock(&self) -> Result<Option<ValueGuard<'_, T>>> {
        self.inner.try_lock()
    }

    /// Takes the lock, and waits for at most `timeout`; `None` if somebody has it until then.
    ///
    /// # Errors
    ///
    /// Those of [`set`](Value::set).
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Option<ValueGuard<'_, T>>> {
        self.inner.lock(Deadline::after(timeout))
    }
}

/// Without the lock, each in one step. A lock that somebody has doesn't keep these out.
///
/// # Errors
///
/// All that change the value: [`is_forked`](procession_core::Error::is_forked).
impl<T: Integer> Value<T> {
    /// The value.
    pub fn load(&self) -> T {
        self.get()
    }

    /// Sets the value.
    pub fn store(&self, value: T) -> Result<()> {
        self.set(value)
    }

    /// Adds to the value, wrapping around; gives what it was before.
    #[inline]
    pub fn fetch_add(&self, other: T) -> Result<T> {
        self.inner.fetch_add(other)
    }

    /// Subtracts from the value, wrapping around; gives what it was before.
    #[inline]
    pub fn fetch_sub(&self, other: T) -> Result<T> {
        self.inner.fetch_add(other.wrapping_negation())
    }

    /// Makes the value at least `other`; gives what it was before.
    pub fn fetch_max(&self, other: T) -> Result<T> {
        self.always(|value| value.max(other))
    }

    /// Makes the value at most `other`; gives what it was before.
    pub fn fetch_min(&self, other: T) -> Result<T> {
        self.always(|value| value.min(other))
    }

    /// Sets the value; gives what it was before.
    pub fn swap(&self, other: T) -> Result<T> {
        self.always(|_| other)
    }

    /// Sets the value to `new` if it's `current`: that, or else as an error what it is.
    pub fn compare_exchange(&self, current: T, new: T) -> Result<Result<T, T>> {
        self.fetch_update(|value| (value == current).then_some(new))
    }

    /// Sets the value to what `f` makes of it, again and again until nobody came in between; gives what it was before, as an error
    /// if `f` gave nothing.
    pub fn fetch_update(&self, f: impl Fn(T) -> Option<T>) -> Result<Result<T, T>> {
        self.inner.fetch_update(f)
    }

    fn always(&self, f: impl Fn(T) -> T) -> Result<T> {
        Ok(self.fetch_update(|value| Some(f(value)))?.unwrap_or_else(|before| before))
    }
}
