//! Callbacks and progress reports that go wrong, and those of many tasks.

use crate::works;
use procession::{Pool, TaskError};
use procession_testing::Gate;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
};

fn triple(n: u32) -> u32 {
    3 * n
}

pub(crate) fn that_panic() {
    let pool = Pool::new(2).unwrap();
    let (values, received) = mpsc::channel();
    let mut results = Vec::new();
    for n in 0..20 {
        let values = values.clone();
        let result = pool.apply_async(triple, (n,)).unwrap();
        results.push(result.callback(move |n| {
            values.send(n).unwrap();
            panic!("a callback's panic, on purpose");
        }));
    }
    let many = pool.map_async(triple, 0..20).unwrap().callback(|_| panic!("of many, on purpose"));
    let bad = pool.apply_async(|| -> () { panic!("a task's") }, ()).unwrap();
    let bad = bad.error_callback(|_| panic!("an error callback's panic, on purpose"));
    let mut seen: Vec<u32> = received.iter().take(20).collect();
    seen.sort();
    assert!(seen.into_iter().eq((0..20).map(triple)));
    assert!(results.iter().enumerate().all(|(n, result)| result.get().unwrap() == triple(n as u32)));
    assert_eq!(many.get().unwrap().len(), 20);
    assert!(matches!(bad.get(), Err(TaskError::Panicked(info)) if info.message() == "a task's"));
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn of_a_map_async() {
    let pool = Pool::new(2).unwrap();
    let (values, received) = mpsc::channel();
    let (again, late) = (values.clone(), values.clone());
    let send = move |all: Vec<u32>| values.send((std::process::id(), all)).unwrap();
    let result = pool.map_async(triple, 0..1000).unwrap().callback(send);
    // Nobody waits for the result.
    let (process, all) = received.recv().unwrap();
    assert_eq!(process, std::process::id());
    assert!(all.into_iter().eq((0..1000).map(triple)));
    assert!(result.ready() && result.successful());
    // On one that has come, and of nothing.
    let result = result.callback(move |all| late.send((0, all)).unwrap());
    assert_eq!(received.recv().unwrap(), (0, result.get().unwrap()));
    let nothing = pool.map_async(triple, []).unwrap().callback(move |all| again.send((1, all)).unwrap());
    assert_eq!(received.recv().unwrap(), (1, vec![]));
    drop(nothing);
    pool.join().unwrap();
}

pub(crate) fn of_errors() {
    let pool = Pool::new(2).unwrap();
    let (errors, received) = mpsc::channel();
    let bad = |n: u32| if n % 10 == 7 { panic!("at {n}") } else { n };
    let result = pool.map_async(bad, 0..100).unwrap();
    let result = result.callback(|_| unreachable!()).error_callback(move |error| errors.send(error).unwrap());
    assert!(matches!(received.recv().unwrap(), TaskError::Panicked(info) if info.message() == "at 7"));
    assert!(result.ready() && !result.successful());
    // The callback has gone with its call.
    assert!(received.recv().is_err());
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn that_submit_to_a_full_pool() {
    let pool = Arc::new(Pool::builder().workers(1).max_pending(1).build().unwrap());
    let gate = Gate::new("full");
    let (results, received) = mpsc::channel();
    let first = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let inner = pool.clone();
    let first = first.callback(move |()| {
        // Each waits for the one before it, on the thread that callbacks run on.
        for n in 0..20 {
            results.send(inner.apply_async(triple, (n,)).unwrap()).unwrap();
        }
    });
    drop(gate.arrive());
    let values: Vec<u32> = received.iter().map(|result| result.get().unwrap()).collect();
    assert!(values.into_iter().eq((0..20).map(triple)));
    first.get().unwrap();
    pool.join().unwrap();
}

/// The last report is of all, the first of none, and none goes back.
pub(crate) fn progress_that_panics() {
    let pool = Pool::new(2).unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let bomb = || {
        let reports = reports.clone();
        move |done: u64, total: Option<u64>| {
            reports.lock().unwrap_or_else(|e| e.into_inner()).push((done, total));
            assert_eq!(done, 0, "on purpose");
        }
    };
    // On the thread that maps: it's that thread's panic, and nobody else's.
    assert!(catch_unwind(AssertUnwindSafe(|| pool.options().progress(bomb()).map(triple, 0..1000))).is_err());
    works(&pool, 2);
    // An iterator that is asked again has lost nothing.
    let once = AtomicU64::new(0);
    let panics_once =
        move |done: u64, _| assert!(done == 0 || once.fetch_add(1, Ordering::SeqCst) > 0, "on purpose");
    let mut lazy = pool.options().progress(panics_once).imap(triple, 0..100);
    assert!(catch_unwind(AssertUnwindSafe(|| lazy.next())).is_err());
    assert!(lazy.map(Result::unwrap).eq((0..100).map(triple)));
    // On the thread for callbacks.
    let result = pool.options().progress(bomb()).map_async(triple, 0..1000).unwrap();
    assert!(result.get().unwrap().into_iter().eq((0..1000).map(triple)));
    works(&pool, 2);
    pool.join().unwrap();
    let reports = reports.lock().unwrap_or_else(|e| e.into_inner());
    assert!(reports.iter().all(|(done, total)| *done <= 1000 && *total == Some(1000)), "{reports:?}");
}
