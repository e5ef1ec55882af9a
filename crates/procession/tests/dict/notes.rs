//! The program that is never to fail: each of 50 processes takes one from 100.

use crate::common::assert_nothing_left;
use procession::{Dict, Process};
use procession_testing::Test;

/// It's run so often, by several tests.
const ROUNDS: usize = 200;
const RUNS: usize = 4;

pub(crate) fn tests() -> impl Iterator<Item = Test> {
    let rounds = || (0..ROUNDS / RUNS).for_each(|_| fifty_processes_count_from_100_to_50());
    (1..=RUNS).map(move |run| {
        (format!("notes::fifty_processes_count_from_100_to_50::{run}"), Box::new(rounds) as Box<_>)
    })
}

fn work(counts: Dict<String, i64>) {
    counts.update("count", |n| *n -= 1).unwrap().unwrap();
}

fn fifty_processes_count_from_100_to_50() {
    let counts = Dict::new().unwrap();
    counts.insert("count", &100).unwrap();
    let processes: Vec<_> = (0..50).map(|_| Process::spawn(work, (counts.clone(),)).unwrap()).collect();
    processes.into_iter().for_each(|process| process.join().unwrap());
    assert_eq!(counts.get("count").unwrap(), Some(50));
    drop(counts);
    assert_nothing_left();
}
