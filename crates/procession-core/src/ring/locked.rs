//! A ring with any number of processes on each side: each side has a lock that survives its holder, and a cursor that is changed
//! with one store.

use super::{
    held::{Consuming, Producing},
    progress::{Cursor, Load},
};
use crate::{
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed},
        fence,
    },
    error::Result,
    members::Tag,
    sync::{Census, EventCount, Locked, RawMutex},
    sys::clock::Deadline,
};

/// The shared part. What others look at lies apart from what only the holder of a lock needs.
///
/// | | written by | means |
/// |---|---|---|
/// | `tail.at` | who has the producers' lock | what lies before it is committed: this store is the commit |
/// | `head.at` | who has the consumers' lock | what lies before it is taken: this store takes it |
///
/// A lock that is stolen from the dead needs no repair: the cursor is where the last commit left it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LockedRing {
    pub(super) tail: Shown,
    pub(super) head: Shown,
    pub(super) producers: Side,
    pub(super) consumers: Side,
}

/// What the other side looks at.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Shown {
    pub(super) at: AtomicU64,
    /// Changes with the cursor: who waits for that sleeps here.
    change: EventCount,
}

/// What is for the holder of a side's lock.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct Side {
    pub(super) lock: RawMutex,
    /// Where the other side's cursor was when somebody last looked: a cache.
    pub(super) seen: AtomicU64,
    /// How many bytes of blocks outside of the ring ever went by: for the cursor with this parity. So the one store of the cursor
    /// commits this as well.
    bulk: [AtomicU64; 2],
}

impl Side {
    fn reset(&self) {
        // Not the lock: somebody may come late and have it for a moment.
        self.seen.store(0, Relaxed);
        self.bulk.iter().for_each(|bulk| bulk.store(0, Relaxed));
    }

    #[cfg(loom)]
    fn new() -> Side {
        Side { lock: RawMutex::new(), seen: AtomicU64::new(0), bulk: [AtomicU64::new(0), AtomicU64::new(0)] }
    }

    #[inline]
    pub(super) fn bulk(&self, at: Cursor) -> u64 {
        self.bulk[at.parity()].load(Relaxed)
    }

    /// Prepares `bulk` for the cursor that comes after `at`.
    #[inline]
    pub(super) fn carry(&self, at: Cursor, next: Cursor, more: u64) {
        debug_assert!(more == 0 || at.parity() != next.parity(), "the word of a cursor that is committed");
        if at.parity() != next.parity() {
            self.bulk[next.parity()].store(self.bulk(at).wrapping_add(more), Relaxed);
        }
    }
}

impl LockedRing {
    #[cfg(loom)]
    fn new() -> LockedRing {
        let shown = || Shown { at: AtomicU64::new(0), change: EventCount::new() };
        LockedRing { tail: shown(), head: shown(), producers: Side::new(), consumers: Side::new() }
    }

    /// For a block that has been used before.
    pub(crate) fn reset(&self) {
        self.tail.at.store(0, Relaxed);
        self.head.at.store(0, Relaxed);
        self.producers.reset();
        self.consumers.reset();
    }

    /// What changes when messages come.
    #[inline]
    pub(crate) fn arrivals(&self) -> &EventCount {
        &self.tail.change
    }

    /// What changes when messages are taken.
    #[inline]
    pub(crate) fn departures(&self) -> &EventCount {
        &self.head.change
    }

    /// Whether there was nothing when it was looked at. Two loads, no lock.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.at.load(Acquire) == self.tail.at.load(Acquire)
    }

    /// Both cursors' bits.
    pub(crate) fn cursors(&self) -> (u64, u64) {
        (self.head.at.load(Acquire), self.sent())
    }

    /// The tail cursor's bits: they change when something is committed.
    pub(crate) fn sent(&self) -> u64 {
        self.tail.at.load(Acquire)
    }

    /// The head cursor's bits: they change when something is taken.
    #[inline]
    pub(crate) fn taken(&self) -> u64 {
        self.head.at.load(Acquire)
    }

    /// Whether the message of that number has been taken.
    pub(crate) fn was_taken(&self, number: u32) -> bool {
        Cursor::load(&self.head.at).messages.wrapping_sub(number) as i32 > 0
    }

    /// How many messages there are.
    pub(crate) fn messages(&self) -> u32 {
        const LOOKS: usize = 8;
        let mut tail = Cursor::load(&self.tail.at);
        for _ in 0..LOOKS {
            let head = Cursor::load(&self.head.at);
            let now = Cursor::load(&self.tail.at);
            if now == tail {
                return tail.messages_since(head);
            }
            tail = now;
        }
        // So busy that about as many as at any time meanwhile will do. The consumers may have come further by now than the producers
        // had when they were looked at.
        tail.messages_since(Cursor::load(&self.head.at))
    }

    /// Takes the producers' lock; `None` when the deadline passed first.
    #[inline]
    pub(crate) fn produce(&self, me: Tag, census: &impl Census, deadline: Deadline) -> Option<Producing<'_>> {
        // There's nothing to repair.
        let _ = self.producers.lock.lock(me, census, deadline)?;
        Some(self.producing())
    }

    /// The same, if the lock is free.
    #[inline]
    pub(crate) fn try_produce(&self, me: Tag) -> Option<Producing<'_>> {
        let _ = self.producers.lock.try_lock_clean(me)?;
        Some(self.producing())
    }

    #[inline]
    fn producing(&self) -> Producing<'_> {
        let (at, seen) = (Cursor::load(&self.tail.at), Cursor::load(&self.producers.seen));
        Producing { ring: self, at, seen }
    }

    /// Takes the consumers' lock; `None` when the deadline passed first.
    #[inline]
    pub(crate) fn consume(&self, me: Tag, census: &impl Census, deadline: Deadline) -> Option<Consuming<'_>> {
        let locked = self.consumers.lock.lock(me, census, deadline)?;
        Some(self.consuming(locked))
    }

    /// The same, if the lock is free.
    #[inline]
    pub(crate) fn try_consume(&self, me: Tag) -> Option<Consuming<'_>> {
        let locked = self.consumers.lock.try_lock_clean(me)?;
        Some(self.consuming(locked))
    }

    #[inline]
    fn consuming(&self, locked: Locked) -> Consuming<'_> {
        let (at, seen) = (Cursor::load(&self.head.at), Cursor::load(&self.consumers.seen));
        Consuming { ring: self, at, seen, is_recovered: locked == Locked::Recovered }
    }

    /// Tells the locks that a member has died.
    pub(crate) fn mark(&self, dead: Tag) {
        self.producers.lock.mark(dead);
        self.consumers.lock.mark(dead);
    }

    /// Wakes everybody who waits for either side.
    pub(crate) fn broadcast(&self) {
        self.arrivals().broadcast();
        self.departures().broadcast();
    }

    /// Runs `copy` with what is committed and not taken, for one who has no lock: it's to copy these bytes. What it gives belongs
    /// to the cursors that come with it: from where the consumers were *after* the copy, nothing that was copied has changed.
    pub(crate) fn observe<T>(
        &self,
        capacity: usize,
        copy: impl FnOnce(u64, usize) -> T,
    ) -> Result<(T, usize, usize)> {
        let head = Cursor::load(&self.head.at);
        let tail = Cursor::load(&self.tail.at);
        let load = Load::between(head, tail, capacity)?;
        let copied = copy(head.position(), load.bytes);
        fence(Acquire);
        let passed = Cursor::load(&self.head.at).bytes_since(head);
        Ok((copied, passed.min(load.bytes), load.bytes))
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        kill_point::{KillPoint, check, until},
        sync::model::{Dead, tag},
    };
    use loom::{cell::UnsafeCell, sync::Arc, thread};

    const CAPACITY: usize = 16;

    /// A ring of two cells of eight bytes each; loom reports any access to a cell that isn't exclusive.
    struct World {
        ring: LockedRing,
        cells: [UnsafeCell<u64>; 2],
        dead: Dead,
    }

    impl World {
        fn new() -> Arc<World> {
            let cells = [UnsafeCell::new(0), UnsafeCell::new(0)];
            Arc::new(World { ring: LockedRing::new(), cells, dead: Dead::nobody() })
        }

        fn cell(&self, position: u64) -> &UnsafeCell<u64> {
            &self.cells[position as usize / 8 % 2]
        }

        fn push(&self, me: usize, value: u64) -> bool {
            let mut producing = self.ring.produce(tag(me), &self.dead, Deadline::NEVER).unwrap();
            if producing.load(CAPACITY).unwrap().bytes == CAPACITY
                && producing.look(CAPACITY).unwrap().bytes == CAPACITY
            {
                return false;
            }
            // SAFETY: bounds: one cell. Aliasing: the producers' until the commit, which loom checks. Lifetime: shared.
            self.cell(producing.position()).with_mut(|v| unsafe { *v = value });
            producing.commit(1, 8, 0);
            true
        }

        fn pop(&self, me: usize) -> Option<u64> {
            let mut consuming = self.ring.consume(tag(me), &self.dead, Deadline::NEVER).unwrap();
            if consuming.load(CAPACITY).unwrap().messages == 0 {
                return None;
            }
            // SAFETY: bounds: one cell. Aliasing: the consumers' until it's retired. Lifetime: shared.
            let value = self.cell(consuming.position()).with(|v| unsafe { *v });
            consuming.retire(1, 8, 0);
            Some(value)
        }

        fn mark(&self, me: usize) {
            self.dead.set(tag(me));
            self.ring.mark(tag(me));
        }
    }

    #[test]
    fn what_two_push_two_pop() {
        check(|| {
            let world = World::new();
            let other = world.clone();
            let other = thread::spawn(move || {
                assert!(other.push(1, 1));
                other.pop(1)
            });
            assert!(world.push(2, 2));
            let mine = world.pop(2);
            let theirs = other.join().unwrap();
            let mut all: Vec<u64> =
                [mine, theirs, world.pop(2), world.pop(2)].into_iter().flatten().collect();
            all.sort_unstable();
            assert_eq!(all, [1, 2], "each of them once");
        });
    }

    /// One of two producers is killed at the point; the other goes on, and what was committed is read, once.
    fn producer_dies(point: KillPoint, survives: bool) {
        check(move || {
            let world = World::new();
            let victim = world.clone();
            let victim = thread::spawn(move || {
                assert!(until(point, || {
                    victim.push(1, 7);
                }));
                victim.mark(1);
            });
            assert!(world.push(2, 8));
            victim.join().unwrap();
            let mut all: Vec<u64> = std::iter::from_fn(|| world.pop(2)).collect();
            all.sort_unstable();
            assert_eq!(all, if survives { vec![7, 8] } else { vec![8] });
        });
    }

    #[test]
    fn a_producer_killed_before_the_commit_did_nothing() {
        producer_dies(KillPoint::RingBeforeCommit, false);
    }

    #[test]
    fn a_producer_killed_after_the_commit_did_everything() {
        producer_dies(KillPoint::RingAfterCommit, true);
    }

    /// One of two consumers is killed at the point.
    fn consumer_dies(point: KillPoint, taken: bool) {
        check(move || {
            let world = World::new();
            assert!(world.push(3, 1) && world.push(3, 2));
            let victim = world.clone();
            let victim = thread::spawn(move || {
                let died = until(point, || {
                    victim.pop(1);
                });
                victim.mark(1);
                died
            });
            let mut all: Vec<u64> = world.pop(2).into_iter().collect();
            assert!(victim.join().unwrap());
            all.extend(std::iter::from_fn(|| world.pop(2)));
            assert!(all.is_sorted());
            assert_eq!(all.len(), if taken { 1 } else { 2 });
        });
    }

    #[test]
    fn a_consumer_killed_before_it_retires_leaves_the_message() {
        consumer_dies(KillPoint::RingBeforeRetire, false);
    }

    #[test]
    fn a_consumer_killed_after_it_retired_has_taken_it() {
        consumer_dies(KillPoint::RingAfterRetire, true);
    }
}
