//! The words that a pool's owner waits on.

use super::{record::PoolRecord, users::Users};
use crate::{
    arena::{Arena, Stable},
    atomic::Ordering::{Relaxed, SeqCst},
    error::Result,
    family,
    sys::clock::Deadline,
};

/// Where all workers of a pool ring for their owner.
///
/// # Process death
///
/// Whenever any process of the family dies, everybody who waits here is woken and looks again (if there is a link to a
/// worker; without one there is nobody whose death could matter).
#[derive(Debug)]
pub struct Inbox {
    arena: &'static Arena,
    pub(super) offset: u64,
    record: &'static PoolRecord,
    /// The threads that are in `wait_for_result`.
    attending: Users,
}

/// While this is there, a thread looks after the pool's workers, and they know.
struct Attending<'a>(&'a Inbox);

impl Attending<'_> {
    /// `None` if the record is another pool's, or nobody's.
    fn begin(inbox: &Inbox) -> Option<Attending<'_>> {
        if !inbox.attending.enter() {
            return None;
        }
        inbox.record.attended.fetch_add(1, SeqCst);
        Some(Attending(inbox))
    }
}

impl Drop for Attending<'_> {
    fn drop(&mut self) {
        self.0.record.attended.fetch_sub(1, SeqCst);
        self.0.attending.leave();
    }
}

impl Inbox {
    /// Makes the words for a new pool.
    ///
    /// # Errors
    ///
    /// Out of memory when the arena cannot grow; not initialised, forked.
    pub fn new() -> Result<Inbox> {
        let arena = &family::current()?.arena;
        let block = arena.alloc_stable(Stable::Pool)?;
        let record: &PoolRecord = arena.record(block)?;
        record.attended.store(0, Relaxed);
        Ok(Inbox { arena, offset: block.offset(), record, attending: Users::new() })
    }

    /// Waits until `ready` gives something: it's called after every result, and after every death. It must look after the
    /// workers as well, and once more afterwards: while anybody waits here, they don't ring for the dispatcher.
    pub fn wait_for_result<T>(&self, deadline: Deadline, ready: impl FnMut() -> Option<T>) -> Option<T> {
        let _attending = Attending::begin(self);
        self.record.results.wait_until(deadline, ready)
    }

    /// Waits until `ready` gives something: it's called when workers need the owner's attention, and after every death.
    pub fn wait_for_attention<T>(&self, deadline: Deadline, ready: impl FnMut() -> Option<T>) -> Option<T> {
        self.record.attention.sleep_until(deadline, ready)
    }

    /// Wakes the threads that wait for results: another thread has received some for them.
    pub fn ring_results(&self) {
        self.record.results.notify();
    }

    /// Wakes the dispatcher.
    pub fn ring_attention(&self) {
        self.record.attention.notify();
    }

    /// Changes with every death in the family, so that a waiter knows when to look who it was.
    pub fn deaths(&self) -> u64 {
        self.arena.deaths()
    }
}

impl Inbox {
    /// Gives back the memory of a pool that has ended, though threads may still look at it: as workers may that still end. The block's
    /// class makes that harmless.
    pub fn free(&self) {
        // Where somebody still looks for results, the drop does it.
        if self.attending.close()
            && let Ok(family) = family::current()
            && let Ok(block) = family.arena.block(self.offset)
        {
            family.arena.free(block, family.arena.me());
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.free();
    }
}
