//! Lazy maps: endless input, slow consumers, input that goes wrong.

use crate::{until, works};
use procession::{Pool, TaskError};
use procession_testing::Gate;
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

fn triple(n: u64) -> u64 {
    3 * n
}

/// Never more than this ahead, however fast results are taken.
const FARTHEST: u64 = 16 * 1024;

pub(crate) fn of_endless_input_little_is_read() {
    let pool = Pool::new(2).unwrap();
    let read = Cell::new(0);
    let input = || {
        read.set(0);
        (0..).inspect(|n| read.set(n + 1))
    };
    for count in [1, 10, 1000, 30_000] {
        let taken: Vec<u64> = pool.imap(triple, input()).take(count).map(Result::unwrap).collect();
        assert!(taken.into_iter().eq((0..count as u64).map(triple)));
        assert!(read.get() <= count as u64 + FARTHEST, "{} read, {count} taken", read.get());
        let mut taken: Vec<u64> =
            pool.imap_unordered(triple, input()).take(count).map(Result::unwrap).collect();
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), count);
        assert!(taken.iter().all(|value| value % 3 == 0 && value / 3 < read.get()));
        assert!(read.get() <= count as u64 + FARTHEST, "{} read, {count} taken", read.get());
    }
    // Exactly what the caller says.
    for window in [1, 2, 7, 100] {
        let lazy = pool.options().window(window as usize).imap(triple, input());
        for (n, value) in (0..300).zip(lazy) {
            assert_eq!(value.unwrap(), 3 * n);
            assert!(read.get() <= n + window, "{} read, {n} taken, {window} ahead", read.get());
        }
        let mut lazy = pool.options().window(window as usize).imap_unordered(triple, input());
        for n in 0..300 {
            assert!(lazy.next().unwrap().is_ok());
            assert!(read.get() <= n + window, "{} read, {n} taken, {window} ahead", read.get());
        }
    }
    // Nobody who isn't asked reads.
    let lazy = pool.imap(triple, input());
    assert_eq!(read.get(), 0);
    drop(lazy);
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn a_slow_consumer_is_waited_for() {
    let pool = Pool::new(2).unwrap();
    let read = Cell::new(0);
    let mut lazy = pool.imap(triple, (0..).inspect(|n| read.set(n + 1)));
    for n in 0..50 {
        assert_eq!(lazy.next().unwrap().unwrap(), 3 * n);
        // The workers have nothing to do, and still nothing is read.
        until(|| pool.statistics().queued + pool.statistics().running == 0);
        let before = read.get();
        thread::yield_now();
        assert_eq!(read.get(), before);
        assert!(before <= n + FARTHEST);
    }
    drop(lazy);
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn in_order_whatever_ends_first() {
    const WINDOW: usize = 10;
    let pool = Pool::new(2).unwrap();
    let task = |(gate, number): (String, u64)| {
        if number == 0 {
            Gate::pass(gate);
        }
        number
    };
    for is_ordered in [true, false] {
        let gate = Gate::new("lazy");
        let items = (0..25).map(|n| (gate.argument().0, n));
        let options = pool.options().window(WINDOW);
        let before = pool.statistics().done;
        thread::scope(|scope| {
            scope.spawn(|| {
                let open = gate.arrive();
                // All that may be ahead of the first one.
                until(|| pool.statistics().done >= before + WINDOW as u64 - 1);
                drop(open);
            });
            if is_ordered {
                assert!(options.imap(task, items).map(Result::unwrap).eq(0..25));
            } else {
                let values: Vec<u64> = options.imap_unordered(task, items).map(Result::unwrap).collect();
                let first = values.iter().position(|value| *value == 0).unwrap();
                assert!(
                    first >= WINDOW - 1,
                    "it was the last to end of the first ones, and comes at {first}"
                );
                let mut sorted = values;
                sorted.sort();
                assert!(sorted.into_iter().eq(0..25));
            }
        });
    }
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn size_hints() {
    let pool = Pool::new(2).unwrap();
    for window in [1, 4, 50] {
        let mut lazy = pool.options().window(window).imap(triple, 0..20);
        for left in (0..=20).rev() {
            assert_eq!(lazy.size_hint(), (left, Some(left)), "{window} ahead");
            assert_eq!(lazy.next().is_some(), left > 0);
        }
        assert_eq!(lazy.size_hint(), (0, Some(0)));
        let mut filtered =
            pool.options().window(window).imap_unordered(triple, (0..20).filter(|n| n % 2 == 0));
        assert_eq!(filtered.size_hint(), (0, Some(20)));
        for taken in 1..=10 {
            filtered.next().unwrap().unwrap();
            let (least, most) = filtered.size_hint();
            assert!(least <= 10 - taken && most.unwrap() >= 10 - taken);
        }
        assert!(filtered.next().is_none());
    }
    // No end of it, also when some are on their way already.
    let mut endless = pool.imap(triple, 0..);
    assert_eq!(endless.size_hint(), (usize::MAX, None));
    endless.next().unwrap().unwrap();
    assert_eq!(endless.size_hint(), (usize::MAX, None));
    let mut longest = pool.imap(|_: ()| 1, std::iter::repeat_n((), usize::MAX));
    longest.next().unwrap().unwrap();
    assert_eq!(longest.size_hint().0, usize::MAX - 1);
    drop((endless, longest));
    // One that gives an error and ends.
    pool.close();
    let mut refused = pool.imap(triple, 0..5);
    assert!(refused.size_hint().0 <= 1);
    assert!(matches!(refused.next(), Some(Err(TaskError::Failed(error))) if error.is_closed()));
    assert!(refused.next().is_none());
    pool.join().unwrap();
}

pub(crate) fn input_that_panics() {
    let pool = Pool::new(2).unwrap();
    let input = || (0..100).inspect(|n| assert_ne!(*n, 30, "on purpose"));
    let mapped = catch_unwind(AssertUnwindSafe(|| pool.map(triple, input())));
    assert!(mapped.is_err());
    works(&pool, 2);
    let mapped = catch_unwind(AssertUnwindSafe(|| pool.map_async(triple, input()).map(drop)));
    assert!(mapped.is_err());
    works(&pool, 2);
    let mut lazy = pool.options().window(10).imap(triple, input());
    let mut taken = Vec::new();
    let mut panics = 0;
    // Whoever goes on asking gets what was handed out before.
    loop {
        match catch_unwind(AssertUnwindSafe(|| lazy.next())) {
            Ok(Some(value)) => taken.push(value.unwrap()),
            Ok(None) => break,
            Err(_) => panics += 1,
        }
    }
    assert_eq!(panics, 1);
    // The items that were read into the same batch are lost with it, as those of any iterator that panics.
    assert!(taken.windows(2).all(|pair| pair[0] < pair[1]) && taken.len() >= 80, "{taken:?}");
    works(&pool, 2);
    pool.join().unwrap();
}
