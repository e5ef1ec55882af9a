//! Tasks that are tried again because their workers died.

use crate::{
    death,
    deaths::{ENDS, KILL, PANIC, end},
    forever, until, works,
};
use procession::{Event, Pool, Sender, TaskError, Value, channel};
use procession_testing::kill;
use std::time::Duration;

/// Kills its worker so many times, and then works.
fn works_at_last(tries: Value<u32>, deaths: u32) -> u32 {
    let before = tries.fetch_add(1).unwrap();
    if before < deaths {
        end(KILL);
    }
    before
}

pub(crate) fn until_it_works() {
    let pool = Pool::builder().workers(2).max_attempts(4).build().unwrap();
    for deaths in 0..4 {
        let retried = pool.statistics().retried;
        let tries = Value::new(0).unwrap();
        assert_eq!(pool.apply(works_at_last, (tries.clone(), deaths)).unwrap(), deaths);
        assert_eq!((tries.get(), pool.statistics().retried - retried), (deaths + 1, deaths as u64));
    }
    assert_eq!((pool.statistics().failed, pool.statistics().deaths), (0, 6));
    // Killed from outside, while it waits.
    let (pid, go_on) = (Value::new(0_u32).unwrap(), Event::new().unwrap());
    let task = |pid: Value<u32>, go_on: Event| {
        pid.set(std::process::id()).unwrap();
        go_on.wait().unwrap();
        std::process::id()
    };
    let result = pool.apply_async(task, (pid.clone(), go_on.clone())).unwrap();
    until(|| pid.get() != 0);
    let first = pid.get();
    kill(first).unwrap();
    until(|| pid.get() != first);
    go_on.set().unwrap();
    assert_eq!(result.get().unwrap(), pid.get());
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn with_handles_and_large_arguments() {
    let pool = Pool::builder().workers(2).max_attempts(3).build().unwrap();
    let task = |tries: Value<u32>, event: Event, sender: Sender<u32>, bytes: Vec<u8>| {
        assert!(bytes.iter().all(|byte| *byte == 7));
        let before = works_at_last(tries, 2);
        event.set().unwrap();
        sender.send(&before).unwrap();
        (bytes.len(), sender)
    };
    for size in [0, 100, 9_000, 300_000] {
        let (tries, event) = (Value::new(0).unwrap(), Event::new().unwrap());
        let (sender, received) = channel::<u32>().unwrap();
        let arguments = (tries.clone(), event.clone(), sender, vec![7; size]);
        let (len, sender) = pool.apply(task, arguments).unwrap();
        assert_eq!((len, tries.get(), event.is_set()), (size, 3, true));
        // What the task sent, and the end that it gave back; that is the last one.
        assert_eq!(received.recv().unwrap(), 2);
        sender.send(&9).unwrap();
        assert_eq!(received.recv().unwrap(), 9);
        drop(sender);
        assert!(received.recv().is_err(), "the task's first two workers had an end each");
    }
    assert_eq!((pool.statistics().retried, pool.statistics().failed), (8, 0));
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn are_used_up() {
    let pool = Pool::builder().workers(2).max_attempts(2).build().unwrap();
    let tries = Value::new(0).unwrap();
    assert_eq!(death(pool.apply(works_at_last, (tries.clone(), 2))), (None, Some(9)));
    assert_eq!((tries.get(), pool.statistics().retried, pool.statistics().failed), (2, 1, 1));
    // Each call may say otherwise.
    tries.set(0).unwrap();
    assert!(pool.options().attempts(1).apply(works_at_last, (tries.clone(), 1)).is_err());
    assert_eq!(tries.get(), 1);
    tries.set(0).unwrap();
    assert_eq!(pool.options().attempts(6).apply(works_at_last, (tries.clone(), 5)).unwrap(), 5);
    assert_eq!(pool.statistics().retried, 6);
    for (how, code, signal) in ENDS.into_iter().filter(|(how, ..)| *how != PANIC) {
        assert_eq!(death(pool.apply(end, (how,))), (code, signal));
    }
    assert_eq!(pool.statistics().retried, 11);
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn only_for_deaths() {
    let pool = Pool::builder().workers(1).max_attempts(5).build().unwrap();
    let tries = Value::new(0_u32).unwrap();
    let panics = |tries: Value<u32>| {
        tries.fetch_add(1).unwrap();
        end(PANIC);
    };
    assert!(matches!(pool.apply(panics, (tries.clone(),)), Err(TaskError::Panicked(_))));
    let late = |tries: Value<u32>| {
        tries.fetch_add(1).unwrap();
        forever();
    };
    let options = pool.options().timeout(Duration::from_millis(200));
    assert!(matches!(options.apply(late, (tries.clone(),)), Err(TaskError::TimedOut)));
    let cancelled = pool.apply_async(late, (tries.clone(),)).unwrap();
    until(|| tries.get() == 3);
    assert!(cancelled.cancel());
    assert!(matches!(cancelled.get(), Err(TaskError::Cancelled)));
    works(&pool, 1);
    assert_eq!((tries.get(), pool.statistics().retried), (3, 0));
    pool.join().unwrap();
}

pub(crate) fn in_maps() {
    let pool = Pool::builder().workers(2).max_attempts(2).build().unwrap();
    let fails_once = |(tries, number): (Value<u32>, u32)| {
        if number % 10 == 3 {
            works_at_last(tries, 1);
        }
        number
    };
    let values = || (0..40).map(|_| Value::new(0_u32).unwrap()).collect::<Vec<_>>();
    let items = |tries: &[Value<u32>]| tries.iter().cloned().zip(0..).collect::<Vec<_>>();
    let check = |tries: Vec<Value<u32>>, values: Vec<u32>| {
        assert!(values.into_iter().eq(0..40));
        assert!(tries.iter().enumerate().all(|(n, tries)| tries.get() == if n % 10 == 3 { 2 } else { 0 }));
    };
    let tries = values();
    let mapped = pool.map(fails_once, items(&tries)).unwrap();
    check(tries, mapped);
    let tries = values();
    let mapped = pool.map_async(fails_once, items(&tries)).unwrap().get().unwrap();
    check(tries, mapped);
    let tries = values();
    let mapped = pool.imap(fails_once, items(&tries)).map(Result::unwrap).collect();
    check(tries, mapped);
    let tries = values();
    let mut mapped: Vec<u32> = pool.imap_unordered(fails_once, items(&tries)).map(Result::unwrap).collect();
    mapped.sort();
    check(tries, mapped);
    assert_eq!((pool.statistics().retried, pool.statistics().failed), (16, 0));
    works(&pool, 2);
    pool.join().unwrap();
}
