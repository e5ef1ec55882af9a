//! The two cursors of a ring: who may touch which part of it.

use crate::{
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::{Error, Result},
    kill_point::kill_point,
};

/// The shared part of a ring: how much was ever written and read. Each on a pair of cache lines of its own.
///
/// | | written by | means |
/// |---|---|---|
/// | `tail` | producer | bytes before it are committed: this store is the commit |
/// | `head` | consumer | bytes before it are retired, and the producer's again |
///
/// `tail - head` is at most the capacity; anything else was not written by a correct member.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Ring {
    tail: Line,
    head: Line,
}

#[derive(Debug)]
#[repr(C, align(128))]
struct Line(AtomicU64);

impl Ring {
    #[cfg(test)]
    pub(super) fn new() -> Ring {
        Ring { tail: Line(AtomicU64::new(0)), head: Line(AtomicU64::new(0)) }
    }

    /// What a scribbler may do.
    #[cfg(all(test, not(loom)))]
    pub(super) fn set(&self, tail: u64, head: u64) {
        self.tail.0.store(tail, Relaxed);
        self.head.0.store(head, Relaxed);
    }

    /// For a block that has been used before.
    pub(crate) fn reset(&self) {
        self.tail.0.store(0, Relaxed);
        self.head.0.store(0, Relaxed);
    }

    /// Where both cursors stand, for one who is neither side; checked.
    pub(crate) fn committed(&self, capacity: usize) -> Result<(u64, u64)> {
        let head = self.head.0.load(Acquire);
        let tail = self.tail.0.load(Acquire);
        check(head, tail, capacity)?;
        Ok((head, tail))
    }
}

fn check(head: u64, tail: u64, capacity: usize) -> Result<()> {
    if tail.wrapping_sub(head) > capacity as u64 || tail % 8 != 0 || head % 8 != 0 {
        return Err(Error::corrupted(format_args!(
            "a ring of {capacity} bytes has cursors {head} and {tail}"
        )));
    }
    Ok(())
}

/// The producer's side. Its own position is private: what the shared word says later is not believed.
#[derive(Debug)]
pub(super) struct Tail {
    at: u64,
    head_seen: u64,
}

impl Tail {
    pub(super) fn new() -> Tail {
        Tail { at: 0, head_seen: 0 }
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Whether `len` more bytes fit.
    #[inline]
    pub(super) fn has_room(&mut self, ring: &Ring, capacity: usize, len: usize) -> Result<bool> {
        let most = (capacity as u64).saturating_sub(len as u64);
        if len <= capacity && self.in_use_at_most() <= most {
            return Ok(true);
        }
        self.look(ring, capacity)?;
        Ok(len <= capacity && self.in_use_at_most() <= most)
    }

    /// How many bytes are written and not retired, or were when that was last looked at.
    #[inline]
    pub(super) fn in_use_at_most(&self) -> u64 {
        self.at.wrapping_sub(self.head_seen)
    }

    /// Looks how far the consumer has come.
    pub(super) fn look(&mut self, ring: &Ring, capacity: usize) -> Result<()> {
        let head = ring.head.0.load(Acquire);
        check(head, self.at, capacity)?;
        self.head_seen = head;
        Ok(())
    }

    /// Commits `len` bytes with one store.
    pub(super) fn commit(&mut self, ring: &Ring, len: usize) {
        self.at = self.at.wrapping_add(len as u64);
        kill_point!(RingBeforeCommit);
        ring.tail.0.store(self.at, Release);
        kill_point!(RingAfterCommit);
    }
}

/// The consumer's side.
#[derive(Debug)]
pub(super) struct Head {
    at: u64,
}

impl Head {
    pub(super) fn new() -> Head {
        Head { at: 0 }
    }

    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// How many committed bytes there are to read.
    pub(super) fn available(&self, ring: &Ring, capacity: usize) -> Result<usize> {
        let tail = ring.tail.0.load(Acquire);
        check(self.at, tail, capacity)?;
        Ok(tail.wrapping_sub(self.at) as usize)
    }

    /// Gives `len` bytes back to the producer with one store.
    pub(super) fn retire(&mut self, ring: &Ring, len: usize) {
        self.at = self.at.wrapping_add(len as u64);
        kill_point!(RingBeforeRetire);
        ring.head.0.store(self.at, Release);
        kill_point!(RingAfterRetire);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::kill_point::{KillPoint, check, until};
    use loom::{cell::UnsafeCell, sync::Arc, thread};

    const CAPACITY: usize = 16;

    /// A ring of two cells of eight bytes each; loom reports any access to a cell that isn't exclusive.
    struct World {
        ring: Ring,
        cells: [UnsafeCell<u64>; 2],
    }

    impl World {
        fn new() -> Arc<World> {
            Arc::new(World { ring: Ring::new(), cells: [UnsafeCell::new(0), UnsafeCell::new(0)] })
        }

        fn push(&self, tail: &mut Tail, value: u64) -> bool {
            if !tail.has_room(&self.ring, CAPACITY, 8).unwrap() {
                return false;
            }
            let cell = &self.cells[tail.at() as usize / 8 % 2];
            // SAFETY: bounds: one cell. Aliasing: the producer's until the commit, which loom checks. Lifetime: shared.
            cell.with_mut(|v| unsafe { *v = value });
            tail.commit(&self.ring, 8);
            true
        }

        fn pop(&self, head: &mut Head) -> Option<u64> {
            if head.available(&self.ring, CAPACITY).unwrap() == 0 {
                return None;
            }
            let cell = &self.cells[head.at() as usize / 8 % 2];
            // SAFETY: bounds: one cell. Aliasing: the consumer's until it's retired. Lifetime: shared.
            let value = cell.with(|v| unsafe { *v });
            head.retire(&self.ring, 8);
            Some(value)
        }
    }

    #[test]
    fn values_arrive_whole_and_in_order() {
        check(|| {
            let world = World::new();
            let producer = world.clone();
            let producer = thread::spawn(move || {
                let mut tail = Tail::new();
                (1..=3).take_while(|i| producer.push(&mut tail, *i)).count()
            });
            let mut head = Head::new();
            let mut seen: Vec<u64> = (0..2).filter_map(|_| world.pop(&mut head)).collect();
            let pushed = producer.join().unwrap();
            seen.extend(std::iter::from_fn(|| world.pop(&mut head)));
            assert_eq!(seen, (1..=pushed as u64).collect::<Vec<_>>());
        });
    }

    /// The producer is killed at the point; what it committed, and nothing else, is read.
    fn producer_dies(point: KillPoint, survives: u64) {
        check(move || {
            let world = World::new();
            let producer = world.clone();
            let producer = thread::spawn(move || {
                let mut tail = Tail::new();
                assert!(until(point, || {
                    producer.push(&mut tail, 7);
                }));
            });
            let mut head = Head::new();
            let early = world.pop(&mut head);
            producer.join().unwrap();
            let late = world.pop(&mut head);
            assert_eq!(early.or(late), (survives == 1).then_some(7));
            assert!(early.is_none() || late.is_none(), "not twice");
        });
    }

    #[test]
    fn a_producer_killed_before_the_commit_did_nothing() {
        producer_dies(KillPoint::RingBeforeCommit, 0);
    }

    #[test]
    fn a_producer_killed_after_the_commit_did_everything() {
        producer_dies(KillPoint::RingAfterCommit, 1);
    }

    /// The consumer is killed at the point; the producer's view stays consistent.
    fn consumer_dies(point: KillPoint, retired: u64) {
        check(move || {
            let world = World::new();
            let mut tail = Tail::new();
            assert!(world.push(&mut tail, 1) && world.push(&mut tail, 2));
            let consumer = world.clone();
            let consumer = thread::spawn(move || {
                let mut head = Head::new();
                assert!(until(point, || {
                    consumer.pop(&mut head);
                }));
            });
            let early = world.push(&mut tail, 3);
            consumer.join().unwrap();
            let late = early || world.push(&mut tail, 3);
            assert_eq!(late, retired == 1);
            assert_eq!(world.ring.committed(CAPACITY).unwrap().0, 8 * retired);
        });
    }

    #[test]
    fn a_consumer_killed_before_it_retires_leaves_the_frame() {
        consumer_dies(KillPoint::RingBeforeRetire, 0);
    }

    #[test]
    fn a_consumer_killed_after_it_retired_has_taken_it() {
        consumer_dies(KillPoint::RingAfterRetire, 1);
    }
}
