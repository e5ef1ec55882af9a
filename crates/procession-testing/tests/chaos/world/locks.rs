//! Locks, semaphores, conditions, events, barriers and shared values. What a lock protects is two equal numbers, which differ only while
//! somebody has it, or after the death of one who had.

use super::MOMENT;
use crate::tally::Tally;
use procession::{
    Array, Barrier, BoundedSemaphore, Condition, Event, Mutex, MutexGuard, ReentrantMutex, Result, RwLock,
    Semaphore, Value,
};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Locks {
    pair: Mutex<[u64; 2]>,
    reentrant: ReentrantMutex<[u64; 2]>,
    read_write: RwLock<[u64; 2]>,
    two: Semaphore,
    one: BoundedSemaphore,
    changed: Condition,
    event: Event,
    barrier: Barrier,
    /// Both always equal, also after deaths.
    whole: Value<[u64; 2]>,
    array: Array<u64>,
}

impl Locks {
    pub(crate) fn new() -> Result<Locks> {
        Ok(Locks {
            pair: Mutex::new([0; 2])?,
            reentrant: ReentrantMutex::new([0; 2])?,
            read_write: RwLock::new([0; 2])?,
            two: Semaphore::new(2)?,
            one: BoundedSemaphore::new(1)?,
            changed: Condition::new()?,
            event: Event::new()?,
            barrier: Barrier::new(2)?,
            whole: Value::new([0; 2])?,
            array: Array::new(50)?,
        })
    }

    pub(crate) fn deed(&self, rng: &mut Rng, tally: &mut Tally) {
        match rng.below(10) {
            0 | 1 => self.lock(rng, tally),
            2 => self.lock_twice(tally),
            3 => self.read_or_write(rng, tally),
            4 => self.acquire(tally),
            5 => self.wait_for_a_change(tally),
            6 => {
                tally.forgive(self.event.wait_timeout(MOMENT));
                tally.forgive(self.event.set());
                tally.forgive(self.event.clear());
            }
            7 => match self.barrier.wait_timeout(MOMENT) {
                Err(error) if error.is_broken_barrier() => {
                    tally.forgive(self.barrier.reset());
                }
                passed => {
                    tally.forgive(passed);
                }
            },
            8 => {
                tally.forgive(self.whole.update(|pair| *pair = pair.map(|n| n + 1)));
                let [a, b] = self.whole.get();
                assert_eq!(a, b);
            }
            _ => self.lock_range(rng, tally),
        }
    }

    fn locked_pair(&self, tally: &mut Tally) -> Option<MutexGuard<'_, [u64; 2]>> {
        tally.mended(self.pair.lock(), |pair| {
            pair[1] = pair[0];
            self.pair.clear_poison();
        })
    }

    fn lock(&self, rng: &mut Rng, tally: &mut Tally) {
        let Some(mut pair) = self.locked_pair(tally) else { return };
        assert_eq!(pair[0], pair[1]);
        pair[0] += 1;
        if rng.below(4) == 0 {
            // So that others sleep.
            std::thread::sleep(MOMENT);
        }
        pair[1] += 1;
        tally.forgive(if rng.below(2) == 0 { self.changed.notify_one() } else { self.changed.notify_all() });
    }

    fn wait_for_a_change(&self, tally: &mut Tally) {
        let Some(pair) = self.locked_pair(tally) else { return };
        let seen = *pair;
        match self.changed.wait_for_timeout(pair, MOMENT, |pair| *pair != seen) {
            Ok((pair, has_changed)) => assert_eq!(has_changed, *pair != seen),
            Err(error) => {
                tally.mended(Err(error), |_| ());
            }
        }
    }

    fn lock_twice(&self, tally: &mut Tally) {
        let Some(outer) = tally.mended(self.reentrant.lock(), |pair| {
            pair.set([pair.get()[0]; 2]);
            self.reentrant.clear_poison();
        }) else {
            return;
        };
        let Some(inner) = tally.mended(self.reentrant.lock(), |_| ()) else { return };
        let [a, b] = inner.get();
        assert_eq!(a, b);
        inner.set([a + 1, b]);
        outer.set([a + 1; 2]);
    }

    fn read_or_write(&self, rng: &mut Rng, tally: &mut Tally) {
        if rng.below(2) == 0 {
            match self.read_write.read() {
                Err(poisoned) if poisoned.is_poisoned() => {}
                read => {
                    if let Some(pair) = tally.mended(read, |_| ()) {
                        assert_eq!(pair[0], pair[1]);
                    }
                }
            }
            return;
        }
        let Some(mut pair) = tally.mended(self.read_write.write(), |pair| {
            pair[1] = pair[0];
            self.read_write.clear_poison();
        }) else {
            return;
        };
        assert_eq!(pair[0], pair[1]);
        pair[0] += 1;
        pair[1] += 1;
    }

    fn acquire(&self, tally: &mut Tally) {
        if let Some(_permit) = tally.forgive(self.two.acquire()) {
            assert!(self.two.available() <= 1);
            if let Some(Some(_permit)) = tally.forgive(self.one.acquire_timeout(MOMENT)) {
                assert_eq!(self.one.available(), 0);
            }
        }
    }

    fn lock_range(&self, rng: &mut Rng, tally: &mut Tally) {
        let tenth = rng.below(10) * 5;
        match self.array.lock_range(tenth..tenth + 5) {
            Err(poisoned) if poisoned.is_poisoned() => {
                // Which part was half changed nobody knows.
                drop(poisoned);
                tally.mended(self.array.lock(), |all| {
                    all.chunks_mut(5).for_each(|part| part.fill(part[0]));
                    self.array.clear_poison();
                });
            }
            locked => {
                if let Some(mut part) = tally.mended(locked, |_| ()) {
                    assert!(self.array.is_poisoned() || part.iter().all(|one| *one == part[0]));
                    part.iter_mut().for_each(|one| *one += 1);
                }
            }
        }
    }

    /// Nobody has any of them any more.
    pub(crate) fn check(&self) {
        assert_eq!((self.two.available(), self.one.available()), (2, 1));
        for statistics in [
            self.pair.statistics(),
            self.reentrant.statistics(),
            self.read_write.statistics(),
            self.two.statistics(),
            self.one.statistics(),
            self.array.statistics(),
        ] {
            assert!(statistics.waiters.is_empty(), "{statistics:?}");
        }
        let mut tally = Tally::default();
        let mut rng = Rng::from_seed(1);
        (0..200).for_each(|_| self.deed(&mut rng, &mut tally));
        assert_eq!(tally.memory, 0, "nobody takes memory any more");
    }
}
