//! A semaphore that knows whose each permit is, without a lock: one compare-and-swap takes a permit and names who took it.

use crate::{
    atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    kill_point::kill_point,
};

/// The word:
///
/// | bits 0..31 | bits 31..33 | bits 33..43 | bits 43..64 |
/// |---|---|---|---|
/// | permits that are there | the last operation: none, take, give, clear | whose it was: a slot | which one of that slot it was, cut to 21 bits |
///
/// The last operation is done, but perhaps not entered yet in the ledger of its slot. Whoever comes next enters it first.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(transparent))]
pub(crate) struct RawSemaphore {
    word: AtomicU64,
}

/// For each slot, how many permits its member has (bits 0..31), and how many operations of it are entered (bits 31..64).
pub(crate) type Ledger = [AtomicU64];

/// The most permits that there can be.
pub(crate) const MOST: u32 = (1 << 31) - 1;

const NUMBER_MASK: u64 = (1 << 21) - 1;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    None = 0,
    Take = 1,
    Give = 2,
    /// All that a dead member had.
    Clear = 3,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Word(u64);

impl Word {
    fn new(permits: u32, operation: Operation, slot: usize, number: u64) -> Word {
        Word(
            u64::from(permits.min(MOST))
                | (operation as u64) << 31
                | (slot as u64) << 33
                | (number & NUMBER_MASK) << 43,
        )
    }

    fn permits(self) -> u32 {
        self.0 as u32 & MOST
    }

    fn with_permits(self, permits: u32) -> Word {
        Word(self.0 & !u64::from(MOST) | u64::from(permits.min(MOST)))
    }

    fn operation(self) -> Operation {
        match self.0 >> 31 & 3 {
            1 => Operation::Take,
            2 => Operation::Give,
            3 => Operation::Clear,
            _ => Operation::None,
        }
    }

    fn slot(self) -> usize {
        (self.0 >> 33) as usize & 1023
    }

    fn number(self) -> u64 {
        self.0 >> 43
    }

    /// What the entry of its slot is to be, if the operation isn't entered there.
    fn entered_in(self, entry: u64) -> Option<u64> {
        let missing = self.number().wrapping_sub(entered(entry)) & NUMBER_MASK;
        let held = match self.operation() {
            Operation::None => return None,
            _ if missing == 0 => return None,
            Operation::Take => held(entry).saturating_add(1).min(MOST),
            Operation::Give => held(entry).saturating_sub(1),
            Operation::Clear => 0,
        };
        Some(u64::from(held) | entered(entry).wrapping_add(missing) << 31)
    }
}

fn held(entry: u64) -> u32 {
    entry as u32 & MOST
}

fn entered(entry: u64) -> u64 {
    entry >> 31
}

impl RawSemaphore {
    #[cfg(loom)]
    pub(crate) fn new(permits: u32) -> RawSemaphore {
        RawSemaphore { word: AtomicU64::new(u64::from(permits)) }
    }

    /// For a semaphore that nobody knows yet.
    pub(crate) fn reset(&self, permits: u32) {
        self.word.store(Word::new(permits, Operation::None, 0, 0).0, Relaxed);
    }

    /// How many permits are there.
    pub(crate) fn permits(&self) -> u32 {
        Word(self.word.load(Acquire)).permits()
    }

    /// Takes a permit for the member that has the slot; false if there is none.
    pub(crate) fn take(&self, ledger: &Ledger, slot: usize) -> bool {
        self.change(ledger, slot, |permits, _| Some((permits.checked_sub(1)?, Operation::Take)))
    }

    /// Gives back a permit of that member's.
    pub(crate) fn give(&self, ledger: &Ledger, slot: usize) {
        self.change(ledger, slot, |permits, _| Some((permits + 1, Operation::Give)));
    }

    /// That member has one permit less, and there isn't one more: it's nobody's from now on.
    pub(crate) fn forget(&self, ledger: &Ledger, slot: usize) {
        self.change(ledger, slot, |permits, _| Some((permits, Operation::Give)));
    }

    /// Gives back all permits of the slot's member if `is_dead`, which is asked after they were counted.
    pub(crate) fn clear(&self, ledger: &Ledger, slot: usize, is_dead: impl Fn() -> bool) -> bool {
        self.change(ledger, slot, |permits, held| {
            (held > 0 && is_dead()).then(|| (permits.saturating_add(held), Operation::Clear))
        })
    }

    /// One more permit, that was nobody's: how many there are then. `None` if that, with those that members have, would be
    /// more than `limit`. `used` says how many slots were ever used.
    pub(crate) fn add(&self, ledger: &Ledger, used: impl Fn() -> usize, limit: u32) -> Option<u32> {
        loop {
            let word = self.settle(ledger);
            // Asked after the word was read: whoever had a permit by then is among them.
            let taken: u64 = ledger[..used()].iter().map(|entry| u64::from(held(entry.load(Acquire)))).sum();
            if u64::from(word.permits()) + taken >= u64::from(limit) {
                // Only if it was so at one moment.
                if self.word.load(Acquire) == word.0 {
                    return None;
                }
                continue;
            }
            let next = word.with_permits(word.permits() + 1);
            if self.word.compare_exchange(word.0, next.0, AcqRel, Relaxed).is_ok() {
                return Some(next.permits());
            }
        }
    }

    /// How many permits each slot's member has.
    ///
    /// Only looks: for those who have no reference.
    pub(crate) fn holders<'a>(&self, ledger: &'a Ledger) -> impl Iterator<Item = (usize, u32)> + use<'a> {
        let word = Word(self.word.load(Acquire));
        ledger.iter().enumerate().filter_map(move |(slot, entry)| {
            let mut entry = entry.load(Acquire);
            if slot == word.slot() {
                entry = word.entered_in(entry).unwrap_or(entry);
            }
            (held(entry) > 0).then_some((slot, held(entry)))
        })
    }

    /// Does an operation of the slot's: `next` gives, from the permits that are there and those that the member has, how many
    /// are there afterwards, and what the operation is to the member.
    fn change(
        &self,
        ledger: &Ledger,
        slot: usize,
        next: impl Fn(u32, u32) -> Option<(u32, Operation)>,
    ) -> bool {
        loop {
            let word = self.settle(ledger);
            // As long as the word stays what it is, so does this.
            let entry = ledger[slot].load(Acquire);
            let Some((permits, operation)) = next(word.permits(), held(entry)) else { return false };
            let next = Word::new(permits, operation, slot, entered(entry).wrapping_add(1));
            if self.word.compare_exchange(word.0, next.0, AcqRel, Relaxed).is_ok() {
                kill_point!(SemaphoreAfterChange);
                return true;
            }
        }
    }

    /// Enters the last operation in its ledger, if that hasn't been done: the word that it found.
    fn settle(&self, ledger: &Ledger) -> Word {
        loop {
            let word = Word(self.word.load(Acquire));
            let Some(place) = ledger.get(word.slot()) else { return word };
            let entry = place.load(Acquire);
            let Some(next) = word.entered_in(entry) else { return word };
            // What was read belongs together only if nothing has been done in between.
            if self.word.load(Acquire) != word.0 {
                continue;
            }
            if place.compare_exchange(entry, next, AcqRel, Relaxed).is_ok() {
                kill_point!(SemaphoreAfterEntry);
                return word;
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::kill_point::{KillPoint, check, until};
    use loom::{sync::Arc, thread};

    struct World {
        semaphore: RawSemaphore,
        ledger: [AtomicU64; 3],
    }

    impl World {
        fn new(permits: u32) -> Arc<World> {
            let ledger = std::array::from_fn(|_| AtomicU64::new(0));
            Arc::new(World { semaphore: RawSemaphore::new(permits), ledger })
        }

        fn take(&self, slot: usize) -> bool {
            self.semaphore.take(&self.ledger, slot)
        }

        fn give(&self, slot: usize) {
            self.semaphore.give(&self.ledger, slot);
        }

        fn in_circulation(&self) -> u32 {
            let held: u32 = self.semaphore.holders(&self.ledger).map(|(_, held)| held).sum();
            self.semaphore.permits() + held
        }
    }

    #[test]
    fn no_more_are_taken_than_there_are_and_none_is_lost() {
        check(|| {
            let world = World::new(1);
            let other = world.clone();
            let thread = thread::spawn(move || {
                let taken = other.take(0);
                if taken {
                    other.give(0);
                }
                taken
            });
            let taken = world.take(1);
            let other = thread.join().unwrap();
            assert!(taken || other, "one of them gets it");
            assert_eq!(world.semaphore.permits(), u32::from(!taken));
            assert_eq!(world.in_circulation(), 1);
        });
    }

    #[test]
    fn two_threads_of_a_member_are_both_counted() {
        check(|| {
            let world = World::new(2);
            let other = world.clone();
            let thread = thread::spawn(move || assert!(other.take(1)));
            assert!(world.take(1));
            thread.join().unwrap();
            assert_eq!(world.semaphore.holders(&world.ledger).collect::<Vec<_>>(), [(1, 2)]);
        });
    }

    fn survives(point: KillPoint) {
        check(move || {
            let world = World::new(2);
            let victim = world.clone();
            let victim = thread::spawn(move || {
                let died = until(point, || {
                    if victim.take(0) {
                        victim.give(0);
                    }
                });
                if died {
                    victim.semaphore.clear(&victim.ledger, 0, || true);
                }
            });
            let peer = world.clone();
            let peer = thread::spawn(move || {
                if peer.take(1) {
                    peer.give(1);
                }
            });
            victim.join().unwrap();
            peer.join().unwrap();
            assert_eq!((world.semaphore.permits(), world.in_circulation()), (2, 2));
        });
    }

    #[test]
    fn survives_one_that_has_changed_the_word() {
        survives(KillPoint::SemaphoreAfterChange);
    }

    #[test]
    fn survives_one_that_has_entered_a_change() {
        survives(KillPoint::SemaphoreAfterEntry);
    }

    #[test]
    fn the_permits_of_the_dead_come_back_once() {
        check(|| {
            let world = World::new(1);
            assert!(world.take(0));
            let other = world.clone();
            let thread = thread::spawn(move || other.semaphore.clear(&other.ledger, 0, || true));
            let mine = world.semaphore.clear(&world.ledger, 0, || true);
            assert!(mine != thread.join().unwrap());
            assert_eq!((world.semaphore.permits(), world.in_circulation()), (1, 1));
        });
    }

    /// A member takes a permit whose slot was never used before.
    #[test]
    fn a_bound_holds_when_somebody_joins() {
        check(|| {
            let world = World::new(1);
            let used = Arc::new(AtomicU64::new(1));
            let (other, joined) = (world.clone(), used.clone());
            let thread = thread::spawn(move || {
                joined.fetch_max(2, AcqRel);
                assert!(other.take(1));
            });
            let used = || used.load(Acquire) as usize;
            assert_eq!(world.semaphore.add(&world.ledger, used, 1), None, "it's there or taken");
            thread.join().unwrap();
            assert_eq!(world.in_circulation(), 1);
        });
    }

    #[test]
    fn a_bound_holds() {
        check(|| {
            let world = World::new(1);
            let other = world.clone();
            let thread = thread::spawn(move || {
                if other.take(0) {
                    other.give(0);
                }
            });
            assert_eq!(world.semaphore.add(&world.ledger, || 3, 1), None, "all are there or taken");
            thread.join().unwrap();
            assert_eq!(world.in_circulation(), 1);
        });
    }
}
