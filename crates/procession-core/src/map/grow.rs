//! One shard more, and one shard less.
//!
//! Only one process at a time does it, with `growth`; whoever finds that somebody is at it leaves it to that one. What moves is copied
//! to new pages first; then the store of the shape says in which of them each entry is.

use super::{
    build::{Load, PageDraft},
    locked::{Growth, LARGE, Locked},
    map::Map,
    page::Found,
    record::GROUP,
    shape::{FEWEST, MOST, Shape},
    shard::Shard,
};
use crate::{
    arena::{Arena, Block},
    atomic::Ordering::{Acquire, Relaxed, Release, SeqCst},
    error::{Error, Result},
    kill_point::kill_point,
    sync::RawMutex,
};

/// Each time so many shards have gone memory is given back.
const TRIMMED: usize = 64;

/// After a change: adds a shard or takes one away, if that is due and nobody is at it.
#[inline]
pub(super) fn see_to(map: &Map, arena: &'static Arena, growth: Growth) {
    if growth != Growth::None {
        change(map, arena, growth);
    }
}

/// The lock of who changes the number of shards.
pub(super) struct Growing<'a>(pub(super) &'a RawMutex);

impl Drop for Growing<'_> {
    fn drop(&mut self) {
        self.0.unlock();
    }
}

#[cold]
fn change(map: &Map, arena: &'static Arena, growth: Growth) {
    let record = map.shared.get();
    // Taken over from the dead as well: what that one left half done, it didn't do.
    if record.growth.try_lock(arena.me().tag(), arena).is_none() {
        return;
    }
    let growing = Growing(&record.growth);
    // Without memory for it pages grow instead.
    let _ = match growth {
        Growth::More => grow(map, arena),
        _ => (0..2).try_for_each(|_| shrink(map, arena)),
    };
    drop(growing);
}

/// The last shard's entries, and that one's from which they came, when they are divided.
fn grow(map: &Map, arena: &'static Arena) -> Result<()> {
    let record = map.shared.get();
    let before = record.shape();
    let after = before.with_one_more();
    let (old, new) = (after.sibling_of_last(), before.shards());
    if new >= MOST {
        return Ok(());
    }
    if new % GROUP == 0 {
        record.add_group(arena, new / GROUP)?;
    }
    let grown = divide(map, arena, before, after, old, new);
    // Unless it's in use already.
    if grown.is_err() && new % GROUP == 0 && record.shape() == before {
        take_group(map, arena, new)?.map(|block| arena.free(block, arena.me()));
    }
    grown
}

fn divide(
    map: &Map,
    arena: &'static Arena,
    before: Shape,
    after: Shape,
    old: usize,
    new: usize,
) -> Result<()> {
    let record = map.shared.get();
    let locked = map.lock_certain(arena, old)?;
    let mut loads = [Load::default(); 2];
    locked.for_each(|Found { cell, .. }| {
        loads[usize::from(after.shard_of(cell.hash()) == new)].add(cell.units());
        Ok(())
    })?;
    let [mut stay, mut go] = loads.map(|load| PageDraft::new(arena, load, before.epoch()));
    locked.for_each(|Found { cell, .. }| {
        let draft = if after.shard_of(cell.hash()) == new { &mut go } else { &mut stay };
        match draft {
            Ok(draft) => draft.copy(cell),
            Err(e) => Err(e.clone()),
        }
    })?;
    let (stay, mut go) = (stay?, go?);
    // Nobody looks at it yet; but its lock may be had by one who comes late.
    let shard = record.shard(arena, new)?;
    go.describe(shard);
    shard.intent.store(0, Relaxed);
    shard.page.store(go.name().0, Relaxed);
    shard.version.raise();
    if locked.shard.boxes.load(Relaxed) != 0 {
        shard.boxes.store(1, Relaxed);
    }
    kill_point!(MapBeforeSplit);
    record.shape.store(after.0, SeqCst);
    kill_point!(MapAfterSplit);
    go.block.committed();
    locked.changed();
    // If this process is killed before that, whoever takes its lock over removes what has gone.
    locked.replace_page(stay)?;
    drop(locked);
    // Who waits for a key that has gone.
    shard.change.notify();
    Ok(())
}

/// The last shard's entries, and that one's to which they go back, when there are few.
fn shrink(map: &Map, arena: &'static Arena) -> Result<()> {
    let record = map.shared.get();
    let before = record.shape();
    let (old, last) = (before.sibling_of_last(), before.shards() - 1);
    if before.shards() <= FEWEST {
        return Ok(());
    }
    // In this order all take more than one.
    let staying = map.lock_certain(arena, old)?;
    let is_same = |shard: &Shard| std::ptr::eq(shard, staying.shard);
    let going = map.lock_another(arena, last, is_same)?;
    let going = going.ok_or_else(|| Error::corrupted("the number of shards"))?;
    let mut load = Load::default();
    for locked in [&staying, &going] {
        locked.for_each(|Found { cell, .. }| {
            load.add(cell.units());
            Ok(())
        })?;
    }
    if load.units * super::cell::UNIT > LARGE / 4 {
        return Ok(());
    }
    merge(map, arena, before, staying, going, load)
}

fn merge(
    map: &Map,
    arena: &'static Arena,
    before: Shape,
    staying: Locked<'_>,
    going: Locked<'_>,
    load: Load,
) -> Result<()> {
    let record = map.shared.get();
    let last = going.index;
    let freed = going.own_page()?;
    if load.entries != 0 {
        let mut draft = PageDraft::new(arena, load, before.epoch())?;
        for locked in [&staying, &going] {
            locked.for_each(|entry| draft.copy(entry.cell))?;
        }
        // With what isn't looked for there yet.
        staying.replace_page(draft)?;
    }
    let group = if last % GROUP == 0 { take_group(map, arena, last)? } else { None };
    let changes = going.shard.version.get().wrapping_add(1);
    record.before.store(record.before.load(Relaxed).wrapping_add(changes), Release);
    kill_point!(MapBeforeMerge);
    record.shape.store(before.with_one_less().0, SeqCst);
    kill_point!(MapAfterMerge);
    for locked in [&staying, &going] {
        locked.changed();
        locked.shard.version.raise();
    }
    going.shard.page.store(0, Relaxed);
    drop((staying, going));
    for block in [freed, group].into_iter().flatten() {
        arena.free(block, arena.me());
    }
    if last % TRIMMED == 0 {
        arena.trim();
    }
    Ok(())
}

/// Makes the block of a group this process's, before the map has so many shards no more.
pub(super) fn take_group(map: &Map, arena: &'static Arena, first: usize) -> Result<Option<Block<'static>>> {
    let Some(word) = map.shared.get().group(arena, first / GROUP) else { return Ok(None) };
    let block = arena.block(word.load(Acquire))?;
    Ok(arena.take_over_any(block).then_some(block))
}
