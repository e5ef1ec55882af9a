//! Pools and processes inside tasks.

use crate::{death, until, works};
use procession::{Pool, Process, TaskError, Value};
use procession_testing::{Gate, kill, raise};

fn alive(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// The sum of the numbers below `count`, by a pool of its own in each of so many levels.
fn sum(depth: u32, count: u64) -> u64 {
    if depth == 0 {
        return (0..count).sum();
    }
    let pool = Pool::new(2).unwrap();
    let below = pool.starmap(sum, [(depth - 1, count), (depth - 1, count)]).unwrap();
    assert_eq!(below[0], below[1]);
    // Each goes on after a death in the pool inside.
    assert_eq!(death(pool.apply(raise, (9,))), (None, Some(9)));
    assert_eq!(pool.map(|n: u64| n, 0..count).unwrap().iter().sum::<u64>(), below[0]);
    if depth % 2 == 0 {
        pool.join().unwrap();
    }
    below[0]
}

pub(crate) fn pools_in_tasks() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.apply(sum, (2, 100)).unwrap(), 4950);
    assert_eq!(pool.starmap(sum, [(1, 10), (0, 10), (1, 10)]).unwrap(), [45, 45, 45]);
    // What goes wrong inside is a value there.
    let inside = || {
        let pool = Pool::new(1).unwrap();
        let error = pool.apply(|| -> () { panic!("inside") }, ()).unwrap_err();
        error.to_string()
    };
    assert!(pool.apply(inside, ()).unwrap().contains("inside"));
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn processes_in_tasks() {
    let pool = Pool::new(2).unwrap();
    let task = |n: u32| {
        let process = Process::spawn(|n: u32| 2 * n, (n,)).unwrap();
        assert!(matches!(Process::spawn(raise, (6,)).unwrap().join(), Err(TaskError::Died(_))));
        process.join().unwrap()
    };
    assert!(pool.map(task, 0..6).unwrap().into_iter().eq((0..6).map(|n| 2 * n)));
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn a_killed_worker_takes_its_pool_along() {
    let pool = Pool::new(1).unwrap();
    let (gate, inner) = (Gate::new("nested"), Value::new([0_u32; 2]).unwrap());
    let task = |gate: String, inner: Value<[u32; 2]>| {
        let pool = Pool::new(2).unwrap();
        works(&pool, 2);
        inner.set(pool.worker_pids().try_into().unwrap()).unwrap();
        pool.apply(Gate::pass, (gate,)).unwrap();
    };
    let result = pool.apply_async(task, (gate.argument().0, inner.clone())).unwrap();
    let open = gate.arrive();
    let inside = inner.get();
    assert!(inside.iter().all(|worker| alive(*worker)));
    kill(pool.worker_pids()[0]).unwrap();
    assert_eq!(death(result.get()), (None, Some(9)));
    // Also the one whose task would never end.
    until(|| !inside.iter().any(|worker| alive(*worker)));
    works(&pool, 1);
    drop(open);
    pool.join().unwrap();
}
