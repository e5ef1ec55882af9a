//! A barrier: so many threads wait until all are there. A death breaks it.

use super::EventCount;
use crate::{
    atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    kill_point::kill_point,
};

/// The word:
///
/// | bits 0..31 | bit 31 | bits 32..64 |
/// |---|---|---|
/// | how many have come | broken: nobody passes any more in this generation | the generation |
#[derive(Debug)]
#[repr(C)]
pub(crate) struct RawBarrier {
    word: AtomicU64,
    /// For those who are slow to look: generations (+ 1) that were broken and then reset, each in the place that its number
    /// says. All others ended because all had come.
    broken: [AtomicU64; REMEMBERED],
    change: EventCount,
}

/// After so many generations one who still waits may be told that its own was broken though it wasn't.
const REMEMBERED: usize = 32;
const BROKEN: u64 = 1 << 31;
const ARRIVED_MASK: u64 = BROKEN - 1;

/// The most threads that a barrier can wait for.
pub(crate) const MOST: u32 = ARRIVED_MASK as u32;

/// The barrier was broken while one waited, or before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

fn arrived(word: u64) -> u64 {
    word & ARRIVED_MASK
}

fn generation(word: u64) -> u64 {
    word >> 32
}

fn next_generation(word: u64) -> u64 {
    (generation(word) + 1) << 32
}

impl RawBarrier {
    /// For a barrier that nobody knows yet.
    pub(crate) fn init(&self) {
        self.word.store(0, Relaxed);
        self.broken.iter().for_each(|place| place.store(0, Relaxed));
    }

    /// Comes to the barrier: the generation, and how many had come before. The last of `parties` ends the generation.
    pub(crate) fn arrive(&self, parties: u32) -> Result<(u64, u32), Broken> {
        let mut word = self.word.load(Acquire);
        loop {
            if word & BROKEN != 0 {
                return Err(Broken);
            }
            let is_last = arrived(word) + 1 >= u64::from(parties);
            let next = if is_last { next_generation(word) } else { word + 1 };
            match self.word.compare_exchange(word, next, AcqRel, Acquire) {
                Ok(_) => {
                    kill_point!(BarrierAfterArrive);
                    if is_last {
                        self.change.notify();
                    }
                    return Ok((generation(word), arrived(word) as u32));
                }
                Err(now) => word = now,
            }
        }
    }

    /// How a generation ended, if it has.
    pub(crate) fn outcome(&self, waited_for: u64) -> Option<Result<(), Broken>> {
        let word = self.word.load(Acquire);
        if generation(word) == waited_for {
            return (word & BROKEN != 0).then_some(Err(Broken));
        }
        let place = &self.broken[waited_for as usize % REMEMBERED];
        // A later one in the same place: whoever waited for so long is told the worse.
        Some(if place.load(Acquire) > waited_for { Err(Broken) } else { Ok(()) })
    }

    /// Where those who wait sleep.
    pub(crate) fn change(&self) -> &EventCount {
        &self.change
    }

    /// Breaks the barrier, if `which` is its generation (or whichever that is).
    pub(crate) fn break_it(&self, which: Option<u64>) {
        let break_it =
            |word: u64| which.is_none_or(|which| which == generation(word)).then_some(word | BROKEN);
        if self.word.fetch_update(AcqRel, Acquire, break_it).is_ok() {
            kill_point!(BarrierAfterBreak);
        }
        self.change.notify();
    }

    /// A member that had the barrier has died: breaks it, and wakes everybody.
    pub(crate) fn mark(&self) {
        self.word.fetch_or(BROKEN, AcqRel);
        self.change.broadcast();
    }

    /// Makes it as new; those who wait get `Broken`.
    pub(crate) fn reset(&self) {
        let mut word = self.word.load(Acquire);
        if word & BROKEN == 0 && arrived(word) == 0 {
            return;
        }
        let this = generation(word);
        while generation(word) == this {
            let next = if word & BROKEN == 0 {
                // From then on it's settled that this generation doesn't go well.
                word | BROKEN
            } else {
                self.broken[this as usize % REMEMBERED].fetch_max(this + 1, AcqRel);
                kill_point!(BarrierBeforeReset);
                next_generation(word)
            };
            word = match self.word.compare_exchange(word, next, AcqRel, Acquire) {
                Ok(_) => next,
                Err(now) => now,
            };
        }
        self.change.notify();
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> u32 {
        arrived(self.word.load(Acquire)) as u32
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.word.load(Acquire) & BROKEN != 0
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        kill_point::{KillPoint, check, until},
        sys::clock::Deadline,
    };
    use loom::{sync::Arc, thread};

    fn barrier() -> Arc<RawBarrier> {
        let broken = std::array::from_fn(|_| AtomicU64::new(0));
        Arc::new(RawBarrier { word: AtomicU64::new(0), broken, change: EventCount::new() })
    }

    fn wait(barrier: &RawBarrier, parties: u32) -> Result<u32, Broken> {
        let (generation, before) = barrier.arrive(parties)?;
        let outcome = barrier.change().wait_until(Deadline::NEVER, || barrier.outcome(generation));
        outcome.unwrap().map(|()| before)
    }

    #[test]
    fn all_pass_together_each_with_a_number_of_its_own() {
        check(|| {
            let barrier = barrier();
            let other = barrier.clone();
            let thread = thread::spawn(move || wait(&other, 2).unwrap());
            let mine = wait(&barrier, 2).unwrap();
            assert_eq!(mine + thread.join().unwrap(), 1);
        });
    }

    #[test]
    fn a_generation_ends_in_one_way_for_all() {
        check(|| {
            let barrier = barrier();
            let (first, second) = (barrier.clone(), barrier.clone());
            let first = thread::spawn(move || wait(&first, 2));
            let second = thread::spawn(move || wait(&second, 2));
            barrier.break_it(None);
            let (first, second) = (first.join().unwrap(), second.join().unwrap());
            assert_eq!(first.is_ok(), second.is_ok());
        });
    }

    #[test]
    fn who_waits_learns_of_a_reset() {
        check(|| {
            let barrier = barrier();
            let other = barrier.clone();
            let thread = thread::spawn(move || wait(&other, 2));
            barrier.reset();
            // Either it had come and is turned away, or it came afterwards and this is the second.
            if barrier.word.load(Acquire) == 0 {
                wait(&barrier, 2).unwrap();
                thread.join().unwrap().unwrap();
            } else {
                thread.join().unwrap().unwrap_err();
            }
            assert!(!barrier.is_broken());
        });
    }

    /// One dies on its way; the mark breaks the barrier, unless it was the last to come.
    fn survives(point: KillPoint) {
        check(move || {
            let barrier = barrier();
            let victim = barrier.clone();
            let victim = thread::spawn(move || {
                let died = until(point, || {
                    let _ = wait(&victim, 2);
                });
                if died {
                    victim.mark();
                }
            });
            let _ = wait(&barrier, 2);
            victim.join().unwrap();
        });
    }

    #[test]
    fn survives_one_that_came() {
        survives(KillPoint::BarrierAfterArrive);
    }

    #[test]
    fn survives_one_about_to_sleep() {
        survives(KillPoint::EventCountBeforeSleep);
    }

    #[test]
    fn survives_one_that_broke_it() {
        check(|| {
            let barrier = barrier();
            let victim = barrier.clone();
            let victim = thread::spawn(move || {
                if until(KillPoint::BarrierAfterBreak, || victim.break_it(None)) {
                    victim.mark();
                }
            });
            wait(&barrier, 2).unwrap_err();
            victim.join().unwrap();
        });
    }

    #[test]
    fn survives_one_that_resets_it() {
        check(|| {
            let barrier = barrier();
            let victim = barrier.clone();
            let (generation, _) = barrier.arrive(2).unwrap();
            let victim = thread::spawn(move || {
                if until(KillPoint::BarrierBeforeReset, || victim.reset()) {
                    victim.mark();
                }
            });
            let outcome = barrier.change().wait_until(Deadline::NEVER, || barrier.outcome(generation));
            assert_eq!(outcome, Some(Err(Broken)));
            victim.join().unwrap();
        });
    }
}
