//! Who waits for a dictionary or a list to change, or is changing it, when another process dies in the middle of a change.

use super::{Death, die_in};
use procession::{Dict, List, Process, kill_point::KillPoint};
use std::time::Duration;

type Numbers = Dict<u64, u64>;

fn insert(dict: Numbers, death: Death) {
    death.arm();
    drop(dict.insert(&1, &10));
}

fn transaction(dict: Numbers, death: Death) {
    death.arm();
    let keys: Vec<u64> = (1..8).collect();
    let keys: Vec<&u64> = keys.iter().collect();
    let raise = |view: &mut procession::View<u64, u64>| {
        keys.iter().for_each(|key| assert!(view.insert(*key, 10).is_some()));
    };
    drop(dict.transaction(&keys, raise));
}

fn clear(dict: Numbers, death: Death) {
    death.arm();
    drop(dict.clear());
}

/// Ten entries, all of them 1.
fn numbers() -> Numbers {
    let dict = Dict::new().unwrap();
    dict.extend((0..10).map(|key| (key, 1))).unwrap();
    dict
}

pub(crate) fn a_change_whose_maker_has_told_nobody() {
    let ways = [
        (KillPoint::MapAfterCommit, Some(10)),
        (KillPoint::MapAfterDecision, Some(10)),
        (KillPoint::MapAfterApply, Some(10)),
        (KillPoint::MapAfterClear, None),
    ];
    for (point, left) in ways {
        let dict = numbers();
        let before = dict.changes().unwrap();
        let wait = |dict: Numbers, before: u64| {
            assert!(dict.wait_for_change(before, Duration::MAX).unwrap() > Some(before));
            dict.get(&1).unwrap()
        };
        let waiting = Process::spawn(wait, (dict.clone(), before)).unwrap();
        while dict.statistics().waiters.is_empty() {
            std::thread::yield_now();
        }
        match point {
            KillPoint::MapAfterCommit => die_in(insert, dict.clone(), point, 0),
            KillPoint::MapAfterClear => die_in(clear, dict.clone(), point, 0),
            _ => die_in(transaction, dict.clone(), point, 0),
        }
        // Nobody else does anything with it.
        assert_eq!(waiting.join().unwrap(), left, "{}", point.name());
        assert!(dict.changes().unwrap() > before);
    }
}

fn push(list: List<u64>, death: Death) {
    death.arm();
    drop(list.push(&7));
}

pub(crate) fn a_change_of_a_list_whose_maker_has_told_nobody() {
    let list = List::new().unwrap();
    list.push(&1).unwrap();
    let before = list.changes().unwrap();
    let wait = |list: List<u64>, before: u64| {
        assert!(list.wait_for_change(before, Duration::MAX).unwrap() > Some(before));
        list.len().unwrap()
    };
    let waiting = Process::spawn(wait, (list.clone(), before)).unwrap();
    while list.statistics().waiters.is_empty() {
        std::thread::yield_now();
    }
    die_in(push, list.clone(), KillPoint::ListAfterCommit, 0);
    assert_eq!(waiting.join().unwrap(), 2);
    assert!(list.changes().unwrap() > before);
}

pub(crate) fn reading_in_a_closure() {
    for (point, left) in [(KillPoint::MapAfterIntent, 1), (KillPoint::MapAfterDecision, 10)] {
        let dict = numbers();
        die_in(transaction, dict.clone(), point, 0);
        dict.update(&0, |_| {
            (1..8).for_each(|key| assert_eq!(dict.get(&key).unwrap(), Some(left), "{}", point.name()));
            assert!(dict.contains(&9).unwrap());
        })
        .unwrap()
        .unwrap();
    }
}
