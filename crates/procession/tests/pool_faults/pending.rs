//! A pool that takes only so many tasks at a time.

use crate::{until, works};
use procession::{Pool, TaskError};
use procession_testing::Gate;
use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

fn of(workers: usize, most: usize) -> Pool {
    Pool::builder().workers(workers).max_pending(most).build().unwrap()
}

pub(crate) fn submitting_waits_for_room() {
    for most in [1, 3] {
        let pool = of(1, most);
        let gate = Gate::new("pending");
        let first = pool.apply_async(Gate::pass, gate.argument()).unwrap();
        let open = gate.arrive();
        let queued: Vec<_> = (1..most).map(|n| pool.apply_async(|n: usize| n, (n,)).unwrap()).collect();
        let submitted = AtomicBool::new(false);
        thread::scope(|scope| {
            let more = scope.spawn(|| {
                let result = pool.apply_async(|n: usize| n, (7,)).unwrap();
                submitted.store(true, Ordering::SeqCst);
                result.get().unwrap()
            });
            // Not to wait for anything: to see that it doesn't happen.
            thread::sleep(Duration::from_millis(30));
            assert!(!submitted.load(Ordering::SeqCst));
            let statistics = pool.statistics();
            assert_eq!(statistics.running + statistics.queued, most);
            drop(open);
            assert_eq!(more.join().unwrap(), 7);
        });
        first.get().unwrap();
        assert!(queued.iter().zip(1..).all(|(result, n)| result.get().unwrap() == n));
        works(&pool, 1);
        pool.join().unwrap();
    }
}

pub(crate) fn never_more_than_that() {
    for most in [1, 5, 100] {
        let pool = of(2, most);
        let (done, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let statistics = pool.statistics();
                    seen.fetch_max(statistics.running + statistics.queued, Ordering::SeqCst);
                    thread::yield_now();
                }
            });
            const TASKS: u32 = 2000;
            let double = |n: u32| 2 * n;
            let is_right = |values: Vec<u32>| assert!(values.into_iter().eq((0..TASKS).map(|n| 2 * n)));
            is_right(pool.map(double, 0..TASKS).unwrap());
            is_right(pool.map_async(double, 0..TASKS).unwrap().get().unwrap());
            is_right(pool.imap(double, 0..TASKS).map(Result::unwrap).collect());
            let mut values: Vec<u32> = pool.imap_unordered(double, 0..TASKS).map(Result::unwrap).collect();
            values.sort();
            is_right(values);
            let results: Vec<_> = (0..TASKS).map(|n| pool.apply_async(double, (n,)).unwrap()).collect();
            is_right(results.iter().map(|result| result.get().unwrap()).collect());
            done.store(true, Ordering::SeqCst);
        });
        let seen = seen.into_inner();
        assert!(seen <= most, "{seen} tasks at once, of {most}");
        pool.join().unwrap();
    }
}

pub(crate) fn of_a_pool_that_ends() {
    for end in [Pool::close as fn(&Pool), Pool::terminate] {
        let pool = of(1, 1);
        let gate = Gate::new("pending");
        let running = pool.apply_async(Gate::pass, gate.argument()).unwrap();
        let open = gate.arrive();
        let waiting = AtomicUsize::new(0);
        thread::scope(|scope| {
            let waits = || {
                waiting.fetch_add(1, Ordering::SeqCst);
                pool.apply_async(|| 1, ()).unwrap_err()
            };
            let waits = [scope.spawn(waits), scope.spawn(waits)];
            let map = scope.spawn(|| {
                waiting.fetch_add(1, Ordering::SeqCst);
                pool.map(|n: u32| n, 0..10).unwrap_err()
            });
            until(|| waiting.load(Ordering::SeqCst) == 3);
            end(&pool);
            // They hear of it though nothing has ended.
            assert!(waits.into_iter().all(|error| error.join().unwrap().is_closed()));
            assert!(matches!(map.join().unwrap(), TaskError::Failed(error) if error.is_closed()));
        });
        drop(open);
        pool.join().unwrap();
        assert!(running.ready());
    }
}
