//! One entry with the shard's lock held, for code of the user's that changes it.

use super::{Key, build::corrupted, cell::NewCell, locked::Locked, map::Map, page::Found};
use crate::{error::Result, message::Lent, objects::busy::Busy, references::Share};
use std::{fmt, sync::Arc};

/// The entry of a key, whether or not there is one; nobody else changes it meanwhile. It's changed at once and wholly.
pub struct Entry<'m> {
    map: &'m Map,
    key: Key<'m>,
    /// Until it's dropped.
    locked: Option<Locked<'static>>,
    /// Where the entry is, if there is one.
    found: Option<Found<'static>>,
    replaced: Option<Lent>,
    busy: Option<Busy>,
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.key.bytes).finish()
    }
}

impl Map {
    /// The key's entry, for this thread to change. Whoever else wants to change an entry of that shard waits until it's dropped.
    #[inline]
    pub fn entry<'m>(&'m self, key: &'m [u8]) -> Result<Entry<'m>> {
        let (arena, key) = (self.for_locks()?, self.key(key));
        let locked = self.lock(arena, &key)?;
        let found = locked.find(&key)?;
        let busy = Some(self.busy());
        Ok(Entry { map: self, key, locked: Some(locked), found, replaced: None, busy })
    }
}

impl Entry<'_> {
    #[inline]
    fn locked(&self) -> &Locked<'static> {
        self.locked.as_ref().expect("until it's dropped")
    }

    /// Appends the value, if there is one, and gives the handles in it.
    #[inline]
    pub fn get(&self, out: &mut Vec<u8>) -> Result<Option<Vec<Arc<Share>>>> {
        let Some(found) = self.found else { return Ok(None) };
        found.cell.value(out).map_err(corrupted)?;
        found.cell.shares(self.locked().arena).map(Some)
    }

    /// Sets the value.
    #[inline]
    pub fn set(mut self, value: &[u8], shares: &[Arc<Share>]) -> Result<()> {
        let locked = self.locked();
        let new = NewCell::new(locked.arena, &self.key, value, shares)?;
        self.replaced = locked.put(&self.key, new, self.found)?;
        Ok(())
    }
}

impl Drop for Entry<'_> {
    #[inline]
    fn drop(&mut self) {
        // First: what ends with a box may be what this map is changed by.
        self.busy = None;
        if let Some(locked) = self.locked.take() {
            self.map.finish(locked, self.replaced.take());
        }
    }
}
