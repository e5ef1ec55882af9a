//! A flag that processes wait for.

use super::{block_on, handle, record};
use crate::{
    arena::Arena,
    error::Result,
    members::Owner,
    references::{Header, Held, Lookout, Share, Shared},
    select::Source,
    sync::RawEvent,
    sys::clock::Deadline,
};
use std::sync::{Arc, Mutex};

#[derive(Debug)]
#[repr(C)]
pub(crate) struct EventRecord {
    header: Header,
    event: RawEvent,
}

record!(EventRecord, Event);

impl Held for EventRecord {
    fn mark(&self, _arena: &Arena, _dead: Owner) {
        self.event.change().broadcast();
    }

    fn disturb(&self, _arena: &Arena) {
        self.event.change().broadcast();
    }
}

/// A flag that processes wait for.
pub struct Event {
    shared: Shared<EventRecord>,
}

handle!(Event);

impl Event {
    /// An event that isn't set.
    pub fn new() -> Result<Event> {
        let shared = Shared::create(size_of::<EventRecord>(), 0, |record: &EventRecord, _| {
            record.event.reset();
            Ok(())
        })?;
        Ok(Event { shared })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<Event> {
        Ok(Event { shared: Shared::from_share(share, 0)? })
    }

    /// Sets it, and wakes everybody who waits.
    pub fn set(&self) -> Result<()> {
        self.shared.checked()?;
        self.shared.event.set();
        Ok(())
    }

    /// Takes it back.
    pub fn clear(&self) -> Result<()> {
        self.shared.checked()?;
        self.shared.event.clear();
        Ok(())
    }

    /// Whether it's set.
    pub fn is_set(&self) -> bool {
        self.shared.event.is_set()
    }

    /// Waits until it's set: whether it was before the deadline.
    pub fn wait(&self, deadline: Deadline) -> Result<bool> {
        self.shared.checked()?;
        let event = &self.shared.event;
        let before = event.before();
        let set = || event.was_set_since(before).then_some(());
        Ok(block_on(&self.shared, event.change(), deadline, set)?.is_some())
    }

    /// Ready while it's set, and once it's closed.
    pub fn source(&self) -> Source<'_> {
        let record = self.shared.get();
        let lookout = Mutex::new(Lookout::new());
        Source::new(record.event.change(), move || self.is_set() || self.shared.is_closed(&lookout))
    }

    fn details(&self) -> [(&'static str, u64); 1] {
        [("set", self.is_set().into())]
    }
}
