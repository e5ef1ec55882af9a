//! The shared record of a list.

use super::{List, dispose::dispose};
use crate::{
    arena::{Arena, Handle, Kind, Object, Shared, Stable},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed},
    },
    kill_point::kill_point,
    members::Owner,
    references::{Header, Held, Holders, Share},
    sync::{Deaths, EventCount, RawMutex, Version},
};
use std::sync::Arc;

/// What all processes that have a list share. What counts is what `root` names; each change is one store of it or in that, and `version`
/// is raised after it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ListRecord {
    header: Header,
    pub(super) lock: RawMutex,
    pub(super) change: EventCount,
    pub(super) version: Version,
    pub(super) deaths: Deaths,
    /// The root's offset; 0: there are no values.
    pub(super) root: AtomicU64,
    /// Whether there may be values in blocks of their own.
    pub(super) boxes: AtomicU32,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<ListRecord>() <= 64);

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for ListRecord {}

impl Object for ListRecord {
    const KIND: Kind = Kind::List;
    const CLASS: Option<Stable> = Some(Stable::List);
}

impl Held for ListRecord {
    fn mark(&self, _arena: &Arena, dead: Owner) {
        self.deaths.raise();
        self.lock.mark(dead.tag());
        self.change.broadcast();
    }

    fn disturb(&self, _arena: &Arena) {
        self.lock.disturb();
        self.change.broadcast();
    }

    fn clear(&self, share: &Arc<Share>) -> bool {
        List::to_clear(share).is_ok_and(|list| list.truncate(0).is_ok())
    }

    fn contains_handles(&self, _arena: &Arena) -> bool {
        self.boxes.load(Acquire) != 0
    }

    fn end(&self, arena: &Arena, _own: Handle) {
        dispose(arena, self);
    }

    fn holders(&self, arena: &Arena) -> Holders {
        Holders::of_lock(arena, self.lock.holder().map(|holder| (holder, 0)))
    }
}

impl ListRecord {
    /// A list without values, of a record that names nothing.
    pub(super) fn set(&self) {
        // Not the lock: somebody may come late and have it for a moment.
        self.root.store(0, Relaxed);
        self.boxes.store(0, Relaxed);
    }

    /// The store that commits a change.
    #[inline]
    pub(super) fn commit(&self, store: impl FnOnce()) {
        kill_point!(ListBeforeCommit);
        store();
        kill_point!(ListAfterCommit);
        self.version.raise();
    }
}
