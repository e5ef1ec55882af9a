//! What several processes did with a few keys at once, recorded and checked for linearizability: each key by itself, and transactions
//! and snapshots over all of them.

use crate::{
    common::assert_nothing_left,
    linearizable::{History, Timed, check},
};
use procession::{Barrier, Dict, Process, Task, Value};
use procession_testing::Rng;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::thread;

const PROCESSES: u64 = 4;
const KEYS: usize = 4;

/// An operation on one key, and its outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum One {
    Get(Option<u64>),
    Contains(bool),
    Insert(u64, Option<u64>),
    Swap(u64, Option<u64>),
    Remove(Option<u64>),
    /// Adds that: what it is then.
    Update(u64, Option<u64>),
    UpdateOrInsert(u64, u64, u64),
    GetOrInsert(u64, u64),
    Add(u64, Option<u64>),
    Exchange(u64, u64, Result<u64, Option<u64>>),
}

/// The state after it, if it has that outcome.
fn apply_one(state: &Option<u64>, what: &One) -> Option<Option<u64>> {
    let state = *state;
    let if_so = |is_so: bool, after: Option<u64>| is_so.then_some(after);
    match *what {
        One::Get(seen) => if_so(seen == state, state),
        One::Contains(seen) => if_so(seen == state.is_some(), state),
        One::Insert(value, before) => if_so(before == state, Some(value)),
        One::Swap(value, before) => if_so(before == state, state.map(|_| value)),
        One::Remove(before) => if_so(before == state, None),
        One::Update(more, after) => if_so(after == state.map(|n| n + more), after),
        One::UpdateOrInsert(default, more, after) => {
            if_so(after == state.unwrap_or(default) + more, Some(after))
        }
        One::GetOrInsert(value, is) => if_so(is == state.unwrap_or(value), Some(is)),
        One::Add(more, before) => if_so(before == state, state.map(|n| n + more)),
        One::Exchange(current, new, outcome) => match outcome {
            Ok(before) => if_so(before == current && state == Some(current), Some(new)),
            Err(is) => if_so(is == state && is != Some(current), state),
        },
    }
}

type Numbers = Dict<u64, u64>;

/// So that others come in between, now and then.
fn pause(rng: &mut Rng) {
    if rng.below(6) == 0 {
        thread::yield_now();
    }
}

fn do_one(dict: &Numbers, key: &u64, new: u64, last: u64, rng: &mut Rng) -> One {
    let more = 1 + rng.below(3) as u64;
    let mut add = |value: &mut u64| {
        pause(rng);
        *value += more;
        *value
    };
    match new % 12 {
        0 | 1 => One::Get(dict.get(key).unwrap()),
        2 => One::Contains(dict.contains(key).unwrap()),
        3 | 4 => One::Insert(new, dict.insert(key, &new).unwrap()),
        5 => One::Swap(new, dict.swap(key, &new).unwrap()),
        6 => One::Remove(dict.remove(key).unwrap()),
        7 => One::Update(more, dict.update(key, add).unwrap()),
        8 => One::UpdateOrInsert(new, more, dict.update_or_insert(key, new, &mut add).unwrap()),
        9 => One::GetOrInsert(new, dict.get_or_insert(key, new).unwrap()),
        10 => One::Add(more, dict.fetch_add(key, more).unwrap()),
        _ => One::Exchange(last, new, dict.compare_exchange(key, &last, &new).unwrap()),
    }
}

impl One {
    /// What it left or saw.
    fn value(&self) -> Option<u64> {
        match *self {
            One::Insert(value, _) | One::UpdateOrInsert(.., value) | One::GetOrInsert(_, value) => {
                Some(value)
            }
            One::Get(seen) | One::Update(_, seen) | One::Exchange(.., Err(seen)) => seen,
            _ => None,
        }
    }
}

/// Runs an operation between two looks at the clock: a number in shared memory that each look makes one higher. So what had returned
/// before another was called has the lower numbers.
fn timed<O>(clock: &Value<u64>, f: impl FnOnce() -> O) -> Timed<O> {
    let called = clock.fetch_add(1).unwrap();
    let what = f();
    Timed { called, returned: clock.fetch_add(1).unwrap(), what }
}

/// One process's part of a history.
fn record_ones(
    dict: Numbers,
    clock: Value<u64>,
    together: Barrier,
    me: u64,
    seed: u64,
) -> Vec<(usize, Timed<One>)> {
    let mut rng = Rng::from_seed(seed);
    let mut last = [0; KEYS];
    together.wait().unwrap();
    let step = |n: u64| {
        let key = rng.below(KEYS);
        // No two operations write the same.
        let new = (n * PROCESSES + me) * 12 * 100 + rng.below(12) as u64;
        pause(&mut rng);
        let timed = timed(&clock, || do_one(&dict, &(key as u64), new, last[key], &mut rng));
        last[key] = timed.what.value().unwrap_or(last[key]);
        (key, timed)
    };
    (1..400).map(step).collect()
}

/// So many histories are made of each sort.
const HISTORIES: usize = 30;

/// One dictionary, and what each of several processes says that it did with it.
fn record<P>(
    rng: &mut Rng,
    work: impl Task<(Numbers, Value<u64>, Barrier, u64, u64), Output = P> + Copy,
) -> (Numbers, Vec<P>)
where
    P: Serialize + DeserializeOwned,
{
    let dict = Numbers::new().unwrap();
    let (clock, together) = (Value::new(0).unwrap(), Barrier::new(PROCESSES as u32).unwrap());
    let start = |me| {
        let arguments = (dict.clone(), clock.clone(), together.clone(), me, rng.seed());
        Process::spawn(work, arguments).unwrap()
    };
    let processes: Vec<_> = (0..PROCESSES).map(start).collect();
    let parts = processes.into_iter().map(|process| process.join().unwrap()).collect();
    (dict, parts)
}

pub(crate) fn of_single_keys() {
    let mut rng = Rng::new("histories of single keys");
    let mut overlaps = 0;
    for _ in 0..HISTORIES {
        let (dict, parts) = record(&mut rng, record_ones);
        let mut left = 0;
        for key in 0..KEYS {
            let of_key = |part: &Vec<(usize, Timed<One>)>| {
                part.iter().filter(|(of, _)| *of == key).map(|(_, timed)| timed.clone()).collect()
            };
            let mut history: History<One> = parts.iter().map(of_key).collect();
            overlaps += count_overlaps(&history);
            // What is there in the end was left by them.
            let is = dict.get(&(key as u64)).unwrap();
            history.push(vec![at(u64::MAX - 1, u64::MAX, One::Get(is))]);
            check(&history, None, apply_one).unwrap_or_else(|e| panic!("key {key}: {e}"));
            left += usize::from(is.is_some());
        }
        assert_eq!(dict.len().unwrap(), left);
        drop(dict);
        assert_nothing_left();
    }
    println!("{overlaps} operations at the same time as another one");
    assert!(overlaps > 0, "nothing was tested");
}

fn count_overlaps<O>(history: &History<O>) -> usize {
    let mut all: Vec<(u64, u64)> = history.iter().flatten().map(|o| (o.called, o.returned)).collect();
    all.sort_unstable();
    all.windows(2).filter(|two| two[1].0 < two[0].1).count()
}

type State = [Option<u64>; KEYS];

/// An operation on several keys, and its outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Many {
    One(usize, One),
    /// What some keys were, and are afterwards.
    Transaction(Vec<(usize, Option<u64>, Option<u64>)>),
    Some(Vec<(usize, Option<u64>)>),
    All(State),
    Len(usize),
    Clear,
}

fn apply_many(state: &State, what: &Many) -> Option<State> {
    let mut after = *state;
    let is_so = match what {
        Many::One(key, what) => {
            after[*key] = apply_one(&state[*key], what)?;
            true
        }
        Many::Transaction(changes) => {
            changes.iter().for_each(|(key, _, new)| after[*key] = *new);
            changes.iter().all(|(key, old, _)| state[*key] == *old)
        }
        Many::Some(seen) => seen.iter().all(|(key, value)| state[*key] == *value),
        Many::All(seen) => seen == state,
        Many::Len(len) => state.iter().flatten().count() == *len,
        Many::Clear => {
            after = [None; KEYS];
            true
        }
    };
    is_so.then_some(after)
}

fn do_many(dict: &Numbers, new: u64, rng: &mut Rng) -> Many {
    let first = rng.below(KEYS);
    let keys = |count: usize| (0..count).map(|at| (first + at) % KEYS).collect::<Vec<_>>();
    let names: Vec<u64> = (0..KEYS as u64).collect();
    match rng.below(16) {
        0..6 => Many::One(first, do_one(dict, &names[first], new, new, rng)),
        6..10 => {
            let keys = keys(2 + rng.below(KEYS - 1));
            let of_keys: Vec<&u64> = keys.iter().map(|key| &names[*key]).collect();
            let changes = dict.transaction(&of_keys, |view| {
                pause(rng);
                let change = |(at, key): (usize, &usize)| {
                    let is = view.get(&names[*key]).copied();
                    let value = if rng.below(3) == 0 { None } else { Some(new + at as u64) };
                    let before = match value {
                        Some(value) => view.insert(&names[*key], value),
                        None => view.remove(&names[*key]),
                    };
                    assert_eq!(is, before);
                    (*key, before, value)
                };
                keys.iter().enumerate().map(change).collect()
            });
            Many::Transaction(changes.unwrap())
        }
        10 | 11 => {
            let keys = keys(2 + rng.below(KEYS - 1));
            let of_keys: Vec<&u64> = keys.iter().map(|key| &names[*key]).collect();
            Many::Some(keys.iter().copied().zip(dict.get_many(&of_keys).unwrap()).collect())
        }
        12 | 13 => {
            let mut state = [None; KEYS];
            dict.items().unwrap().into_iter().for_each(|(key, value)| state[key as usize] = Some(value));
            Many::All(state)
        }
        14 => Many::Len(dict.len().unwrap()),
        _ => {
            dict.clear().unwrap();
            Many::Clear
        }
    }
}

fn record_many(dict: Numbers, clock: Value<u64>, together: Barrier, me: u64, seed: u64) -> Vec<Timed<Many>> {
    let mut rng = Rng::from_seed(seed);
    together.wait().unwrap();
    let step = |n: u64| {
        let new = (n * PROCESSES + me) * 12 * 100 + rng.below(12) as u64;
        pause(&mut rng);
        timed(&clock, || do_many(&dict, new, &mut rng))
    };
    (1..300).map(step).collect()
}

pub(crate) fn of_transactions_and_snapshots() {
    let mut rng = Rng::new("histories of transactions");
    let mut overlaps = 0;
    for _ in 0..HISTORIES {
        let (dict, history) = record(&mut rng, record_many);
        overlaps += count_overlaps(&history);
        check(&history, [None; KEYS], apply_many).unwrap_or_else(|e| panic!("{e}"));
        drop(dict);
        assert_nothing_left();
    }
    println!("{overlaps} operations at the same time as another one");
    assert!(overlaps > 0, "nothing was tested");
}

fn at<O>(called: u64, returned: u64, what: O) -> Timed<O> {
    Timed { called, returned, what }
}

pub(crate) fn wrong_ones_are_seen() {
    let one = |called, returned, what| vec![at(called, returned, what)];
    // Two that find nothing and insert; a removal that is undone; an exchange of what wasn't there.
    let both = [one(0, 2, One::Insert(1, None)), one(1, 3, One::Insert(2, None))];
    check(&both, None, apply_one).unwrap_err();
    let back =
        [one(0, 1, One::Insert(1, None)), one(2, 3, One::Remove(Some(1))), one(4, 5, One::Get(Some(1)))];
    check(&back, None, apply_one).unwrap_err();
    check(&back[..2], None, apply_one).unwrap();
    let exchange = [one(0, 3, One::Insert(1, None)), one(1, 2, One::Exchange(2, 3, Ok(2)))];
    check(&exchange, None, apply_one).unwrap_err();
    // Each key by itself is right, but not both: a snapshot of half a transaction, and reads in another order than the writes.
    let transaction = Many::Transaction(vec![(0, None, Some(1)), (1, None, Some(2))]);
    for (seen, is_right) in [([None, None], true), ([Some(1), Some(2)], true), ([Some(1), None], false)] {
        let snapshot = Many::All([seen[0], seen[1], None, None]);
        let history = [vec![at(0, 3, transaction.clone())], vec![at(1, 2, snapshot)]];
        assert_eq!(check(&history, [None; KEYS], apply_many).is_ok(), is_right, "{seen:?}");
    }
    let many = |called, returned, key, what| at(called, returned, Many::One(key, what));
    let writes = vec![many(0, 1, 0, One::Insert(1, None)), many(2, 9, 1, One::Insert(1, None))];
    let reads = |first, second| vec![many(3, 4, 1, One::Get(first)), many(5, 6, 0, One::Get(second))];
    check(&[writes.clone(), reads(Some(1), Some(1))], [None; KEYS], apply_many).unwrap();
    check(&[writes, reads(Some(1), None)], [None; KEYS], apply_many).unwrap_err();
}
