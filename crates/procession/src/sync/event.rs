//! A flag that processes wait for.

use crate::{handles::has_statistics, travel::travels};
use procession_core::{Deadline, Result, objects};
use std::time::Duration;

/// A flag that processes wait for.
///
/// Handles are cheap to clone, and travel as arguments and results of processes and tasks. The event ends with the last of them.
///
/// # Process death
///
/// Those who wait aren't affected by another's death. One that was killed while it set the event has set it or not; if it has,
/// everybody is woken.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Event, Process};
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let start = Event::new()?;
///     let waiting = Process::spawn(|start: Event| start.wait().is_ok(), (start.clone(),))?;
///     start.set()?;
///     assert!(waiting.join()?);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Event {
    inner: objects::Event,
}

travels!(Event, objects::Event::from_share);
has_statistics!(Event);

impl Event {
    /// An event that isn't set.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new() -> Result<Event> {
        Ok(Event { inner: objects::Event::new()? })
    }

    pub(crate) fn source(&self) -> procession_core::select::Source<'_> {
        self.inner.source()
    }

    /// Sets it, and wakes everybody who waits: also if it's cleared again at once.
    ///
    /// # Errors
    ///
    /// [`is_forked`](procession_core::Error::is_forked).
    pub fn set(&self) -> Result<()> {
        self.inner.set()
    }

    /// Makes it unset, so that those who wait from now on wait for the next [`set`](Event::set).
    ///
    /// # Errors
    ///
    /// [`is_forked`](procession_core::Error::is_forked).
    pub fn clear(&self) -> Result<()> {
        self.inner.clear()
    }

    /// Whether it's set.
    pub fn is_set(&self) -> bool {
        self.inner.is_set()
    }

    /// Waits until it's set.
    ///
    /// # Errors
    ///
    /// [`is_forked`](procession_core::Error::is_forked).
    pub fn wait(&self) -> Result<()> {
        self.inner.wait(Deadline::NEVER).map(|_| ())
    }

    /// Waits until it's set, for at most `timeout`: whether it was.
    ///
    /// # Errors
    ///
    /// [`is_forked`](procession_core::Error::is_forked).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool> {
        self.inner.wait(Deadline::after(timeout))
    }
}
