//! Dictionaries and lists at the arena's limit: what there is no memory for is an error, nothing is changed then, nothing is lost, and
//! all goes on when there is memory again.

mod operations;

use crate::common::assert_nothing_left;
use procession::{Dict, Error, Event, List};
use procession_core::pool::Loan;
use procession_testing::Rng;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    process::{Command, ExitCode},
};

/// Says to a program of its own which of these it is to run.
pub(crate) const AT_THE_LIMIT: &str = "PROCESSION_TEST_AT_THE_LIMIT";

/// The least that an arena can have.
const LIMIT: usize = 4 << 20;

fn run(name: &str) {
    let mut program = Command::new("/proc/self/exe");
    program.env(AT_THE_LIMIT, name).env("PROCESSION_ARENA_LIMIT", LIMIT.to_string());
    assert!(program.status().unwrap().success());
}

pub(crate) fn every_operation_without_memory() {
    run("operations");
}

pub(crate) fn full_and_empty_again() {
    run("filling");
}

pub(crate) fn what_has_no_handles_is_taken_out_without_memory() {
    run("taking out");
}

pub(crate) fn at_the_limit(name: &str) -> ExitCode {
    match name {
        "operations" => operations::run(),
        "filling" => filling(),
        _ => taking_out(),
    }
    ExitCode::SUCCESS
}

#[derive(Clone, Serialize, Deserialize)]
struct Item {
    number: u32,
    bytes: Vec<u8>,
    events: Vec<Event>,
}

/// What can be compared of one.
type Shape = (u32, usize, usize);

impl Item {
    fn any(rng: &mut Rng, event: &Event) -> Item {
        let number = rng.below(1 << 20) as u32;
        let len = [0, 10, 100, 900, 1500, 9000, 20, 200, 2000, 40_000][rng.below(10)];
        let events = [0, 0, 0, 0, 1, 3, 300][rng.below(7)];
        Item { number, bytes: vec![number as u8; len], events: vec![event.clone(); events] }
    }

    fn shape(&self) -> Shape {
        assert!(self.bytes.iter().all(|byte| *byte == self.number as u8), "whole");
        assert!(self.events.iter().all(Event::is_set), "the same event");
        (self.number, self.bytes.len(), self.events.len())
    }
}

/// Takes memory away: blocks of all sizes, and those for references.
struct Ballast {
    loans: Vec<Loan>,
    handles: Vec<Vec<Event>>,
    /// Each of them takes as many references when it's read.
    events: Dict<usize, Vec<Event>>,
}

impl Ballast {
    fn new() -> Ballast {
        let (events, event) = (Dict::new().unwrap(), Event::new().unwrap());
        for count in [1, 200] {
            events.insert(&count, &vec![event.clone(); count]).unwrap();
        }
        Ballast { loans: Vec::new(), handles: Vec::new(), events }
    }

    /// All that there is.
    fn take_all(&mut self) {
        for size in
            [200_000, 60_000, 30_000, 16_000, 8000, 4000, 2000, 1500, 1000, 700, 500, 370, 250, 180, 120, 50]
        {
            fill(&mut self.loans, || Loan::new(&vec![0; size], &[]));
        }
        for count in [200, 1] {
            fill(&mut self.handles, || Ok(self.events.get(&count)?.unwrap()));
        }
    }

    /// But for some of it.
    fn leave(&mut self, rng: &mut Rng) {
        self.take_all();
        for _ in 0..[0, 0, 1, 2, 4, 8, 16, 32][rng.below(8)] {
            if !self.loans.is_empty() {
                self.loans.swap_remove(rng.below(self.loans.len()));
            }
        }
        self.handles.truncate(self.handles.len() - [0, 0, 1, 5][rng.below(4)].min(self.handles.len()));
    }
}

fn fill<T>(all: &mut Vec<T>, one: impl Fn() -> Result<T, Error>) {
    loop {
        match one() {
            Ok(one) => all.push(one),
            Err(e) => return assert!(e.is_out_of_memory(), "{e}"),
        }
    }
}

/// How often each operation was done, and how often there was no memory for it.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, [usize; 2]>);

impl Tally {
    /// What it gave, unless there was no memory.
    fn count<R>(&mut self, what: &'static str, result: Result<R, Error>) -> Option<R> {
        let counts = self.0.entry(what).or_default();
        match result {
            Ok(value) => {
                counts[0] += 1;
                Some(value)
            }
            Err(e) => {
                assert!(e.is_out_of_memory(), "{what}: {e}");
                counts[1] += 1;
                None
            }
        }
    }
}

/// As many as there is memory for, the same over and over.
fn until_full(mut one: impl FnMut(usize) -> Result<(), Error>) -> usize {
    (0..)
        .find(|number| {
            one(*number).is_err_and(|e| {
                assert!(e.is_out_of_memory(), "{e}");
                true
            })
        })
        .expect("it's full some time")
}

fn filling() {
    let dict = Dict::<usize, Vec<u8>>::new().unwrap();
    let list = List::<u64>::new().unwrap();
    let mut counts = BTreeMap::<&str, Vec<usize>>::new();
    for round in 0..6 {
        // Short ones, long ones, and many.
        for (what, size) in [("short", 30), ("long", 5000), ("huge", 100_000)] {
            let count = until_full(|number| dict.insert(&number, &vec![number as u8; size]).map(drop));
            assert_eq!(dict.len().unwrap(), count);
            assert!((0..count).all(|number| dict.get(&number).unwrap() == Some(vec![number as u8; size])));
            if round % 2 == 0 {
                for number in 0..count {
                    assert!(dict.remove(&number).unwrap().is_some());
                }
            } else {
                dict.clear().unwrap();
            }
            assert!(dict.is_empty().unwrap());
            counts.entry(what).or_default().push(count);
        }
        let count = until_full(|number| list.push(&(number as u64)));
        assert!((0..count).all(|number| list.get(number).unwrap() == Some(number as u64)));
        if round % 2 == 0 {
            for number in (0..count).rev() {
                assert_eq!(list.pop().unwrap(), Some(number as u64), "{count} were there");
            }
        } else {
            list.clear().unwrap();
        }
        assert!(list.is_empty().unwrap());
        counts.entry("list").or_default().push(count);
    }
    println!("{counts:?}");
    for (what, counts) in &counts {
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(*least > 10 && least * 10 > most * 7, "{what}: {counts:?}");
    }
    drop((dict, list));
    assert_nothing_left();
}

/// Whoever has no memory any more can make some.
fn taking_out() {
    const COUNT: u64 = 20_000;
    let (list, dict) = (List::<u64>::new().unwrap(), Dict::<u64, u64>::new().unwrap());
    list.extend(0..COUNT).unwrap();
    dict.extend((0..COUNT).map(|key| (key, key))).unwrap();
    let mut ballast = Ballast::new();
    ballast.take_all();
    for number in (0..COUNT).rev() {
        assert_eq!(dict.remove(&number).unwrap(), Some(number));
        assert_eq!(list.pop().unwrap(), Some(number));
        // What that has given back.
        if number % 100 == 0 {
            ballast.take_all();
        }
    }
    assert!(list.is_empty().unwrap() && dict.is_empty().unwrap());
    drop((list, dict, ballast));
    assert_nothing_left();
}
