//! Something that one process does, once.

use super::lock_error::must;
use crate::{handles::has_statistics, travel::travels};
use bytemuck::Pod;
use procession_core::{Deadline, Error, Result, objects};
use std::time::Duration;

/// A plain value that one process makes, once, and all can read.
///
/// Handles are cheap to clone, and travel as arguments and results of processes and tasks.
///
/// # Process death
///
/// A process that dies while it makes the value hasn't made it: the next one who wants it does.
///
/// # Examples
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// let seed = procession::OnceValue::<u64>::new()?;
/// let first = *seed.get_or_init(|| 42)?;
/// assert_eq!(*seed.get_or_init(|| 7)?, first);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct OnceValue<T: Pod> {
    inner: objects::Once<T>,
}

/// Something that one process does, once, and the others wait for.
///
/// # Process death
///
/// A process that dies while it does it hasn't done it: the next one does it again.
///
/// # Examples
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// let prepared = procession::Once::new()?;
/// prepared.call_once(|| println!("once in the whole family"))?;
/// prepared.call_once(|| unreachable!())?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Once {
    inner: objects::Once<()>,
}

has_statistics!(OnceValue<T>, Once);

travels!(OnceValue<T>, objects::Once::from_share);
travels!(Once, objects::Once::from_share);

impl<T: Pod> OnceValue<T> {
    /// A value that hasn't been made.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](Error::is_not_initialised), [`is_out_of_memory`](Error::is_out_of_memory).
    pub fn new() -> Result<OnceValue<T>> {
        Ok(OnceValue { inner: objects::Once::new()? })
    }

    /// The value, if it has been made.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.inner.get()
    }

    /// The value. If it hasn't been made, `f` makes it; or this waits for another who is making it. If `f` panics, the panic goes
    /// on, and the value hasn't been made.
    ///
    /// # Errors
    ///
    /// [`is_deadlock`](Error::is_deadlock): `f` asks for the value that it is to make. [`is_forked`](Error::is_forked).
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> Result<&T> {
        self.get_or_try_init(|| Ok(f()))
    }

    /// The same for an `f` that may fail; then the value hasn't been made.
    ///
    /// # Errors
    ///
    /// That of `f`; those of [`get_or_init`](OnceValue::get_or_init).
    pub fn get_or_try_init<E: From<Error>>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        self.inner.get_or_try_init(Deadline::NEVER, f).map(must)
    }

    /// Like [`get_or_init`](OnceValue::get_or_init), but waits for at most `timeout` for another who is making the value; `None` if
    /// that wasn't enough.
    ///
    /// # Errors
    ///
    /// Those of [`get_or_init`](OnceValue::get_or_init).
    pub fn get_or_init_timeout(&self, timeout: Duration, f: impl FnOnce() -> T) -> Result<Option<&T>> {
        self.inner.get_or_try_init(Deadline::after(timeout), || Ok(f()))
    }
}

impl Once {
    /// It hasn't been done.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](Error::is_not_initialised), [`is_out_of_memory`](Error::is_out_of_memory).
    pub fn new() -> Result<Once> {
        Ok(Once { inner: objects::Once::new()? })
    }

    /// Does it, unless it has been done; if another is doing it, waits for that. If `f` panics, the panic goes on, and it hasn't
    /// been done.
    ///
    /// # Errors
    ///
    /// [`is_deadlock`](Error::is_deadlock): called in `f`. [`is_forked`](Error::is_forked).
    pub fn call_once(&self, f: impl FnOnce()) -> Result<()> {
        self.run(Deadline::NEVER, f).map(|_| ())
    }

    /// Like [`call_once`](Once::call_once), but waits for at most `timeout` for another who is doing it: whether it has been done.
    ///
    /// # Errors
    ///
    /// Those of [`call_once`](Once::call_once).
    pub fn call_once_timeout(&self, timeout: Duration, f: impl FnOnce()) -> Result<bool> {
        self.run(Deadline::after(timeout), f)
    }

    fn run(&self, deadline: Deadline, f: impl FnOnce()) -> Result<bool> {
        let done = self.inner.get_or_try_init(deadline, || {
            f();
            Ok::<(), Error>(())
        });
        Ok(done?.is_some())
    }

    /// Whether it has been done.
    pub fn is_completed(&self) -> bool {
        self.inner.get().is_some()
    }
}
