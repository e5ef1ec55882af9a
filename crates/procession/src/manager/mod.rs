//! Managers: objects that end together.
//!
//! There is no server process, as Python's managers have one: what a [`Manager`] makes lies in shared memory like everything else, and is
//! as fast. What the manager adds is one end for all of it.

mod make;

use crate::{handles::has_statistics, travel::travels};
use procession_core::{Error, Result, manager};

/// What makes shared objects, all of which end with it.
///
/// Each object that is made by a method of the manager, or by any constructor in [`own`](Manager::own), ends when the manager does: by
/// [`shutdown`](Manager::shutdown), or when nobody has the manager any more. From then on each operation of such an object gives an error
/// ([`is_closed`](Error::is_closed)) that names the kind of object and the reason, those who wait for one wake with that error, and the
/// memory of what was in it is given back. Guards and leases that somebody has can still be used and dropped.
///
/// Handles of these objects travel like any other, and so does that of the manager: whoever has it can make more, or shut it down. To
/// have a handle of an object doesn't keep the manager from ending. What can't fail ([`Event::is_set`](crate::Event::is_set),
/// [`Value::get`](crate::Value::get), [`len`](crate::Queue::len) of a queue) still gives what there is.
///
/// A manager made by a manager ends with it, and with it what that one made. What isn't an object that is shared by handles (a
/// [`Process`](crate::Process), a [`Pool`](crate::Pool)) has no manager.
///
/// # Process death
///
/// A process that is killed leaves the manager to the others that have it. If it was the last one, the manager ends as if it had been
/// dropped. A process that is killed while it shuts the manager down, or while it makes something, has done it or not; what is left to
/// do is done by others.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Dict, Manager, Process, Queue};
///
/// fn count(words: Queue<String>, counts: Dict<String, u64>) {
///     while let Ok(word) = words.get() {
///         counts.update_or_insert(&word, 0, |count| *count += 1).unwrap();
///     }
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let manager = Manager::new()?;
///     let counts = manager.dict::<String, u64>()?;
///     let words = manager.bounded_queue(100)?;
///     let process = Process::spawn(count, (words.clone(), counts.clone()))?;
///     for word in "to be or not to be".split(' ') {
///         words.put(&word.to_string())?;
///     }
///     while counts.get("be")? != Some(2) {
///         std::thread::yield_now();
///     }
///     manager.shutdown()?; // the other process's `get` gives an error
///     process.join()?;
///     assert!(counts.get("be").unwrap_err().is_closed());
///     Ok(())
/// }
/// ```
#[doc(alias = "SyncManager")]
#[derive(Clone)]
pub struct Manager {
    inner: manager::Manager,
}

travels!(Manager, manager::Manager::from_share);
has_statistics!(Manager);

impl Manager {
    /// A manager that has made nothing.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](Error::is_not_initialised), [`is_out_of_memory`](Error::is_out_of_memory).
    pub fn new() -> Result<Manager> {
        Ok(Manager { inner: manager::Manager::new()? })
    }

    /// Runs `make`, which may be any constructor or several: all objects that this thread makes meanwhile end with the manager.
    ///
    /// (Within another `own` it's the inner one's manager. After a panic of `make` everything is as before.)
    ///
    /// # Errors
    ///
    /// [`is_closed`](Error::is_closed): the manager has been shut down, or was meanwhile. Those of `make`.
    ///
    /// # Examples
    ///
    /// ```standalone_crate
    /// # fn main() -> procession::Result<()> {
    /// # procession::init();
    /// use procession::{JoinableQueue, Manager};
    ///
    /// let manager = Manager::new()?;
    /// let jobs = manager.own(|| JoinableQueue::builder().bounded(10).redeliver(3).build::<String>())?;
    /// manager.shutdown()?;
    /// assert!(jobs.join().unwrap_err().is_closed());
    /// # Ok(()) }
    /// ```
    pub fn own<R, E: From<Error>>(&self, make: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        self.inner.own(make)
    }

    /// Ends everything that it made, at once. Does nothing if that was done before.
    ///
    /// Who waits for any of it wakes with an error, and the memory of what is in it is given back before this returns; unless a process that was
    /// stopped is in the way: then as soon as that is possible.
    ///
    /// # Process death
    ///
    /// A process that is killed in here has ended all of it or nothing. If it had no time to wake the others, they look for themselves
    /// twice a second.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked).
    pub fn shutdown(&self) -> Result<()> {
        self.inner.shutdown()
    }

    /// Whether it has been shut down.
    pub fn is_shut_down(&self) -> bool {
        self.inner.is_shut_down()
    }
}
