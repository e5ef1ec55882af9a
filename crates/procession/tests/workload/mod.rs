//! One of everything that processes share, and work on it that dies anywhere: for the tests that kill.

mod collections;
mod managers;
mod parcel;
mod streams;

use collections::Collections;
use managers::Managers;
use procession::{
    Array, Barrier, BoundedSemaphore, Condition, Event, LockError, Mutex, OnceValue, ReentrantMutex, RwLock,
    Semaphore, Value,
};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use streams::Streams;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Everything {
    /// Always equal, unless poisoned.
    pair: Mutex<[u64; 2]>,
    reentrant: ReentrantMutex<[u64; 2]>,
    read_write: RwLock<[u64; 2]>,
    two: Semaphore,
    bounded: BoundedSemaphore,
    /// Tokens that go round.
    tokens: Semaphore,
    state: Mutex<u64>,
    changed: Condition,
    event: Event,
    barrier: Barrier,
    /// How many passed the barrier as its leader, and as the other one.
    passed: [Value<u64>; 2],
    once: OnceValue<u64>,
    small: Value<u64>,
    /// All three always equal.
    whole: Value<[u64; 3]>,
    /// Each tenth always equal, unless poisoned.
    array: Array<u64>,
    streams: Streams,
    collections: Collections,
    managers: Managers,
}

const MOMENT: Duration = Duration::from_micros(300);

/// The guard of a lock, made good if somebody died with it.
fn mended<G>(locked: Result<G, LockError<G>>, mend: impl FnOnce(&mut G)) -> G {
    locked.unwrap_or_else(|e| {
        let mut guard = e.into_inner();
        mend(&mut guard);
        guard
    })
}

impl Everything {
    pub(crate) fn new() -> Everything {
        let make = || -> procession::Result<Everything> {
            Ok(Everything {
                pair: Mutex::new([0; 2])?,
                reentrant: ReentrantMutex::new([0; 2])?,
                read_write: RwLock::new([0; 2])?,
                two: Semaphore::new(2)?,
                bounded: BoundedSemaphore::new(1)?,
                tokens: Semaphore::new(0)?,
                state: Mutex::new(0)?,
                changed: Condition::new()?,
                event: Event::new()?,
                barrier: Barrier::new(2)?,
                passed: [Value::new(0)?, Value::new(0)?],
                once: OnceValue::new()?,
                small: Value::new(0)?,
                whole: Value::new([0; 3])?,
                array: Array::new(100)?,
                streams: Streams::new(),
                collections: Collections::new(),
                managers: Managers::new(),
            })
        };
        make().unwrap()
    }

    /// Does so many things.
    pub(crate) fn work(&self, seed: u64, rounds: usize) {
        let mut rng = Rng::from_seed(seed);
        for _ in 0..rounds {
            self.round(&mut rng);
        }
    }

    /// Does one thing, whichever it is.
    fn round(&self, rng: &mut Rng) {
        match rng.below(26) {
            12..18 => self.streams.round(rng),
            18..24 => self.collections.round(rng),
            24.. => self.managers.round(rng),
            0 => {
                let mut pair = mended(self.pair.lock(), |pair| {
                    pair[1] = pair[0];
                    self.pair.clear_poison();
                });
                assert_eq!(pair[0], pair[1]);
                pair[0] += 1;
                if rng.below(4) == 0 {
                    // So that others sleep.
                    std::thread::sleep(MOMENT);
                }
                pair[1] += 1;
            }
            1 => {
                let outer = mended(self.reentrant.lock(), |pair| {
                    pair.set([pair.get()[0]; 2]);
                    self.reentrant.clear_poison();
                });
                let inner = mended(self.reentrant.lock(), |_| ());
                assert_eq!(inner.get()[0], inner.get()[1]);
                inner.set([outer.get()[0] + 1, outer.get()[1]]);
                outer.set([outer.get()[0]; 2]);
            }
            2 => {
                let mut pair = mended(self.read_write.write(), |pair| {
                    pair[1] = pair[0];
                    self.read_write.clear_poison();
                });
                assert_eq!(pair[0], pair[1]);
                pair[0] += 1;
                pair[1] += 1;
            }
            3 => match self.read_write.read() {
                Ok(pair) => assert_eq!(pair[0], pair[1]),
                Err(e) => assert!(e.is_poisoned()),
            },
            4 => {
                let permit = self.two.acquire().unwrap();
                assert!(self.two.available() <= 1);
                drop(permit);
                if let Some(permit) = self.bounded.acquire_timeout(MOMENT).unwrap() {
                    assert_eq!(self.bounded.available(), 0);
                    assert!(self.bounded.release().unwrap_err().is_not_held());
                    drop(permit);
                }
            }
            5 => {
                self.tokens.release().unwrap();
                if let Some(token) = self.tokens.acquire_timeout(MOMENT).unwrap() {
                    token.forget();
                }
            }
            6 => {
                let state = mended(self.state.lock(), |_| self.state.clear_poison());
                let seen = *state;
                match self.changed.wait_for_timeout(state, MOMENT, |state| *state != seen) {
                    Ok((state, changed)) => assert!(changed == (*state != seen)),
                    Err(e) => assert!(e.is_poisoned()),
                }
            }
            7 => {
                *mended(self.state.lock(), |_| self.state.clear_poison()) += 1;
                if rng.below(2) == 0 {
                    self.changed.notify_one().unwrap();
                } else {
                    self.changed.notify_all().unwrap();
                }
            }
            8 => {
                self.event.wait_timeout(MOMENT).unwrap();
                self.event.set().unwrap();
                self.event.clear().unwrap();
            }
            9 => match self.barrier.wait_timeout(MOMENT) {
                Ok(passed) => assert!(self.passed[passed.index() as usize].fetch_add(1).unwrap() < u64::MAX),
                Err(e) => {
                    assert!(e.is_broken_barrier(), "{e}");
                    if rng.below(4) == 0 {
                        self.barrier.abort().unwrap();
                    }
                    self.barrier.reset().unwrap();
                }
            },
            10 => {
                let first = *self.once.get_or_init(|| 7).unwrap();
                assert_eq!(first, 7);
                self.small.fetch_add(1).unwrap();
                self.whole.update(|all| all.iter_mut().for_each(|one| *one += 1)).unwrap();
                let [a, b, c] = self.whole.get();
                assert!(a == b && b == c);
            }
            _ => {
                let tenth = rng.below(10) * 10;
                let mut part = match self.array.lock_range(tenth..tenth + 10) {
                    Ok(part) => part,
                    Err(e) => {
                        // Which part was half changed nobody knows.
                        drop(e);
                        let mut all = self.array.lock().unwrap_or_else(|e| e.into_inner());
                        all.chunks_mut(10).for_each(|tenth| tenth.fill(tenth[0]));
                        self.array.clear_poison();
                        return;
                    }
                };
                assert!(self.array.is_poisoned() || part.iter().all(|one| *one == part[0]));
                part.iter_mut().for_each(|one| *one += 1);
            }
        }
    }

    /// How much was done.
    pub(crate) fn summary(&self) -> String {
        let pair = self.pair.lock().unwrap_or_else(|e| e.into_inner())[0];
        let [leaders, others] = [0, 1].map(|i| self.passed[i].load());
        let added = self.small.load();
        format!(
            "{pair} times the lock, {leaders} and {others} times through the barrier, {added} values changed"
        )
    }

    /// What must be true when nobody uses it any more, after so many deaths.
    pub(crate) fn check(&self, deaths: u64) {
        procession_core::sweep().unwrap();
        assert_eq!((self.two.available(), self.bounded.available()), (2, 1));
        for statistics in [
            self.pair.statistics(),
            self.reentrant.statistics(),
            self.read_write.statistics(),
            self.two.statistics(),
            self.bounded.statistics(),
            self.array.statistics(),
        ] {
            // A lock that nobody wanted since its holder died still names it.
            assert!(statistics.waiters.is_empty(), "{statistics:?}");
        }
        let (leaders, others) = (self.passed[0].load(), self.passed[1].load());
        assert!(leaders.abs_diff(others) <= deaths, "{leaders} led, {others} followed, {deaths} deaths");
        // And everything still works.
        self.work(7, 200);
        self.streams.check();
        self.collections.check();
        let [a, b] = *self.pair.lock().unwrap_or_else(|e| e.into_inner());
        assert!(a == b || self.pair.is_poisoned());
    }
}
