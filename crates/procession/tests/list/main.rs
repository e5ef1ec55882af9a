//! Lists: what each operation does, beside a model, by many processes at once, and when one of them is killed.

use common::{assert_nothing_left, park, until_waiting};
use procession::{Dict, Event, List, Process, Queue};
use procession_testing::tests;
use std::{process::ExitCode, time::Duration};

#[path = "../common/mod.rs"]
mod common;
#[path = "../methods/mod.rs"]
mod methods;
mod model;

fn main() -> ExitCode {
    common::begin();
    methods::adopt();
    let all = || {
        tests![
            every_operation,
            numbers_that_are_not_there,
            values_of_any_size,
            handles_in_values,
            a_panic_changes_nothing,
            no_change_in_a_closure,
            a_change_is_waited_for,
            by_many_processes,
            killed_while_they_change_it,
        ]
    };
    let each = methods::each(all).chain(tests![model::random_operations, model::what_others_see]);
    procession_testing::run(each.collect())
}

fn all<T: serde::Serialize + serde::de::DeserializeOwned + 'static>(list: &List<T>) -> Vec<T> {
    list.to_vec().unwrap()
}

fn every_operation() {
    let list = List::new().unwrap();
    assert!(list.is_empty().unwrap() && list.pop().unwrap().is_none());
    list.extend(["a", "b", "d"].map(String::from)).unwrap();
    list.insert(2, &"c".into()).unwrap();
    list.push(&"e".into()).unwrap();
    assert_eq!(all(&list), ["a", "b", "c", "d", "e"]);
    assert_eq!(list.set(0, &"A".into()).unwrap().as_deref(), Some("a"));
    list.swap(0, 4).unwrap();
    assert_eq!(list.update(1, |value| value.push('!')).unwrap(), Some(()));
    assert_eq!(list.remove(2).unwrap().as_deref(), Some("c"));
    assert_eq!(all(&list), ["e", "b!", "d", "A"]);
    assert_eq!(list.pop().unwrap().as_deref(), Some("A"));
    assert_eq!((list.len().unwrap(), list.get(1).unwrap().as_deref()), (3, Some("b!")));
    list.truncate(1).unwrap();
    assert_eq!(all(&list), ["e"]);
    list.clear().unwrap();
    assert_eq!(list.len().unwrap(), 0);
    drop(list);
    assert_nothing_left();
}

fn numbers_that_are_not_there() {
    let list = List::<u8>::new().unwrap();
    list.push(&1).unwrap();
    assert_eq!(list.get(1).unwrap(), None);
    assert_eq!(list.set(1, &2).unwrap(), None);
    assert_eq!(list.remove(7).unwrap(), None);
    assert_eq!(list.update(1, |value| *value += 1).unwrap(), None);
    list.truncate(5).unwrap();
    for error in [list.insert(2, &2).unwrap_err(), list.swap(0, 1).unwrap_err()] {
        assert!(error.is_invalid_argument() && error.to_string().contains("has 1 values"), "{error}");
    }
    assert_eq!(all(&list), [1]);
}

fn values_of_any_size() {
    let list = List::new().unwrap();
    let sizes = [0, 1, 7, 8, 1000, 1100, 5000, 100_000, 3_000_000];
    for (i, size) in sizes.into_iter().enumerate() {
        list.push(&vec![i as u8; size]).unwrap();
    }
    let one_by_one: Vec<_> = (0..sizes.len()).map(|i| list.get(i).unwrap().unwrap()).collect();
    assert!(list.iter().unwrap().eq(one_by_one));
    list.swap(0, 8).unwrap();
    assert_eq!(list.remove(6).unwrap().unwrap(), vec![6; 5000]);
    let lens: Vec<usize> = all(&list).iter().map(Vec::len).collect();
    assert_eq!(lens, [3_000_000, 1, 7, 8, 1000, 1100, 100_000, 0]);
    list.set(0, &vec![]).unwrap();
    drop(list);
    assert_nothing_left();
}

fn handles_in_values() {
    let list = List::<(u32, Queue<u8>)>::new().unwrap();
    for i in 0..100 {
        list.push(&(i, Queue::unbounded().unwrap())).unwrap();
    }
    list.get(7).unwrap().unwrap().1.put(&7).unwrap();
    assert_eq!(list.get(7).unwrap().unwrap().1.get().unwrap(), 7);
    list.truncate(50).unwrap();
    assert_eq!(procession::audit().unwrap().objects["Queue"], 50);
    assert_eq!(list.remove(0).unwrap().unwrap().0, 0);
    list.swap(0, 48).unwrap();
    assert_eq!(list.update(0, |value| value.0).unwrap(), Some(49));
    assert_eq!(procession::audit().unwrap().objects["Queue"], 49);
    drop(list);
    assert_nothing_left();

    // One that is in itself, by way of a dictionary.
    let dict = Dict::<String, List<Dict<String, u8>>>::new().unwrap();
    let lists = List::new().unwrap();
    dict.insert("lists", &lists).unwrap();
    let other = Dict::<String, u8>::new().unwrap();
    lists.push(&other).unwrap();
    drop((dict, lists, other));
    assert_nothing_left();
}

fn a_panic_changes_nothing() {
    let list = List::new().unwrap();
    list.push(&1).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        list.update(0, |value| {
            *value = 2;
            std::panic::resume_unwind(Box::new("on purpose"));
        })
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert_eq!(all(&list), [1]);
    list.push(&3).unwrap();
}

fn no_change_in_a_closure() {
    let list = List::new().unwrap();
    list.push(&1).unwrap();
    list.update(0, |value| {
        *value = 2;
        assert_eq!((list.get(0).unwrap(), list.len().unwrap()), (Some(1), 1), "as it was before");
        let error = list.push(&5).unwrap_err();
        assert!(error.is_deadlock() && error.to_string().contains("List"), "{error}");
    })
    .unwrap();
    assert_eq!(all(&list), [2]);
}

fn a_change_is_waited_for() {
    let list = List::<u32>::new().unwrap();
    let before = list.changes().unwrap();
    assert_eq!(list.wait_for_change(before, Duration::from_millis(10)).unwrap(), None);
    let wait = |list: List<u32>, before: u64| list.wait_for_change(before, Duration::MAX).unwrap();
    let other = Process::spawn(wait, (list.clone(), before)).unwrap();
    until_waiting(1, || list.statistics().waiters.len());
    list.push(&1).unwrap();
    assert!(other.join().unwrap().unwrap() > before);
}

fn by_many_processes() {
    const EACH: u32 = 500;
    let list = List::<(u32, u32)>::new().unwrap();
    let work = |list: List<(u32, u32)>, me: u32| {
        (0..EACH).for_each(|n| list.push(&(me, n)).unwrap());
        list.push(&(me, 0)).unwrap();
        for _ in 0..EACH {
            assert_eq!(list.update(0, |value| value.1 += 1).unwrap(), Some(()));
        }
    };
    list.push(&(9, 0)).unwrap();
    let processes: Vec<_> = (0..4).map(|me| Process::spawn(work, (list.clone(), me)).unwrap()).collect();
    for process in processes {
        process.join().unwrap();
    }
    let values = all(&list);
    assert_eq!(values[0], (9, 4 * EACH), "no update is lost");
    for me in 0..4 {
        let own: Vec<u32> = values.iter().filter(|(who, _)| *who == me).map(|(_, n)| *n).collect();
        assert_eq!(own, (0..EACH).chain([0]).collect::<Vec<_>>(), "in the order in which it pushed them");
    }
}

/// Pushes and takes, in pairs, at both ends and in the middle, until it's killed.
fn churn(list: List<String>, seed: u32, started: Event) {
    started.set().unwrap();
    for n in seed.. {
        let long = "x".repeat(n as usize % 3000);
        match n % 5 {
            0 => list.insert(1, &long).unwrap(),
            1 => list.extend([long.clone(), long]).unwrap(),
            2 => drop(list.remove(1).unwrap()),
            3 => drop(list.set(1, &long).unwrap()),
            _ => list.truncate(40).unwrap(),
        }
    }
    park();
}

fn killed_while_they_change_it() {
    let list = List::new().unwrap();
    list.push(&"first".to_string()).unwrap();
    for round in 0..30 {
        let started = Event::new().unwrap();
        let processes: Vec<_> = (0..2)
            .map(|n| Process::spawn(churn, (list.clone(), round * 7 + n, started.clone())).unwrap())
            .collect();
        started.wait().unwrap();
        // Some work beside them, so that they are killed somewhere in it.
        for _ in 0..round * 10 {
            assert_eq!(list.get(0).unwrap().as_deref(), Some("first"));
        }
        processes.iter().for_each(|process| process.kill().unwrap());
        for process in processes {
            process.join().unwrap_err();
        }
        let values = all(&list);
        assert_eq!(values[0], "first");
        assert!(values[1..].iter().all(|value| value.bytes().all(|byte| byte == b'x')), "whole values");
        assert_eq!(values.len(), list.len().unwrap());
    }
    drop(list);
    assert_nothing_left();
}
