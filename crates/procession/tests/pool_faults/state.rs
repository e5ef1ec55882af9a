//! What an initializer made, and who a worker is.

use crate::{
    deaths::{KILL, end},
    until, works,
};
use procession::{Pool, TaskError, worker};
use procession_testing::kill;
use std::{cell::Cell, collections::HashMap, rc::Rc};

/// Nothing of this can travel, or be shared by threads.
struct Counter {
    count: Cell<u64>,
    name: Rc<str>,
}

fn make(from: u64, name: String) -> Counter {
    Counter { count: Cell::new(from), name: name.into() }
}

fn count(_: u32) -> (u32, u64, String) {
    let Counter { count, name } = worker::state::<Counter>();
    (std::process::id(), count.replace(count.get() + 1), name.to_string())
}

pub(crate) fn is_reachable_and_need_not_travel() {
    let pool = Pool::builder().workers(2).initializer(make, (10, "x".to_string())).build().unwrap();
    for _ in 0..2 {
        let mut counts = HashMap::<u32, Vec<u64>>::new();
        for (pid, count, name) in pool.map(count, 0..100).unwrap() {
            assert_eq!(name, "x");
            counts.entry(pid).or_default().push(count);
        }
        // Each worker has one of its own, from the beginning again where it's a new one.
        for mut counts in counts.into_values() {
            counts.sort();
            assert!(counts.iter().copied().eq(10..10 + counts.len() as u64), "{counts:?}");
        }
        let all = pool.worker_pids();
        all.iter().for_each(|pid| kill(*pid).unwrap());
        until(|| pool.worker_pids().iter().all(|pid| !all.contains(pid)));
    }
    pool.join().unwrap();
    assert!(worker::try_state::<Counter>().is_none());
}

pub(crate) fn of_another_type() {
    let with = Pool::builder().workers(1).initializer(make, (1, String::new())).build().unwrap();
    let without = Pool::new(1).unwrap();
    for pool in [with, without] {
        let error = pool.apply(|| worker::state::<Vec<u8>>().len(), ()).unwrap_err();
        let TaskError::Panicked(info) = error else { panic!("{error}") };
        let text = info.message();
        assert!(text.contains("no state of type") && text.contains("Vec<u8>"), "{text}");
        assert!(info.location().unwrap().contains("state.rs"), "{info}");
        assert!(pool.apply(|| worker::try_state::<Vec<u8>>().is_none(), ()).unwrap());
        // Another thread of the worker has none.
        let elsewhere = || std::thread::spawn(|| worker::try_state::<Counter>().is_none()).join().unwrap();
        assert!(pool.apply(elsewhere, ()).unwrap());
        works(&pool, 1);
        pool.join().unwrap();
    }
}

fn who(_: u32) -> (usize, u32, u64) {
    let worker::Current { index, pid, task, .. } = worker::current().unwrap();
    assert_eq!(pid, std::process::id());
    (index, pid, task)
}

pub(crate) fn who_a_worker_is() {
    assert!(worker::current().is_none());
    let pool = Pool::new(3).unwrap();
    for _ in 0..4 {
        let mut workers = HashMap::<(usize, u32), Vec<u64>>::new();
        for (index, pid, task) in pool.map(who, 0..200).unwrap() {
            assert!(index < 3);
            workers.entry((index, pid)).or_default().push(task);
        }
        // Each of a worker's tasks has a number of its own.
        for mut tasks in workers.into_values() {
            tasks.sort();
            assert!(tasks.windows(2).all(|pair| pair[0] < pair[1]), "{tasks:?}");
        }
        let each = pool.statistics().each;
        let mut indices: Vec<usize> = each.iter().map(|worker| worker.index).collect();
        indices.sort();
        assert_eq!(indices, [0, 1, 2]);
        // Who replaces it has its number.
        assert!(pool.apply(end, (KILL,)).is_err());
        works(&pool, 3);
    }
    // The first task of a worker is its task 0.
    let fresh = Pool::new(1).unwrap();
    let tasks: Vec<u64> = (0..5).map(|n| fresh.apply(who, (n,)).unwrap().2).collect();
    assert_eq!(tasks, [0, 1, 2, 3, 4]);
    fresh.join().unwrap();
    pool.join().unwrap();
}
