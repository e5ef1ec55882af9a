//! A flag that processes wait for.

use super::{block_on, handle, record};
use crate::{
    atomic::{
        AtomicU32,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    error::Result,
    kill_point::kill_point,
    members::Owner,
    references::{Header, Held, Share, Shared},
    sync::EventCount,
    sys::clock::Deadline,
};
use std::sync::Arc;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct EventRecord {
    header: Header,
    /// Bit 0: whether it's set. The rest: how often it was set, so that those who waited then go on even if it's cleared at
    /// once.
    state: AtomicU32,
    change: EventCount,
}

const SET: u32 = 1;
const STEP: u32 = 2;

record!(EventRecord, Event);

impl Held for EventRecord {
    fn mark(&self, _dead: Owner) {
        self.change.broadcast();
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
            record.state.store(0, Relaxed);
            Ok(())
        })?;
        Ok(Event { shared })
    }

    /// Sets it, and wakes everybody who waits.
    pub fn set(&self) -> Result<()> {
        self.shared.checked()?;
        let set = |state: u32| (state & SET == 0).then(|| state.wrapping_add(STEP) | SET);
        if self.shared.state.fetch_update(AcqRel, Acquire, set).is_ok() {
            kill_point!(EventAfterSet);
        }
        // Also if it was set already: whoever set it may have been killed before it could wake anybody.
        self.shared.change.notify();
        Ok(())
    }

    /// Takes it back.
    pub fn clear(&self) -> Result<()> {
        self.shared.checked()?;
        self.shared.state.fetch_and(!SET, AcqRel);
        Ok(())
    }

    /// Whether it's set.
    pub fn is_set(&self) -> bool {
        self.shared.state.load(Acquire) & SET != 0
    }

    /// Waits until it's set: whether it was before the deadline.
    pub fn wait(&self, deadline: Deadline) -> Result<bool> {
        self.shared.checked()?;
        let record = &*self.shared;
        let before = record.state.load(Acquire) & !SET;
        let set = block_on(&self.shared, &record.change, deadline, || {
            let state = record.state.load(Acquire);
            (state & SET != 0 || state & !SET != before).then_some(())
        });
        Ok(set.is_some())
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<Event> {
        Ok(Event { shared: Shared::from_share(share, 0)? })
    }

    fn details(&self) -> [(&'static str, u64); 1] {
        [("set", self.is_set().into())]
    }
}
