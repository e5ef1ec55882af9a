//! Initializers that fail: an error, and no endless loop.

use crate::{
    deaths::{ENDS, KILL, PANIC, end},
    forever, works,
};
use procession::{Pool, PoolBuilder, TaskError, Value};
use procession_testing::Stubborn;
use std::{ops::RangeInclusive, time::Duration};

/// Some in a row are enough, or some more if they were killed.
const DEATHS: RangeInclusive<u64> = 5..=60;

/// The pool says what is wrong with its workers, refuses tasks, and ends.
fn is_refused(pool: PoolBuilder, why: &str, deaths: RangeInclusive<u64>) {
    let pool = pool.build().unwrap();
    let check = |error: TaskError| {
        let TaskError::Failed(error) = error else { panic!("no worker can have run it: {error}") };
        assert!(error.is_start_failed() && error.to_string().contains(why), "{why}: {error}");
    };
    // The first ones may be accepted while it isn't known yet.
    let early: Vec<_> = (0..20).map(|n| pool.apply_async(|n: u32| n, (n,))).collect();
    for result in early {
        check(result.map_err(TaskError::from).and_then(|result| result.get()).unwrap_err());
    }
    check(pool.apply_async(|| 1, ()).unwrap_err().into());
    check(pool.map(|n: u32| n, 0..10).unwrap_err());
    check(pool.map_async(|n: u32| n, 0..10).unwrap_err().into());
    let mut lazy = pool.imap(|n: u32| n, 0..);
    check(lazy.next().unwrap().unwrap_err());
    assert!(lazy.next().is_none());
    let statistics = pool.statistics();
    assert_eq!((statistics.done, statistics.workers), (0, 0), "{why}");
    assert!(deaths.contains(&statistics.deaths), "{why}: {} starts", statistics.deaths);
    pool.join().unwrap();
}

pub(crate) fn that_fail_are_an_error() {
    for (how, code, signal) in ENDS {
        let why = match (code, signal) {
            (Some(code), _) => format!("exit code {code}"),
            (_, Some(signal)) => format!("signal {signal}"),
            (None, None) => "as told".to_string(),
        };
        is_refused(Pool::builder().workers(2).initializer(end, (how,)), &why, DEATHS);
    }
    // A pool that grows meets them at its first task.
    is_refused(Pool::builder().workers(0..=2).initializer(end, (PANIC,)), "as told", DEATHS);
}

pub(crate) fn that_hang_are_an_error() {
    let late = Duration::from_millis(30);
    // The pool ended them.
    let pool = Pool::builder().workers(2).initializer(forever, ()).task_timeout(late);
    is_refused(pool, "longer than it may", 0..=0);
}

pub(crate) fn that_fail_only_twice_end_well() {
    for how in [KILL, PANIC] {
        let starts = Value::new(0_u32).unwrap();
        let at_third = |starts: Value<u32>, how: u8| {
            if starts.fetch_add(1).unwrap() < 2 {
                end(how);
            }
        };
        let pool = Pool::builder().workers(1).initializer(at_third, (starts.clone(), how)).build().unwrap();
        works(&pool, 1);
        assert_eq!((starts.get(), pool.statistics().deaths), (3, 2));
        // And the next one that is needed is started at once.
        assert!(pool.apply(end, (KILL,)).is_err());
        works(&pool, 1);
        assert_eq!(starts.get(), 4);
        pool.join().unwrap();
    }
}

pub(crate) fn whose_arguments_cannot_be_encoded() {
    let error = Pool::builder().initializer(|_: Stubborn| (), (Stubborn,)).build().unwrap_err();
    assert!(error.is_codec() && error.to_string().contains("Stubborn"), "{error}");
}
