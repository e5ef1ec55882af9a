//! The version of what is changed by single stores under a lock, for those who read it without.
//!
//! A sequence lock without the odd numbers: since each change is one store, there is no time at which what is there is wrong, and one
//! who is killed in between leaves nothing behind that readers would wait for. (Lamport, "Concurrent reading and writing", 1977.)

use crate::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
    fence,
};

/// Higher after each change.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Version(AtomicU64);

/// Higher after the death of any process that may have made changes. It may have made its last one without saying so; and then what that
/// took out is swept and used anew, perhaps before anybody takes its lock over.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Deaths(AtomicU32);

impl Version {
    #[cfg(loom)]
    pub(crate) fn new() -> Version {
        Version(AtomicU64::new(0))
    }

    /// How many changes there were.
    #[inline(always)]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// What `look` sees, if nothing was changed meanwhile. If something was, it may have seen anything.
    #[inline]
    pub(crate) fn observe<R>(&self, deaths: &Deaths, look: impl FnOnce() -> R) -> Option<R> {
        let before = (deaths.0.load(Acquire), self.get());
        let seen = look();
        fence(Acquire);
        ((deaths.0.load(Relaxed), self.0.load(Relaxed)) == before).then_some(seen)
    }

    /// Says that something has changed. What the change has made free may be written over after this. Only for who has the lock.
    #[inline]
    pub(crate) fn raise(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Release);
        // Whoever sees anything that is written after this sees the version as well.
        fence(Release);
    }
}

impl Deaths {
    #[cfg(loom)]
    pub(crate) fn new() -> Deaths {
        Deaths(AtomicU32::new(0))
    }

    /// Before anything of the dead one's is swept.
    pub(crate) fn raise(&self) {
        self.0.fetch_add(1, AcqRel);
        fence(Release);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        kill_point::check,
        sync::{
            Locked, RawMutex,
            model::{Dead, tag},
        },
        sys::clock::Deadline,
    };
    use loom::{sync::Arc, thread};

    /// What is read lies in one of three blocks, of two words that are the same.
    struct World {
        lock: RawMutex,
        version: Version,
        deaths: Deaths,
        named: AtomicU32,
        blocks: [[AtomicU32; 2]; 3],
        dead: Dead,
    }

    impl World {
        fn new() -> Arc<World> {
            let block = |value| [AtomicU32::new(value), AtomicU32::new(value)];
            Arc::new(World {
                lock: RawMutex::new(),
                version: Version::new(),
                deaths: Deaths::new(),
                named: AtomicU32::new(0),
                blocks: [block(1), block(2), block(3)],
                dead: Dead::nobody(),
            })
        }

        /// Names the next block, which is read from then on.
        fn change(&self) {
            self.named.store(self.named.load(Relaxed) + 1, Release);
        }

        /// Somebody else has the block by now.
        fn reuse(&self, block: usize) {
            for (word, value) in self.blocks[block].iter().zip([70, 71]) {
                word.store(value, Relaxed);
            }
        }

        fn read(&self) -> u32 {
            loop {
                let look = || {
                    let block = &self.blocks[self.named.load(Acquire) as usize];
                    [block[0].load(Relaxed), block[1].load(Relaxed)]
                };
                if let Some([a, b]) = self.version.observe(&self.deaths, look) {
                    assert_eq!(a, b, "of one time");
                    return a;
                }
                thread::yield_now();
            }
        }
    }

    /// A holder dies after a change of which it doesn't say anything; what it took out is swept and used anew, perhaps before
    /// anybody takes the lock over, who makes another change.
    #[test]
    fn what_the_dead_took_out_is_not_read() {
        check(|| {
            let world = World::new();
            assert!(world.lock.try_lock_clean(tag(1)).is_some());
            let (family, heir) = (world.clone(), world.clone());
            let family = thread::spawn(move || {
                family.change();
                family.dead.set(tag(1));
                family.deaths.raise();
                family.lock.mark(tag(1));
                family.reuse(0);
            });
            let heir = thread::spawn(move || {
                let how = heir.lock.lock(tag(2), &heir.dead, Deadline::NEVER);
                assert_eq!(how, Some(Locked::Recovered));
                heir.version.raise();
                heir.change();
                heir.version.raise();
                heir.lock.unlock();
                heir.reuse(1);
            });
            let first = world.read();
            assert!(world.read() >= first, "never back");
            family.join().unwrap();
            heir.join().unwrap();
        });
    }
}
