//! One slot of the process table: the life cycle of a member, in one word.

use crate::{
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    kill_point::kill_point,
    members::Tag,
};

/// Where a member is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody's.
    Free = 0,
    /// Reserved for a process that has not reached `init()` yet.
    Starting = 1,
    /// A member that has attached.
    Live = 2,
    /// A member that has published its value; only its exit, with code 0, is still to come.
    Exiting = 3,
    /// A member whose end was seen; those who may wait for it are being told.
    Marked = 4,
    /// A member whose end all have been told of; what it held is not swept yet.
    Dead = 5,
}

/// The word:
///
/// | bits 0..4 | bits 4..32 | bits 32..64 |
/// |---|---|---|
/// | `State` (6 and more: impossible) | while `Starting` or `Marked`: the tag of who starts it or tells of it, cut to 28 bits; else 0 | the generation |
///
/// A free slot keeps the generation of its last occupant, so that a late step of a dead one cannot match.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Slot {
    word: AtomicU64,
    /// For people and for opening a pidfd; never trusted as an identity.
    pub(crate) pid: AtomicU32,
    /// Its name, for people: UTF-8, cut to this length, the rest zero.
    name: [AtomicU64; NAME_WORDS],
}

const NAME_WORDS: usize = 8;

#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    fn bits(state: State, agent: Option<Tag>, generation: u32) -> u64 {
        let agent = agent.map_or(0, Tag::short_bits);
        state as u64 | (agent as u64) << 4 | (generation as u64) << 32
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn agent(self) -> u32 {
        (self.0 >> 4) as u32 & Tag::SHORT_MASK
    }

    fn state(self) -> Option<State> {
        Some(match self.0 & 15 {
            0 => State::Free,
            1 => State::Starting,
            2 => State::Live,
            3 => State::Exiting,
            4 => State::Marked,
            5 => State::Dead,
            _ => return None,
        })
    }
}

impl Slot {
    #[cfg(loom)]
    pub(crate) fn new() -> Slot {
        Slot {
            word: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            name: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    fn load(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    /// The generation of the occupant, and where it is in its life; `None` for a word that no member wrote.
    pub(crate) fn read(&self) -> Option<(u32, State)> {
        let word = self.load();
        Some((word.generation(), word.state()?))
    }

    /// Takes a free slot for a new member, on behalf of `starter`.
    pub(crate) fn reserve(&self, generation: u32, starter: Tag) -> bool {
        let word = self.load();
        let next = Word::bits(State::Starting, Some(starter), generation);
        let taken = word.state() == Some(State::Free)
            && self.word.compare_exchange(word.0, next, AcqRel, Relaxed).is_ok();
        if taken {
            kill_point!(SlotAfterReserve);
        }
        taken
    }

    /// The new member says that it has arrived. False when it was given up in the meantime.
    pub(crate) fn attach(&self, generation: u32) -> bool {
        kill_point!(SlotBeforeAttach);
        let attached = self.step(generation, &[State::Starting], State::Live, None);
        kill_point!(SlotAfterAttach);
        attached
    }

    /// The member says that nothing but its exit is to come.
    pub(crate) fn announce_exit(&self, generation: u32) {
        self.step(generation, &[State::Live], State::Exiting, None);
        kill_point!(SlotAfterAnnounce);
    }

    /// Says that the occupant has ended, whatever it was doing. True for the one who said it first: `marker`, who is to tell
    /// the others and then to `finish_marking`.
    pub(crate) fn mark(&self, generation: u32, marker: Tag) -> bool {
        let marked = self.step(
            generation,
            &[State::Starting, State::Live, State::Exiting],
            State::Marked,
            Some(marker),
        );
        if marked {
            kill_point!(SlotAfterMark);
        }
        marked
    }

    /// Says that the occupant will never arrive, on behalf of `starter`, who is to tell the others and then to
    /// `finish_marking`. False if it has arrived, or if somebody else goes on with the start.
    pub(crate) fn give_up(&self, generation: u32, starter: Tag) -> bool {
        let word = |state| Word::bits(state, Some(starter), generation);
        let given_up =
            self.word.compare_exchange(word(State::Starting), word(State::Marked), AcqRel, Relaxed).is_ok();
        if given_up {
            kill_point!(SlotAfterMark);
        }
        given_up
    }

    /// Says that everybody has been told.
    pub(crate) fn finish_marking(&self, generation: u32) {
        self.step(generation, &[State::Marked], State::Dead, None);
    }

    /// The generation of one that is marked by somebody of whom `is_alive` says no.
    pub(crate) fn half_marked(&self, is_alive: impl Fn(u32) -> bool) -> Option<u32> {
        let word = self.load();
        (word.state() == Some(State::Marked) && !is_alive(word.agent())).then(|| word.generation())
    }

    /// Makes the slot free again, once all that its dead occupant held has been swept.
    pub(crate) fn release(&self, generation: u32) {
        self.step(generation, &[State::Dead], State::Free, None);
    }

    /// Somebody else goes on with the start: what was reserved by `from` is reserved by `to` now. False when it was given
    /// up in the meantime.
    pub(crate) fn hand_over(&self, generation: u32, from: Tag, to: Tag) -> bool {
        let reserved = |starter| Word::bits(State::Starting, Some(starter), generation);
        self.word.compare_exchange(reserved(from), reserved(to), AcqRel, Relaxed).is_ok()
    }

    /// The generation of a member that `starter` reserved the slot for and that has not attached.
    pub(crate) fn reserved_by(&self, starter: Tag) -> Option<u32> {
        let word = self.load();
        (word.state() == Some(State::Starting) && word.agent() == starter.short_bits())
            .then(|| word.generation())
    }

    fn step(&self, generation: u32, from: &[State], to: State, agent: Option<Tag>) -> bool {
        let mut word = self.load();
        loop {
            if word.generation() != generation || !word.state().is_some_and(|s| from.contains(&s)) {
                return false;
            }
            match self.word.compare_exchange(word.0, Word::bits(to, agent, generation), AcqRel, Acquire) {
                Ok(_) => return true,
                Err(now) => word = Word(now),
            }
        }
    }

    pub(crate) fn set_name(&self, name: &str) {
        let mut bytes = [0; NAME_WORDS * 8];
        let len = name.floor_char_boundary(bytes.len());
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        for (word, bytes) in self.name.iter().zip(bytes.as_chunks().0) {
            word.store(u64::from_le_bytes(*bytes), Relaxed);
        }
    }

    pub(crate) fn name(&self) -> String {
        let bytes: Vec<u8> = self.name.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect();
        String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_string()
    }

    /// Before `attach`, so that whoever sees the member live sees its process id.
    pub(crate) fn set_pid(&self, pid: u32) {
        self.pid.store(pid, Release);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        kill_point::{KillPoint, check, until},
        members::Owner,
    };
    use loom::{
        sync::{Arc, atomic::AtomicUsize},
        thread,
    };

    fn tag(slot: usize) -> Tag {
        Owner::new(slot, 1).unwrap().tag()
    }

    #[test]
    fn a_slot_is_reserved_once() {
        check(|| {
            let slot = Arc::new(Slot::new());
            let other = slot.clone();
            let thread = thread::spawn(move || other.reserve(1, tag(1)));
            let mine = slot.reserve(2, tag(2));
            assert!(mine != thread.join().unwrap(), "exactly one has it");
        });
    }

    #[test]
    fn given_up_or_attached_but_not_both_and_swept_once() {
        check(|| {
            let slot = Arc::new(Slot::new());
            assert!(slot.reserve(7, tag(1)));
            let child = slot.clone();
            let child = thread::spawn(move || child.attach(7));
            // The monitor gives up (a deadline); the child may arrive at that moment.
            assert!(slot.mark(7, tag(2)));
            child.join().unwrap();
            slot.finish_marking(7);
            assert_eq!(slot.read(), Some((7, State::Dead)));
            slot.release(7);
            assert!(slot.reserve(8, tag(1)));
            slot.release(7);
            assert!(!slot.mark(7, tag(2)), "a late step of an old occupant does nothing");
            assert_eq!(slot.read(), Some((8, State::Starting)));
        });
    }

    #[test]
    fn a_death_is_marked_once_and_a_reuse_waits_for_the_release() {
        check(|| {
            let slot = Arc::new(Slot::new());
            let marks = Arc::new(AtomicUsize::new(0));
            assert!(slot.reserve(1, tag(1)));
            let child = slot.clone();
            let child = thread::spawn(move || {
                until(KillPoint::SlotAfterAttach, || {
                    child.attach(1);
                })
            });
            let (monitor, counted) = (slot.clone(), marks.clone());
            let monitor = thread::spawn(move || {
                counted.fetch_add(monitor.mark(1, tag(2)) as usize, Relaxed);
            });
            marks.fetch_add(slot.mark(1, tag(3)) as usize, Relaxed);
            assert!(!slot.reserve(2, tag(1)), "dead, not free");
            child.join().unwrap();
            monitor.join().unwrap();
            assert_eq!(marks.load(Relaxed), 1);
        });
    }

    #[test]
    fn the_slot_of_a_killed_starter_is_found() {
        check(|| {
            let slot = Arc::new(Slot::new());
            let starter = slot.clone();
            let starter = thread::spawn(move || {
                assert!(until(KillPoint::SlotAfterReserve, || {
                    starter.reserve(3, tag(5));
                }));
            });
            starter.join().unwrap();
            assert_eq!(slot.reserved_by(tag(5)), Some(3));
            assert_eq!(slot.reserved_by(tag(6)), None);
        });
    }

    #[test]
    fn what_is_handed_over_is_given_up_by_one_of_the_two() {
        check(|| {
            let slot = Arc::new(Slot::new());
            assert!(slot.reserve(3, tag(5)));
            let root = slot.clone();
            let root = thread::spawn(move || root.hand_over(3, tag(5), tag(0)));
            // The sweep after the starter's death.
            let found = slot.reserved_by(tag(5));
            let given_up = found.is_some_and(|generation| slot.give_up(generation, tag(5)));
            let handed_over = root.join().unwrap();
            assert!(handed_over != given_up, "one of the two, and never both");
            assert_eq!(slot.reserved_by(tag(0)).is_some(), handed_over);
        });
    }
}
