//! A place where a number of threads wait for each other.

use crate::{handles::has_statistics, travel::travels};
use procession_core::{Deadline, Result, objects};
use std::time::Duration;

/// A place where a number of threads wait for each other, of whichever processes; again and again.
///
/// Handles are cheap to clone, and travel as arguments and results of processes and tasks.
///
/// # Process death
///
/// If a process dies that has the barrier (waiting there or not), the barrier *breaks*: those who wait, and those who come
/// later, get [`is_broken_barrier`](procession_core::Error::is_broken_barrier), until somebody calls [`reset`](Barrier::reset). So
/// nobody waits for the dead. (Those who wait are told by the root of the family.) A process that returns from its function has dropped what it was given, and breaks nothing.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Barrier, Process};
///
/// fn phases(together: Barrier) {
///     // first phase
///     together.wait().unwrap();
///     // second phase: everybody is through with the first
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let together = Barrier::new(2)?;
///     let process = Process::spawn(phases, (together.clone(),))?;
///     phases(together);
///     Ok(process.join()?)
/// }
/// ```
#[derive(Clone)]
pub struct Barrier {
    inner: objects::Barrier,
}

travels!(Barrier, objects::Barrier::from_share);
has_statistics!(Barrier);

/// That a thread has passed a [`Barrier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWait {
    index: u32,
}

impl BarrierWait {
    /// How many had come before this thread: 0 to `parties - 1`, different for each.
    pub fn index(self) -> u32 {
        self.index
    }

    /// Whether it's the one of them that does what is to be done once.
    pub fn is_leader(self) -> bool {
        self.index == 0
    }
}

impl Barrier {
    /// A barrier for so many threads.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](procession_core::Error::is_invalid_argument): for none, or for more than 2^31 - 1;
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new(parties: u32) -> Result<Barrier> {
        Ok(Barrier { inner: objects::Barrier::new(parties)? })
    }

    /// Waits until all have come.
    ///
    /// # Process death
    ///
    /// Ends with an error if a process dies that has the barrier.
    ///
    /// # Errors
    ///
    /// [`is_broken_barrier`](procession_core::Error::is_broken_barrier): it was broken before, or while this thread waited.
    /// [`is_forked`](procession_core::Error::is_forked).
    #[doc(alias = "BrokenBarrier")]
    pub fn wait(&self) -> Result<BarrierWait> {
        Ok(BarrierWait { index: self.inner.wait(Deadline::NEVER)? })
    }

    /// Waits until all have come, for at most `timeout`. If that isn't enough, the barrier breaks, for all.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Barrier::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWait> {
        Ok(BarrierWait { index: self.inner.wait(Deadline::after(timeout))? })
    }

    /// Breaks it, so that nobody waits for one who won't come.
    ///
    /// # Errors
    ///
    /// [`is_forked`](procession_core::Error::is_forked).
    pub fn abort(&self) -> Result<()> {
        self.inner.abort()
    }

    /// Makes it as new. Those who wait get the error of a broken barrier.
    ///
    /// # Errors
    ///
    /// [`is_forked`](procession_core::Error::is_forked).
    pub fn reset(&self) -> Result<()> {
        self.inner.reset()
    }

    /// For how many threads it is.
    pub fn parties(&self) -> u32 {
        self.inner.parties()
    }

    /// How many wait now.
    #[doc(alias = "n_waiting")]
    pub fn waiting(&self) -> u32 {
        self.inner.waiting()
    }

    /// Whether it's broken.
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.inner.is_broken()
    }
}
