//! Settings that can't be: an error that names what is wrong, and nothing was started.

use crate::works;
use procession::{Pool, PoolBuilder, StartMethod, TaskError, TaskOptions};
use procession_testing::children;
use std::{ops::RangeInclusive, time::Duration};

#[allow(clippy::reversed_empty_ranges, reason = "that is what's wrong with it")]
const REVERSED: RangeInclusive<usize> = 5..=2;

pub(crate) fn that_cannot_be() {
    let before = children();
    type Set = fn(PoolBuilder) -> PoolBuilder;
    let bad: [(&str, Set); 10] = [
        ("at least one worker", |pool| pool.workers(0)),
        ("at least one worker", |pool| pool.workers(0..=0)),
        ("workers(5..=2)", |pool| pool.workers(REVERSED)),
        ("workers(1000000)", |pool| pool.workers(1_000_000)),
        ("task_timeout(0)", |pool| pool.task_timeout(Duration::ZERO)),
        ("max_attempts(0)", |pool| pool.max_attempts(0)),
        ("max_pending(0)", |pool| pool.max_pending(0)),
        ("max_tasks_per_worker(0)", |pool| pool.max_tasks_per_worker(0)),
        ("memory_limit(0)", |pool| pool.memory_limit(0)),
        ("nul byte", |pool| pool.name("a\0b")),
    ];
    for (name, set) in bad {
        let error = set(Pool::builder().workers(2)).build().unwrap_err();
        assert!(error.is_invalid_argument() && error.to_string().contains(name), "{name}: {error}");
    }
    assert_eq!(children(), before);
    // What looks odd and is right.
    let odd = Pool::builder()
        .workers(0..=1)
        .idle_timeout(Duration::ZERO)
        .task_timeout(Duration::MAX)
        .max_attempts(u32::MAX)
        .max_pending(usize::MAX)
        .max_tasks_per_worker(u64::MAX)
        .memory_limit(u64::MAX)
        .name("")
        .start_method(StartMethod::Spawn)
        .build()
        .unwrap();
    assert_eq!(odd.map(|n: u32| n, 0..100).unwrap().len(), 100);
    assert_eq!(odd.apply(|| 3, ()).unwrap(), 3);
    odd.join().unwrap();
    let pool = Pool::new(1).unwrap();
    for (name, size) in [("at least one worker", 0..=0), ("workers(5..=2)", REVERSED)] {
        let error = pool.resize(size).unwrap_err();
        assert!(error.is_invalid_argument() && error.to_string().contains(name), "{name}: {error}");
    }
    works(&pool, 1);
    pool.join().unwrap();
    assert!(pool.resize(2).unwrap_err().is_closed());
}

pub(crate) fn of_one_call_that_cannot_be() {
    let pool = Pool::new(1).unwrap();
    type Set = fn(TaskOptions<'_>) -> TaskOptions<'_>;
    let bad: [(&str, Set); 2] =
        [("timeout(0)", |call| call.timeout(Duration::ZERO)), ("attempts(0)", |call| call.attempts(0))];
    for (name, set) in bad {
        let check = |error: TaskError| {
            let TaskError::Failed(error) = error else { panic!("{error}") };
            assert!(error.is_invalid_argument(), "{error}");
            assert!(error.to_string().starts_with(name), "{name}: {error}");
        };
        let options = || set(pool.options());
        check(options().apply(|| 1, ()).unwrap_err());
        check(options().apply_async(|| 1, ()).unwrap_err().into());
        check(options().map(|n: u32| n, 0..3).unwrap_err());
        check(options().map_async(|n: u32| n, 0..3).unwrap_err().into());
        check(options().for_each(|_: u32| (), 0..3).unwrap_err());
        let mut lazy = options().imap(|n: u32| n, 0..3);
        check(lazy.next().unwrap().unwrap_err());
        assert!(lazy.next().is_none());
    }
    assert_eq!(pool.statistics().done, 0);
    // None at a time is taken as one at a time.
    assert_eq!(pool.options().chunk(0).window(0).imap(|n: u32| n, 0..9).count(), 9);
    assert_eq!(pool.options().chunk(0).map(|n: u32| n, 0..9).unwrap().len(), 9);
    works(&pool, 1);
    pool.join().unwrap();
}
