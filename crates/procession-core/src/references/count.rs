//! How many references an object has: a cache of what the records say.

use crate::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// Bits 0..32: how many references there are; bits 32..64: how often that changed.
///
/// Never too low: what is to be a reference is counted before it is one, and until it has ceased to be one. Too high after a
/// death in between, until a sweep corrects it.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Count(AtomicU64);

const CHANGE: u64 = 1 << 32;

impl Count {
    #[cfg(loom)]
    pub(crate) fn new(references: u32) -> Count {
        Count(AtomicU64::new(u64::from(references)))
    }

    /// For an object that nobody knows yet.
    pub(crate) fn set(&self, references: u32) {
        self.0.store(u64::from(references), Relaxed);
    }

    /// One more. Only for one who has a reference.
    pub(crate) fn add(&self) {
        self.0.fetch_add(CHANGE + 1, AcqRel);
    }

    /// One less: true if that was the last.
    pub(crate) fn remove(&self) -> bool {
        // One more change and one reference less.
        self.0.fetch_add(CHANGE - 1, AcqRel) as u32 == 1
    }

    /// The whole word. If it's the same before and after a look at all references, the look saw them all.
    pub(crate) fn snapshot(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// Lowers the number to what a look found, unless the word has changed since the snapshot before it.
    ///
    /// Only if it's too high: then nobody ends the object by releasing, and it's there. Whether it was done.
    pub(crate) fn correct(&self, snapshot: u64, found: u32) -> bool {
        let correct = (snapshot.wrapping_add(CHANGE) & !u64::from(u32::MAX)) | u64::from(found);
        self.0.compare_exchange(snapshot, correct, AcqRel, Relaxed).is_ok()
    }

    /// How many references a snapshot counts.
    pub(crate) fn counted(snapshot: u64) -> u32 {
        snapshot as u32
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        atomic::{AtomicU32, Ordering::Release},
        kill_point::check,
    };
    use loom::{
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicUsize},
        },
        thread,
    };

    const FREE: u32 = 0;
    const RAW: u32 = 1;
    const REFERENCE: u32 = 2;

    /// An object, and the blocks that may be references to it: the steps that `record.rs` and the sweep take.
    struct World {
        count: Count,
        blocks: [AtomicU32; 2],
        is_there: AtomicBool,
        ends: AtomicUsize,
    }

    impl World {
        /// With one reference.
        fn new() -> Arc<World> {
            Arc::new(World {
                count: Count::new(1),
                blocks: [AtomicU32::new(REFERENCE), AtomicU32::new(FREE)],
                is_there: AtomicBool::new(true),
                ends: AtomicUsize::new(0),
            })
        }

        fn add(&self, block: usize) {
            self.blocks[block].store(RAW, Release);
            self.count.add();
            self.blocks[block].store(REFERENCE, Release);
        }

        fn release(&self, block: usize) {
            if self.blocks[block].compare_exchange(REFERENCE, RAW, AcqRel, Relaxed).is_err() {
                return;
            }
            if self.count.remove() {
                self.end();
            }
            self.blocks[block].store(FREE, Release);
        }

        fn sweep(&self) {
            let before = self.count.snapshot();
            let found = self.blocks.iter().any(|block| block.load(Acquire) != FREE);
            if !found && self.count.snapshot() == before {
                self.end();
            }
        }

        fn end(&self) {
            // As the compare-and-swap of the object's state: of all who try, one does it.
            if self.is_there.swap(false, AcqRel) {
                self.ends.fetch_add(1, Relaxed);
            }
        }
    }

    #[test]
    fn no_sweep_ends_what_somebody_has() {
        check(|| {
            let world = World::new();
            let holder = world.clone();
            let holder = thread::spawn(move || {
                // A handle moves on by a new reference.
                holder.add(1);
                holder.release(0);
                assert!(holder.is_there.load(Acquire), "it has the second one");
                holder.add(0);
                holder.release(1);
                assert!(holder.is_there.load(Acquire), "it has the first one again");
            });
            world.sweep();
            holder.join().unwrap();
            world.release(0);
            assert_eq!(world.ends.load(Relaxed), 1);
        });
    }

    #[test]
    fn a_count_that_a_death_left_too_high_is_no_leak_after_a_sweep() {
        check(|| {
            let world = World::new();
            // Somebody was killed after he counted, and his block was freed.
            world.count.add();
            let holder = world.clone();
            let holder = thread::spawn(move || holder.release(0));
            world.sweep();
            holder.join().unwrap();
            world.sweep();
            assert_eq!(world.ends.load(Relaxed), 1);
        });
    }
}
