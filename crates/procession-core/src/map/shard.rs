//! The head of a shard: its lock, its page, and how one who doesn't take the lock reads what is in it.

use super::{
    cell::UNIT,
    page::{CACHE_LINE, PageName, first_slot},
};
use crate::{
    arena::{Arena, Shared},
    atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    kill_point::kill_point,
    sync::{EventCount, RawMutex, Version},
};

/// The head of a shard. All but `lock`, `change` and the reading of it is for who has the lock.
///
/// What counts is `page`, and in the page its slots; each change of a shard is one store of either, and `version` is raised after it.
/// The rest is made anew from that by whoever takes the lock over from the dead.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Shard {
    pub(super) lock: RawMutex,
    /// Changes with the shard, and when its entries go to another: who waits for a key sleeps here.
    pub(super) change: EventCount,
    /// Higher after each change: what was read is right if this is the same before and after.
    pub(super) version: Version,
    /// See `PageName`.
    pub(super) page: AtomicU64,
    /// Not 0: the journal of a transaction of which this shard is a part. Who wants to read takes the lock.
    pub(super) intent: AtomicU64,
    /// A cell that is free: its position (bits 0..32) and size (32..64).
    pub(super) spare: AtomicU64,
    /// The page's size. All sizes and positions are in units of 16 bytes.
    pub(super) size: AtomicU32,
    /// From here on the page was never used.
    pub(super) used: AtomicU32,
    /// How much of it the entries take.
    pub(super) live: AtomicU32,
    /// How many entries there are.
    pub(super) count: AtomicU32,
    /// How many slots are not empty: with those of entries that were removed.
    pub(super) filled: AtomicU32,
    /// Whether there may be entries in blocks of their own.
    pub(super) boxes: AtomicU32,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Shard>() == 64);

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for Shard {}

impl Shard {
    #[cfg(loom)]
    fn new() -> Shard {
        let (word, half) = (|| AtomicU64::new(0), || AtomicU32::new(0));
        Shard {
            lock: RawMutex::new(),
            change: EventCount::new(),
            version: Version::new(),
            page: word(),
            intent: word(),
            spare: word(),
            size: half(),
            used: half(),
            live: half(),
            count: half(),
            filled: half(),
            boxes: half(),
        }
    }

    /// Has no page.
    pub(super) fn describe_empty(&self) {
        for word in [&self.size, &self.used, &self.live, &self.count, &self.filled] {
            word.store(0, Relaxed);
        }
        self.spare.store(0, Relaxed);
    }

    /// Has the processor load what one who is about to change an entry of this hash will need: waiting for all of it at once is
    /// shorter than for one after the other.
    #[inline(always)]
    pub(super) fn prefetch(&self, arena: &Arena, hash: u32) {
        let (name, spare) = (PageName(self.page.load(Relaxed)), self.spare.load(Relaxed));
        arena.prefetch(name.offset() + first_slot(hash, name.slots()) as u64 * size_of::<AtomicU32>() as u64);
        if spare != 0 {
            let cell = name.offset() + u64::from(spare as u32) * UNIT as u64;
            arena.prefetch(cell);
            arena.prefetch(cell + CACHE_LINE);
        }
    }

    /// The store that commits a change, of a slot or of the page.
    #[inline]
    pub(super) fn commit(&self, store: impl FnOnce()) {
        kill_point!(MapBeforeCommit);
        store();
        kill_point!(MapAfterCommit);
        self.version.raise();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        atomic::Ordering::{Acquire, Release},
        kill_point::{KillPoint, check, until},
        members::Tag,
        sync::{
            Deaths, Locked,
            model::{Dead, tag},
        },
        sys::clock::Deadline,
    };
    use loom::{sync::Arc, thread};

    /// A shard of one entry: the slot says in which of two cells it is; of the other one `spare` says that it's free.
    struct World {
        shard: Shard,
        slot: AtomicU64,
        cells: [[AtomicU64; 2]; 2],
        dead: Dead,
        deaths: Deaths,
    }

    impl World {
        fn new() -> Arc<World> {
            let cell = || [AtomicU64::new(0), AtomicU64::new(0)];
            let world = World {
                shard: Shard::new(),
                slot: AtomicU64::new(0),
                cells: [cell(), cell()],
                dead: Dead::nobody(),
                deaths: Deaths::new(),
            };
            world.shard.spare.store(1, Relaxed);
            Arc::new(world)
        }

        /// Adds one to both words of the entry. `None` as spare: there is none, as after a death.
        fn add_one(&self, me: Tag) {
            const NONE: u64 = u64::MAX;
            if self.shard.lock.lock(me, &self.dead, Deadline::NEVER).unwrap() == Locked::Recovered {
                // Which cell is free is derived from the slot, and what the dead one published is shown.
                self.shard.version.raise();
                self.shard.spare.store(1 - self.slot.load(Relaxed), Relaxed);
            }
            let old = self.slot.load(Relaxed);
            let new = self.shard.spare.load(Relaxed);
            assert_ne!(old, new, "a free cell");
            self.shard.spare.store(NONE, Relaxed);
            for (to, from) in self.cells[new as usize].iter().zip(&self.cells[old as usize]) {
                to.store(from.load(Relaxed) + 1, Relaxed);
            }
            self.shard.commit(|| self.slot.store(new, Release));
            self.shard.spare.store(old, Relaxed);
            self.shard.lock.unlock();
        }

        fn read(&self) -> u64 {
            loop {
                let look = || {
                    let cell = &self.cells[self.slot.load(Acquire) as usize];
                    [cell[0].load(Relaxed), cell[1].load(Relaxed)]
                };
                if let Some([a, b]) = self.shard.version.observe(&self.deaths, look) {
                    assert_eq!(a, b, "one entry, not parts of two");
                    return a;
                }
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_reader_sees_one_entry_or_the_next() {
        check(|| {
            let world = World::new();
            let writer = world.clone();
            let writer = thread::spawn(move || {
                writer.add_one(tag(1));
                writer.add_one(tag(1));
            });
            let first = world.read();
            assert!(world.read() >= first, "never back");
            writer.join().unwrap();
            assert_eq!(world.read(), 2);
        });
    }

    #[test]
    fn two_writers_lose_nothing() {
        check(|| {
            let world = World::new();
            let other = world.clone();
            let other = thread::spawn(move || other.add_one(tag(1)));
            world.add_one(tag(2));
            other.join().unwrap();
            assert_eq!(world.read(), 2);
        });
    }

    /// A writer is killed at the point; another one goes on, beside one who reads.
    fn survives(point: KillPoint, done: u64) {
        check(move || {
            let world = World::new();
            let victim = world.clone();
            let victim = thread::spawn(move || {
                assert!(until(point, || victim.add_one(tag(1))));
                victim.dead.set(tag(1));
                victim.shard.lock.mark(tag(1));
            });
            let heir = world.clone();
            let heir = thread::spawn(move || heir.add_one(tag(2)));
            let first = world.read();
            assert!(world.read() >= first, "never back");
            victim.join().unwrap();
            heir.join().unwrap();
            assert_eq!(world.read(), 1 + done);
        });
    }

    #[test]
    fn survives_a_writer_before_its_commit() {
        survives(KillPoint::MapBeforeCommit, 0);
    }

    #[test]
    fn survives_a_writer_after_its_commit() {
        survives(KillPoint::MapAfterCommit, 1);
    }
}
