//! Entries that one worker at a time changes, among those of the others. What each step does follows from its number; so the next
//! worker knows exactly how they must be.

use procession::{Dict, List, Value};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};

/// So many keys in the dictionary that all have, and so many in that of the slot.
const KEYS: usize = 12;

/// What a step leaves in an entry: it says which one it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    step: u64,
    bytes: Vec<u8>,
    list: Option<List<u64>>,
}

impl Entry {
    /// Mostly short; some in blocks of their own, some of 40 KB, some with a handle.
    fn of(step: u64) -> Entry {
        let size = match step % 16 {
            n @ 0..10 => n * 5,
            n @ 10..13 => n * 100,
            13 => 5000,
            _ => step % 64 * 700,
        };
        let list = (step % 7 == 3).then(|| {
            let list = List::new().unwrap();
            list.push(&step).unwrap();
            list
        });
        Entry { step, bytes: vec![step as u8; size as usize], list }
    }

    /// It's that of its step, wholly.
    fn check(self) -> u64 {
        let expected = Entry::of(self.step);
        assert!(self.bytes == expected.bytes, "{} bytes of step {}", self.bytes.len(), self.step);
        let list = self.list.map(|list| list.iter().unwrap().collect::<Vec<_>>());
        assert_eq!(list, (self.step % 7 == 3).then(|| vec![self.step]));
        self.step
    }
}

/// Of each key, the step that left what is there.
type State = [Option<u64>; 2 * KEYS];

#[derive(Debug)]
enum What {
    Insert,
    Remove,
    Update,
    /// The keys that come behind it are set, and each third removed.
    Transaction(usize),
    /// Those are inserted, one after the other.
    Extend(usize),
    /// Of the slot's own: those whose step isn't a multiple of three go.
    Retain,
    Clear,
}

#[derive(Debug)]
struct Step {
    number: u64,
    key: usize,
    what: What,
}

impl Step {
    fn of(slot: u32, number: u64) -> Step {
        let mut rng = Rng::from_seed(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(slot) << 7);
        let key = (0..3).fold(0, |_, _| rng.below(2 * KEYS));
        let what = match rng.below(20) {
            0..6 => What::Insert,
            6..9 => What::Remove,
            9..13 => What::Update,
            13..17 => What::Transaction(1 + rng.below(6)),
            17 => What::Extend(1 + rng.below(8)),
            18 => What::Retain,
            _ => What::Clear,
        };
        Step { number, key, what }
    }

    /// Keys of the same dictionary.
    fn keys(&self, count: usize) -> impl Iterator<Item = usize> + use<> {
        let (first, key) = (self.key / KEYS * KEYS, self.key);
        (0..count).map(move |at| first + (key - first + at) % KEYS)
    }

    fn apply(&self, state: &mut State) {
        match self.what {
            What::Insert => state[self.key] = Some(self.number),
            What::Remove => state[self.key] = None,
            What::Update => state[self.key] = state[self.key].map(|_| self.number),
            What::Transaction(count) => {
                self.keys(count).enumerate().for_each(|(at, key)| {
                    state[key] = (at % 3 != 2).then_some(self.number);
                });
            }
            What::Extend(count) => self.keys(count).for_each(|key| state[key] = Some(self.number)),
            What::Retain => {
                state[KEYS..].iter_mut().for_each(|step| *step = step.filter(|step| step % 3 == 0));
            }
            What::Clear => state[KEYS..].fill(None),
        }
    }

    /// Whether one who dies in it may have done some of it.
    fn is_by_and_by(&self) -> bool {
        matches!(self.what, What::Extend(_) | What::Retain)
    }
}

/// How many steps were completed, and the state then: of each key the step plus one, or 0.
pub(crate) type Book = Value<[u64; 1 + 2 * KEYS]>;

type Entries = Dict<(u32, u32), Entry>;

/// The entries of one slot.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Own {
    slot: u32,
    /// Written in one go after each step.
    book: Book,
    /// With those of all other slots.
    shared: Entries,
    /// With no others: this can be cleared.
    alone: Entries,
}

impl Own {
    pub(crate) fn new(slot: u32, shared: &Entries) -> Own {
        let book = Value::new([0; 1 + 2 * KEYS]).unwrap();
        Own { slot, book, shared: shared.clone(), alone: Dict::new().unwrap() }
    }

    fn at(&self, key: usize) -> (&Entries, (u32, u32)) {
        (if key < KEYS { &self.shared } else { &self.alone }, (self.slot, key as u32))
    }

    fn read_book(&self) -> (u64, State) {
        let book = self.book.get();
        (book[0], std::array::from_fn(|key| book[1 + key].checked_sub(1)))
    }

    fn write_book(&self, completed: u64, state: &State) {
        let step = |at: usize| state[at - 1].map_or(0, |step| step + 1);
        self.book.set(std::array::from_fn(|at| if at == 0 { completed } else { step(at) })).unwrap();
    }

    /// What is there.
    fn look(&self) -> State {
        std::array::from_fn(|key| {
            let (dict, key) = self.at(key);
            dict.get(&key).unwrap().map(Entry::check)
        })
    }

    /// After the death of the worker before: the step that it was in was done wholly or not at all, and all others are. It's
    /// completed: the next one's number, and the state.
    pub(crate) fn resume(&self) -> (u64, State) {
        let (number, before) = self.read_book();
        let (step, mut after, is) = (Step::of(self.slot, number), before, self.look());
        step.apply(&mut after);
        let is_right = if step.is_by_and_by() {
            is.iter().zip(before.iter().zip(&after)).all(|(is, (before, after))| is == before || is == after)
        } else {
            is == before || is == after
        };
        assert!(
            is_right,
            "slot {} in {step:?}:\nbefore {before:?}\nafter  {after:?}\nis     {is:?}",
            self.slot
        );
        if is == before || is != after {
            self.perform(&step, &is);
        }
        self.write_book(number + 1, &after);
        (number + 1, after)
    }

    /// One step more, from there on.
    pub(crate) fn step(&self, (number, state): &mut (u64, State)) {
        let step = Step::of(self.slot, *number);
        self.perform(&step, state);
        step.apply(state);
        *number += 1;
        self.write_book(*number, state);
        if number.is_multiple_of(64) {
            assert_eq!(self.look(), *state);
        }
    }

    /// Does it, in the state that is there.
    fn perform(&self, step: &Step, state: &State) {
        let (dict, key) = self.at(step.key);
        let (new, was) = (|| Entry::of(step.number), state[step.key]);
        let keys = |count| step.keys(count).map(|key| self.at(key).1);
        match step.what {
            What::Insert => assert_eq!(dict.insert(&key, &new()).unwrap().map(Entry::check), was),
            What::Remove => assert_eq!(dict.remove(&key).unwrap().map(Entry::check), was),
            What::Update => {
                let before = dict.update(&key, |entry| std::mem::replace(entry, new()).check());
                assert_eq!(before.unwrap(), was);
            }
            What::Transaction(count) => {
                let keys: Vec<_> = keys(count).collect();
                let keys: Vec<_> = keys.iter().collect();
                dict.transaction(&keys, |view| {
                    for (at, key) in keys.iter().enumerate() {
                        let step = if at % 3 == 2 { None } else { Some(new()) };
                        let before = match step {
                            Some(entry) => view.insert(*key, entry),
                            None => view.remove(*key),
                        };
                        assert_eq!(before.map(Entry::check), state[key_of(key)]);
                    }
                })
                .unwrap();
            }
            What::Extend(count) => dict.extend(keys(count).map(|key| (key, new()))).unwrap(),
            What::Retain => self.alone.retain(|_, entry| entry.step % 3 == 0).unwrap(),
            What::Clear => self.alone.clear().unwrap(),
        }
    }

    /// How many steps were done; nothing is left that nobody knows of.
    pub(crate) fn check(&self) -> u64 {
        let (steps, state) = self.resume();
        assert_eq!(self.look(), state);
        let others = self.alone.keys().unwrap().into_iter().map(|key| key_of(&key));
        let mut others: Vec<usize> = others.collect();
        others.sort_unstable();
        assert!(others.into_iter().eq((KEYS..2 * KEYS).filter(|key| state[*key].is_some())));
        steps
    }

    pub(crate) fn clear(&self) {
        self.alone.clear().unwrap();
    }
}

fn key_of(key: &(u32, u32)) -> usize {
    key.1 as usize
}
