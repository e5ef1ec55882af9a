//! Words that processes wait on: a mutex that survives its holder, an event count, and what is made of them. See `README.md`
//! for the protocols and their kill tables.

mod barrier;
mod condition;
mod event;
mod event_count;
#[cfg(all(test, loom))]
pub(crate) mod model;
mod mutex;
mod read_write;
mod semaphore;
mod thread_mutex;
mod version;

pub(crate) use barrier::{Broken, MOST as MOST_PARTIES, RawBarrier};
pub(crate) use condition::RawCondition;
pub(crate) use event::RawEvent;
pub(crate) use event_count::EventCount;
pub(crate) use mutex::{Locked, RawMutex};
pub(crate) use read_write::RawReadWrite;
pub(crate) use semaphore::{Ledger, MOST as MOST_PERMITS, RawSemaphore};
pub(crate) use thread_mutex::{ThreadMutex, WouldDeadlock, thread_id};
pub(crate) use version::{Deaths, Version};

use crate::members::Tag;

/// Who is alive, as far as a lock needs to know.
pub(crate) trait Census {
    /// Whether the process is marked dead. Cheap: reads the process table.
    fn is_marked_dead(&self, tag: Tag) -> bool;

    /// Asks the kernel whether the process is gone. For the slow path, after a whole slice of waiting.
    fn is_gone(&self, tag: Tag) -> bool;
}
