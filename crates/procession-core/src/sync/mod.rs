//! Words that processes wait on: a mutex that survives its holder, and an event count. See `README.md` for the protocols
//! and their kill tables.

mod event_count;
mod mutex;

pub(crate) use event_count::EventCount;
pub(crate) use mutex::RawMutex;

use crate::members::Tag;

/// Who is alive, as far as a lock needs to know.
pub(crate) trait Census {
    /// Whether the process is marked dead. Cheap: reads the process table.
    fn is_marked_dead(&self, tag: Tag) -> bool;

    /// Asks the kernel whether the process is gone. For the slow path, after a whole slice of waiting.
    fn is_gone(&self, tag: Tag) -> bool;
}
