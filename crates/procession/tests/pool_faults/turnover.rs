//! Workers that are replaced after so many tasks.

use crate::deaths::{KILL, end};
use procession::{Pool, TaskError, worker};
use std::collections::HashMap;

const TASKS: u32 = 15;

fn who(number: u32) -> (u32, u32, u64) {
    let current = worker::current().unwrap();
    (number, current.pid, current.task)
}

/// How many tasks each worker ran, which were its first ones; in the order of the items.
fn check(ran: &[(u32, u32, u64)], most: u64) {
    assert!(ran.iter().map(|ran| ran.0).eq(0..TASKS));
    let mut workers = HashMap::<u32, Vec<u64>>::new();
    for (_, pid, task) in ran {
        workers.entry(*pid).or_default().push(*task);
    }
    for tasks in workers.values_mut() {
        tasks.sort();
        assert!(tasks.windows(2).all(|pair| pair[0] < pair[1]) && *tasks.last().unwrap() < most, "{tasks:?}");
    }
    assert!(workers.len() >= (TASKS as usize).div_ceil(most as usize), "{} workers", workers.len());
}

pub(crate) fn each_worker_runs_so_many() {
    for most in [1, 4] {
        let pool = Pool::builder().workers(2).max_tasks_per_worker(most).build().unwrap();
        check(&pool.map(who, 0..TASKS).unwrap(), most);
        check(&pool.map_async(who, 0..TASKS).unwrap().get().unwrap(), most);
        check(&pool.imap(who, 0..TASKS).map(Result::unwrap).collect::<Vec<_>>(), most);
        let mut ran: Vec<_> = pool.imap_unordered(who, 0..TASKS).map(Result::unwrap).collect();
        ran.sort();
        check(&ran, most);
        check(&(0..TASKS).map(|n| pool.apply(who, (n,)).unwrap()).collect::<Vec<_>>(), most);
        let statistics = pool.statistics();
        assert_eq!((statistics.done, statistics.failed, statistics.deaths), (5 * TASKS as u64, 0, 0));
        pool.join().unwrap();
    }
}

pub(crate) fn with_deaths() {
    let pool = Pool::builder().workers(2).max_tasks_per_worker(3).build().unwrap();
    let some_die = |number: u32| {
        if number % 5 == 2 {
            end(KILL);
        }
        who(number)
    };
    let outcomes: Vec<_> = pool.imap(some_die, 0..TASKS).collect();
    for (n, outcome) in (0..).zip(outcomes) {
        match outcome {
            Ok((number, _, task)) => assert!(number == n && task < 3),
            Err(TaskError::Died(status)) => assert_eq!((n % 5, status.signal()), (2, Some(9))),
            Err(error) => panic!("task {n}: {error}"),
        }
    }
    let statistics = pool.statistics();
    assert_eq!((statistics.done, statistics.failed, statistics.deaths), (12, 3, 3));
    works_in_turns(&pool);
    pool.join().unwrap();
}

/// Like `works`, of a pool whose workers come and go.
fn works_in_turns(pool: &Pool) {
    assert!(pool.map(who, 0..TASKS).unwrap().iter().map(|ran| ran.0).eq(0..TASKS));
    assert_eq!(pool.statistics().queued + pool.statistics().running, 0);
}
