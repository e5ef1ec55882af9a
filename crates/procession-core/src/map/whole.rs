//! All of a map: with the locks of all shards, or one after the other.

use super::{
    Key,
    build::corrupted,
    cell::NewCell,
    grow::{self, Growing, take_group},
    locked::Locked,
    map::Map,
    page::Found,
    record::GROUP,
    shape::FEWEST,
    transaction::Change,
};
use crate::{
    arena::Arena,
    atomic::Ordering::{Acquire, Relaxed, Release, SeqCst},
    error::{Error, Result},
    kill_point::kill_point,
    message::Lent,
    references::Share,
};
use std::{collections::HashSet, sync::Arc};

/// So often all shards are looked at without a lock, before the locks are taken.
const TRIES: usize = 4;

/// An entry, as it was.
#[derive(Debug)]
pub struct Item {
    order: u64,
    /// The key's bytes.
    pub key: Vec<u8>,
    /// The value's bytes, if they were wanted.
    pub value: Vec<u8>,
    /// The handles in it.
    pub shares: Vec<Arc<Share>>,
}

/// Boxes that are this process's, since no entry names them any more. Freed when it's dropped.
struct Gone {
    arena: &'static Arena,
    boxes: Vec<Lent>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.boxes.drain(..).for_each(|lent| lent.discard(self.arena));
    }
}

impl Map {
    /// The right to change the number of shards, and to take the locks of all.
    pub(super) fn growing(&self, arena: &'static Arena) -> Result<Growing<'static>> {
        let growth = &self.shared.get().growth;
        // Also from the dead: what that one left half done, it didn't do.
        let _ = self.acquire(arena, growth)?;
        Ok(Growing(growth))
    }

    /// The lock of a shard that is there, since this process has `growth`.
    pub(super) fn lock_certain(&self, arena: &'static Arena, shard: usize) -> Result<Locked<'static>> {
        self.lock_shard(arena, shard)?.ok_or_else(|| Error::corrupted("the number of shards"))
    }

    /// All locks, in the order in which everybody takes them who takes more than one.
    fn lock_all(&self, arena: &'static Arena, _growing: &Growing<'_>) -> Result<Vec<Locked<'static>>> {
        let shards = self.shared.get().shape().shards();
        let mut had = HashSet::new();
        let mut lock = |index| {
            let locked = self.lock_another(arena, index, |shard| !had.insert(std::ptr::from_ref(shard)))?;
            locked.ok_or_else(|| Error::corrupted("the number of shards"))
        };
        (0..shards).map(&mut lock).collect()
    }

    /// How many entries there are.
    pub fn len(&self) -> Result<usize> {
        let arena = self.shared.checked()?;
        if let Some(len) = (0..TRIES).find_map(|_| self.look_at_counts(arena)) {
            return Ok(len);
        }
        let arena = self.for_locks()?;
        let growing = self.growing(arena)?;
        let all = self.lock_all(arena, &growing)?;
        Ok(all.iter().map(|locked| locked.shard.count.load(Relaxed) as usize).sum())
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// The sum of all counts, if nobody was changing anything.
    fn look_at_counts(&self, arena: &Arena) -> Option<usize> {
        let record = self.shared.get();
        let shape = record.shape();
        let look = || {
            let shards = record.shards(arena);
            let seen = shards.map(|shard| {
                // Who has the lock may have changed something and not counted it.
                let is_at_rest = shard.lock.holder().is_none() && shard.intent.load(Acquire) == 0;
                is_at_rest.then(|| (shard.version.get(), shard.count.load(Acquire)))
            });
            seen.collect::<Option<Vec<_>>>()
        };
        let first = look()?;
        let is_same = look()? == first && record.shape() == shape && first.len() == shape.shards();
        is_same.then(|| first.iter().map(|(_, count)| *count as usize).sum())
    }

    /// All entries as they were at one moment, in the order in which they came. `with_values`: with the values and the handles in
    /// them.
    pub fn items(&self, with_values: bool) -> Result<Vec<Item>> {
        let arena = self.for_locks()?;
        let growing = self.growing(arena)?;
        let all = self.lock_all(arena, &growing)?;
        let mut items = Vec::new();
        for locked in &all {
            locked.for_each(|Found { cell, .. }| {
                let mut item =
                    Item { order: cell.order(), key: Vec::new(), value: Vec::new(), shares: Vec::new() };
                cell.key(&mut item.key).map_err(corrupted)?;
                if with_values {
                    cell.value(&mut item.value).map_err(corrupted)?;
                    item.shares = cell.shares(arena)?;
                }
                items.push(item);
                Ok(())
            })?;
        }
        drop((all, growing));
        items.sort_unstable_by_key(|item| item.order);
        Ok(items)
    }

    /// Removes all entries at once, and gives their memory back.
    pub fn clear(&self) -> Result<()> {
        let (arena, record) = (self.for_locks()?, self.shared.get());
        let growing = self.growing(arena)?;
        let all = self.lock_all(arena, &growing)?;
        // All that goes is this process's before it's nobody's: so it's freed, whatever happens.
        let (mut blocks, mut boxes) = (Vec::new(), Vec::new());
        for locked in &all {
            if locked.shard.boxes.load(Relaxed) != 0 {
                locked.for_each(|Found { cell, .. }| {
                    if let Some(lent) = cell.lent() {
                        lent.take_all(arena)?;
                        boxes.push(lent);
                    }
                    Ok(())
                })?;
            }
            blocks.extend(locked.own_page()?);
        }
        for first in (FEWEST..all.len()).step_by(GROUP) {
            blocks.extend(take_group(self, arena, first)?);
        }
        let versions = all[FEWEST..].iter().map(|locked| locked.shard.version.get());
        let gone = versions.fold(0_u64, |sum, version| sum.wrapping_add(version).wrapping_add(1));
        record.before.store(record.before.load(Relaxed).wrapping_add(gone), Release);
        kill_point!(MapBeforeClear);
        record.shape.store(record.shape().cleared().0, SeqCst);
        kill_point!(MapAfterClear);
        for locked in &all {
            locked.shard.page.store(0, Relaxed);
            locked.shard.describe_empty();
            locked.shard.boxes.store(0, Relaxed);
            locked.shard.version.raise();
            locked.changed();
        }
        drop((all, growing));
        boxes.into_iter().for_each(|lent| lent.discard(arena));
        let is_much = blocks.len() > FEWEST;
        blocks.into_iter().for_each(|block| {
            arena.free(block, arena.me());
        });
        if is_much {
            arena.trim();
        }
        Ok(())
    }

    /// Has `f` say of each entry what is to become of it. Each is changed at once; entries that come meanwhile may be seen or not.
    pub fn visit(&self, mut f: impl FnMut(&[u8], &[u8], &[Arc<Share>]) -> Result<Change>) -> Result<()> {
        let arena = self.for_locks()?;
        // No entry goes to another shard meanwhile.
        let growing = self.growing(arena)?;
        let mut growths = Vec::new();
        let visited = (0..self.shared.get().shape().shards()).try_for_each(|shard| {
            // Dropped after the lock, also if `f` panics.
            let mut gone = Gone { arena, boxes: Vec::new() };
            let locked = self.lock_certain(arena, shard)?;
            let visited = self.visit_shard(&locked, &mut gone.boxes, &mut f);
            growths.push(locked.growth());
            visited
        });
        drop(growing);
        growths.into_iter().for_each(|growth| grow::see_to(self, arena, growth));
        visited
    }

    fn visit_shard(
        &self,
        locked: &Locked<'_>,
        boxes: &mut Vec<Lent>,
        f: &mut impl FnMut(&[u8], &[u8], &[Arc<Share>]) -> Result<Change>,
    ) -> Result<()> {
        let _busy = self.busy();
        let mut keys = Vec::new();
        locked.for_each(|Found { cell, .. }| {
            let mut key = Vec::new();
            cell.key(&mut key).map_err(corrupted)?;
            keys.push((cell.order(), key));
            Ok(())
        })?;
        keys.sort_unstable();
        let mut value = Vec::new();
        for (_, bytes) in &keys {
            let key: Key<'_> = self.key(bytes);
            let Some(found) = locked.find(&key)? else { continue };
            value.clear();
            found.cell.value(&mut value).map_err(corrupted)?;
            let shares = found.cell.shares(locked.arena)?;
            boxes.extend(match f(bytes, &value, &shares)? {
                Change::Keep => None,
                Change::Remove => locked.take(&found)?,
                Change::Set(value, shares) => {
                    let new = NewCell::new(locked.arena, &key, &value, &shares)?;
                    locked.put(&key, new, Some(found))?
                }
            });
        }
        Ok(())
    }
}
