//! Whether a recorded history is linearizable: whether its operations could have been done one after the other, each somewhere between
//! its call and its return, with these outcomes.
//!
//! The definition: Herlihy and Wing, "Linearizability: a correctness condition for concurrent objects", 1990; there is also why it's
//! enough to look at each key by itself. The search, which tries each operation that may be the next one and remembers where it has
//! been: Wing and Gong, 1993, and Lowe, "Testing for linearizability", 2017.

use std::{collections::HashSet, fmt::Debug, hash::Hash};

/// An operation with its outcome, and when it was called and had returned. All times of a history are different.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Timed<O> {
    pub(crate) called: u64,
    pub(crate) returned: u64,
    pub(crate) what: O,
}

/// What each of several sequential processes did.
pub(crate) type History<O> = Vec<Vec<Timed<O>>>;

/// `apply`: the state after an operation, if it has that outcome in the state before.
pub(crate) fn check<S: Clone + Debug + Eq + Hash, O: Debug>(
    history: &[Vec<Timed<O>>],
    initial: S,
    apply: impl Fn(&S, &O) -> Option<S>,
) -> Result<(), String> {
    // Each process does one thing at a time: what was done already is told by how far each of them is.
    let start = (vec![0; history.len()], initial);
    let (mut seen, mut open) = (HashSet::from([start.clone()]), vec![start]);
    let mut furthest = open[0].clone();
    while let Some((positions, state)) = open.pop() {
        if positions.iter().sum::<usize>() > furthest.0.iter().sum() {
            furthest = (positions.clone(), state.clone());
        }
        let next = |process: usize| history[process].get(positions[process]);
        // Nothing is done after the return of what is yet to be done.
        let Some(limit) = (0..history.len()).filter_map(next).map(|timed| timed.returned).min() else {
            return Ok(());
        };
        for process in 0..history.len() {
            if let Some(timed) = next(process).filter(|timed| timed.called < limit)
                && let Some(after) = apply(&state, &timed.what)
            {
                let mut positions = positions.clone();
                positions[process] += 1;
                if seen.insert((positions.clone(), after.clone())) {
                    open.push((positions, after));
                }
            }
        }
    }
    let (positions, state) = furthest;
    let next = positions.iter().zip(history).map(|(at, all)| all.get(*at));
    Err(format!("nothing of this can be the next in the state {state:?}: {:#?}", next.collect::<Vec<_>>()))
}

/// A register, to test the search with.
#[derive(Debug)]
enum Register {
    Write(u8),
    Read(u8),
    /// Adds one: what it was before.
    Add(u8),
}

fn register(state: &u8, what: &Register) -> Option<u8> {
    match what {
        Register::Write(value) => Some(*value),
        Register::Read(value) => (value == state).then_some(*state),
        Register::Add(before) => (before == state).then_some(state + 1),
    }
}

fn history<const N: usize>(processes: [Vec<(u64, u64, Register)>; N]) -> Result<(), String> {
    let timed = |(called, returned, what)| Timed { called, returned, what };
    let history: History<_> = processes.map(|all| all.into_iter().map(timed).collect()).into();
    check(&history, 0, register)
}

pub(crate) fn right_histories_are_told_from_wrong_ones() {
    use Register::{Add, Read, Write};
    history([vec![], vec![]]).unwrap();
    // One after the other, and two at once, of which the reader may see either.
    history([vec![(0, 1, Write(1)), (4, 5, Read(1))], vec![(2, 3, Add(1))]]).unwrap_err();
    history([vec![(0, 1, Write(1)), (4, 5, Read(2))], vec![(2, 3, Add(1))]]).unwrap();
    for seen in [0, 1] {
        history([vec![(0, 3, Write(1))], vec![(1, 2, Read(seen))]]).unwrap();
    }
    // A stale read: it has returned before, or another one has seen it.
    history([vec![(0, 1, Write(1))], vec![(2, 3, Read(0))]]).unwrap_err();
    history([vec![(0, 9, Write(1))], vec![(1, 2, Read(1)), (3, 4, Read(0))]]).unwrap_err();
    history([vec![(0, 9, Write(1))], vec![(1, 2, Read(1))], vec![(3, 4, Read(0))]]).unwrap_err();
    history([vec![(0, 9, Write(1))], vec![(1, 3, Read(1))], vec![(2, 4, Read(0))]]).unwrap();
    // A lost update: both found the same.
    history([vec![(0, 2, Add(0))], vec![(1, 3, Add(0))]]).unwrap_err();
    history([vec![(0, 2, Add(1))], vec![(1, 3, Add(0))]]).unwrap();
    history([vec![(0, 2, Add(0))], vec![(1, 3, Add(1))], vec![(4, 5, Read(1))]]).unwrap_err();
    // What nobody wrote.
    let error = history([vec![(0, 1, Write(1))], vec![(2, 3, Read(7))]]).unwrap_err();
    assert!(error.contains("in the state 1") && error.contains("Read(\n"), "{error}");
    // Only a search that goes back finds it: the first write must be the later one.
    history([vec![(0, 5, Write(1))], vec![(1, 6, Write(2))], vec![(7, 8, Read(1))]]).unwrap();
    history([vec![(0, 5, Write(1))], vec![(1, 6, Write(2))], vec![(7, 8, Read(2))]]).unwrap();
}
