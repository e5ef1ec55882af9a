//! So many permits, each of which one process has at a time.

use super::lock_error::must;
use crate::{handles::has_statistics, travel::travels};
pub use procession_core::objects::Permit;
use procession_core::{Deadline, Result, objects};
use std::time::Duration;

/// So many permits, each of which one process has at a time.
///
/// A [`Permit`] goes back when it's dropped. For the style in which one side acquires and the other releases (a count of things
/// that are there), [`forget`](Permit::forget) the permit, and [`release`](Semaphore::release). A semaphore takes 8 KiB. Handles
/// are cheap to clone, and travel as arguments and results of processes and tasks.
///
/// # Process death
///
/// The permits of a process that dies go back, at once. Those that it had forgotten don't: they were nobody's.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Process, Semaphore};
///
/// fn work(two_at_a_time: Semaphore) {
///     let _permit = two_at_a_time.acquire().unwrap();
///     // at most two processes are here
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let semaphore = Semaphore::new(2)?;
///     let processes: Vec<_> =
///         (0..5).map(|_| Process::spawn(work, (semaphore.clone(),))).collect::<Result<_, _>>()?;
///     for process in processes {
///         process.join()?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Semaphore {
    inner: objects::Semaphore,
}

/// A [`Semaphore`] that can't be released more often than it was acquired.
///
/// # Process death
///
/// As for [`Semaphore`].
///
/// # Examples
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// let semaphore = procession::BoundedSemaphore::new(2)?;
/// semaphore.acquire()?.forget();
/// semaphore.release()?;
/// assert!(semaphore.release().unwrap_err().is_not_held());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct BoundedSemaphore {
    inner: objects::Semaphore,
}

has_statistics!(Semaphore, BoundedSemaphore);

macro_rules! semaphore {
    ($type:ident, $bounded:literal, $(#[$release:meta])*) => {
        travels!($type, |share| objects::Semaphore::from_share(share, $bounded));

        impl $type {
            /// A semaphore with so many permits; none at all is allowed.
            ///
            /// # Errors
            ///
            /// [`is_invalid_argument`](procession_core::Error::is_invalid_argument): more than 2^31 - 1;
            /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
            /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
            pub fn new(permits: u32) -> Result<$type> {
                Ok($type { inner: objects::Semaphore::new(permits, $bounded)? })
            }

            /// Takes a permit, and waits for it as long as it takes.
            ///
            /// # Process death
            ///
            /// If a process with permits dies, those who wait get them.
            ///
            /// # Errors
            ///
            /// [`is_forked`](procession_core::Error::is_forked).
            #[inline]
            pub fn acquire(&self) -> Result<Permit> {
                self.inner.acquire(Deadline::NEVER).map(must)
            }

            /// Takes a permit if there is one, or a dead process had one.
            ///
            /// # Errors
            ///
            /// [`is_forked`](procession_core::Error::is_forked).
            pub fn try_acquire(&self) -> Result<Option<Permit>> {
                self.inner.try_acquire()
            }

            /// Takes a permit, and waits for at most `timeout`; `None` if there was none until then.
            ///
            /// # Errors
            ///
            /// [`is_forked`](procession_core::Error::is_forked).
            pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<Permit>> {
                self.inner.acquire(Deadline::after(timeout))
            }

            $(#[$release])*
            pub fn release(&self) -> Result<()> {
                self.inner.release()
            }

            /// How many permits are there now.
            #[doc(alias = "get_value")]
            pub fn available(&self) -> u32 {
                self.inner.available()
            }
        }
    };
}

semaphore!(Semaphore, false,
    /// Adds a permit: not one's own, which goes back by being dropped, but one that was forgotten, or a new one.
    ///
    /// # Errors
    ///
    /// [`is_not_held`](procession_core::Error::is_not_held): there would be more than 2^31 - 1.
    /// [`is_forked`](procession_core::Error::is_forked).
);

semaphore!(BoundedSemaphore, true,
    /// Gives a permit back that was forgotten. (One's own goes back by being dropped.)
    ///
    /// # Errors
    ///
    /// [`is_not_held`](procession_core::Error::is_not_held): all permits are there, or had by processes.
    /// [`is_forked`](procession_core::Error::is_forked).
);
