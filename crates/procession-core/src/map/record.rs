//! The shared record of a map, and where its shards are.

use super::{
    Map,
    dispose::dispose,
    shape::{FEWEST, MOST, Shape},
    shard::Shard,
};
use crate::{
    arena::{Arena, Block, Handle, Kind, Object, Shared, Stable},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::{Error, Result},
    kill_point::kill_point,
    members::Owner,
    references::{Header, Held, Holders, Share},
    sync::{Deaths, EventCount, RawMutex},
};
use std::sync::Arc;

/// What all processes that have a map share. Of a class of blocks of its own, so that a sweep knows what it has to free of one whose
/// last holder was killed while it freed it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct MapRecord {
    header: Header,
    /// See `Shape`. This, and what names groups, changes under `growth`.
    pub(super) shape: AtomicU64,
    /// Mixed into all hashes.
    pub(super) seed: AtomicU64,
    pub(super) deaths: Deaths,
    /// Had by who changes the number of shards, or takes the locks of all of them.
    pub(super) growth: RawMutex,
    /// Changes with any shard: who waits for any change sleeps here.
    pub(super) change: EventCount,
    /// Set before anybody waits for a key for the first time.
    pub(super) is_watched: AtomicU32,
    /// How often shards changed that are not there any more.
    pub(super) before: AtomicU64,
    /// Blocks of the first groups, and of words that name more: the first `ROOT` groups, then `ROOT`, twice that, and so on.
    pub(super) groups: [AtomicU64; ROOT],
    pub(super) roots: [AtomicU64; ROOTS],
    /// Apart from what all read: how many entries ever came.
    order: Order,
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Order(AtomicU64);

const ROOT: usize = 16;
const ROOTS: usize = 12;

/// A group: so many shards in one block.
pub(super) const GROUP: usize = FEWEST;

const _: () = assert!(ROOT << ROOTS >= MOST / GROUP);
#[cfg(not(loom))]
const _: () = assert!(size_of::<MapRecord>() <= 512 && GROUP * size_of::<Shard>() == 1024);

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for MapRecord {}

// SAFETY: as for a shard.
unsafe impl Shared for [Shard; GROUP] {}

impl Object for MapRecord {
    const KIND: Kind = Kind::Dict;
    const CLASS: Option<Stable> = Some(Stable::Map);
}

impl Held for MapRecord {
    fn mark(&self, arena: &Arena, dead: Owner) {
        self.deaths.raise();
        self.growth.mark(dead.tag());
        let is_watched = self.is_watched.load(Acquire) != 0;
        for shard in self.shards(arena) {
            shard.lock.mark_one_of_many(dead.tag());
            if is_watched {
                shard.change.broadcast();
            }
        }
        self.change.broadcast();
    }

    fn disturb(&self, arena: &Arena) {
        self.growth.disturb();
        for shard in self.shards(arena) {
            shard.lock.disturb();
            shard.change.broadcast();
        }
        self.change.broadcast();
    }

    fn clear(&self, share: &Arc<Share>) -> bool {
        Map::to_clear(share).is_ok_and(|map| map.clear().is_ok())
    }

    fn contains_handles(&self, arena: &Arena) -> bool {
        self.shards(arena).any(|shard| shard.boxes.load(Acquire) != 0)
    }

    fn end(&self, arena: &Arena, _own: Handle) {
        dispose(arena, self);
    }

    fn holders(&self, arena: &Arena) -> Holders {
        let tags = self.shards(arena).filter_map(|shard| shard.lock.holder()).chain(self.growth.holder());
        let mut who: Vec<_> = tags.filter_map(|tag| Some((arena.members().by_tag(tag)?, 0))).collect();
        who.dedup();
        // Which shard somebody waits for isn't known.
        Holders { who, any: true }
    }
}

impl MapRecord {
    /// Makes a map without entries of a record that names nothing.
    pub(super) fn set(&self, arena: &Arena, seed: u64) -> Result<()> {
        // Not the locks: somebody may come late and have one for a moment.
        self.shape.store(Shape::new().0, Relaxed);
        self.seed.store(seed, Relaxed);
        self.is_watched.store(0, Relaxed);
        self.before.store(0, Relaxed);
        self.order.0.store(0, Relaxed);
        self.add_group(arena, 0)
    }

    #[inline]
    pub(super) fn shape(&self) -> Shape {
        Shape(self.shape.load(Acquire))
    }

    /// The number of the next entry.
    #[inline]
    pub(super) fn next_order(&self) -> u64 {
        self.next_orders(1)
    }

    /// The first of the numbers of so many entries.
    #[inline]
    pub(super) fn next_orders(&self, count: usize) -> u64 {
        self.order.0.fetch_add(count as u64, Relaxed)
    }

    /// The word that names a group. Not for one of which nobody has the words yet.
    #[inline]
    pub(super) fn group<'a>(&'a self, arena: &'a Arena, group: usize) -> Option<&'a AtomicU64> {
        if group < ROOT {
            return self.groups.get(group);
        }
        let (root, first) = root_of(group);
        arena.records_at::<AtomicU64>(self.roots.get(root)?.load(Acquire), ROOT << root)?.get(group - first)
    }

    /// A shard, for one who only reads, and sees afterwards that it was one.
    #[inline(always)]
    pub(super) fn shard_unchecked<'a>(&'a self, arena: &'a Arena, shard: usize) -> Option<&'a Shard> {
        let group = self.group(arena, shard / GROUP)?.load(Acquire);
        arena.record_at::<[Shard; GROUP]>(group)?.get(shard % GROUP)
    }

    /// A shard, or what lies in the place of a group by now: a shard of another map, or of none.
    #[inline(always)]
    pub(super) fn shard<'a>(&'a self, arena: &'a Arena, shard: usize) -> Result<&'a Shard> {
        let group = self.group(arena, shard / GROUP).map_or(0, |word| word.load(Acquire));
        let shards: &[Shard; GROUP] = arena.stable_record(group, Stable::Shards)?;
        Ok(&shards[shard % GROUP])
    }

    /// All shards, as far as they can be seen.
    pub(super) fn shards<'a>(&'a self, arena: &'a Arena) -> impl Iterator<Item = &'a Shard> {
        (0..self.shape().shards()).map_while(|shard| self.shard(arena, shard).ok())
    }

    /// Makes the group, which isn't in use, of shards without entries. For who has `growth`.
    pub(super) fn add_group(&self, arena: &Arena, group: usize) -> Result<()> {
        if group >= ROOT {
            let (root, _) = root_of(group);
            let word = self.roots.get(root).ok_or_else(|| Error::corrupted("the number of shards"))?;
            if word.load(Relaxed) == 0 {
                let len = (ROOT << root) * 8;
                let block = arena.alloc(len)?;
                block.records::<AtomicU64>(0, ROOT << root)?.iter().for_each(|word| word.store(0, Relaxed));
                word.store(block.offset(), Release);
            }
        }
        let word = self.group(arena, group).ok_or_else(|| Error::corrupted("the names of groups"))?;
        let block = arena.alloc_stable(Stable::Shards)?;
        let shards: &[Shard; GROUP] = arena.record(block)?;
        for shard in shards {
            shard.page.store(0, Relaxed);
            shard.intent.store(0, Relaxed);
            shard.describe_empty();
            shard.boxes.store(0, Relaxed);
        }
        kill_point!(MapBeforeGroup);
        word.store(block.offset(), Release);
        Ok(())
    }

    /// The blocks of groups and of words that name them, of a map of so many shards, with the words that name these.
    pub(super) fn structure<'a>(
        &'a self,
        arena: &'a Arena,
        shards: usize,
    ) -> impl Iterator<Item = (&'a AtomicU64, Block<'a>)> {
        let groups = (0..shards.div_ceil(GROUP)).map_while(|group| self.group(arena, group));
        let words = groups.chain(&self.roots);
        words.filter_map(|word| Some((word, arena.block(word.load(Acquire)).ok()?)))
    }
}

/// Which block of words names the group, and the first that this one does.
#[inline]
fn root_of(group: usize) -> (usize, usize) {
    let root = (group / ROOT).ilog2() as usize;
    (root, ROOT << root)
}
