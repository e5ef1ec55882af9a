//! Another size at run time.

use crate::{Crowd, EVER, always, busy, look, staying, until};
use procession::Pool;
use procession_testing::{Ledger, Rng};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

pub(crate) fn an_idle_pool_is_resized() {
    let pool = Pool::builder().workers(2).idle_timeout(EVER).build().unwrap();
    for size in [5, 1, 3, 3, 7, 2] {
        pool.resize(size).unwrap();
        // Who leaves gets nothing more; who comes is as good as the others.
        until(&pool, |now| now.workers == size && now.idle == size);
        assert_eq!(pool.map(|n: u32| n, 0..100).unwrap().len(), 100);
    }
    assert_eq!(look(&pool).deaths, 0);
}

pub(crate) fn a_busy_pool_is_resized() {
    let pool = Pool::new(4).unwrap();
    let mut crowd = Crowd::new();
    crowd.send(&pool, 7);
    crowd.until_running(&pool, 4);
    pool.resize(2).unwrap();
    until(&pool, |now| now.leaving == 2 && busy(now) == 2);
    // They run what they run; and nobody begins anything.
    always(&pool, |now| now.workers == 4 && now.running == 4 && now.queued == 3);
    assert_eq!(crowd.arrived.get(), 4);
    pool.resize(5).unwrap();
    crowd.until_running(&pool, 7);
    always(&pool, |now| staying(now) == 5 && now.leaving == 2 && now.running == 7);
    let ran_by = crowd.release();
    assert_eq!(ran_by.iter().collect::<HashSet<_>>().len(), 7);
    let now = until(&pool, |now| now.workers == 5 && now.idle == 5);
    assert_eq!((now.done, now.failed, now.deaths), (7, 0, 0));
}

pub(crate) fn a_pool_of_a_fixed_size_becomes_elastic() {
    let pool = Pool::builder().workers(3).idle_timeout(Duration::from_millis(3)).build().unwrap();
    always(&pool, |now| now.workers == 3 && now.leaving == 0);
    pool.resize(1..=5).unwrap();
    until(&pool, |now| now.workers == 1);
    let mut crowd = Crowd::new();
    crowd.send(&pool, 6);
    crowd.until_running(&pool, 5);
    pool.resize(4).unwrap();
    until(&pool, |now| now.leaving == 1);
    crowd.release();
    until(&pool, |now| now.workers == 4);
    always(&pool, |now| now.workers == 4 && now.leaving == 0);
}

/// Nobody can go for being idle before it's said that some may; so they're idle from then on.
pub(crate) fn who_becomes_one_too_many_has_its_time_first() {
    const TIME: Duration = Duration::from_millis(50);
    let pool = Pool::builder().workers(3).idle_timeout(TIME).build().unwrap();
    until(&pool, |now| now.idle == 3);
    thread::sleep(TIME);
    let resized = Instant::now();
    pool.resize(1..=3).unwrap();
    until(&pool, |now| staying(now) < 3);
    assert!(resized.elapsed() >= TIME);
}

/// All kinds of calls go on while the size changes all the time.
pub(crate) fn resizing_loses_and_repeats_nothing() {
    const TASKS: u32 = 6000;
    let mut rng = Rng::new("resizing");
    let ledger = Ledger::new("resizing");
    let pool = Pool::builder().workers(3).idle_timeout(Duration::from_millis(1)).build().unwrap();
    let task = |path: String, number: u32| {
        Ledger::enter(&path, number);
        number
    };
    let items = |part: u32| (0..TASKS).skip(part as usize).step_by(3);
    let path = || ledger.argument();
    let ended = AtomicBool::new(false);
    let (resized, most) = thread::scope(|scope| {
        let resizer = scope.spawn(|| {
            let (mut resized, mut most) = (0, 0);
            while !ended.load(Ordering::Relaxed) {
                let max = 1 + rng.below(8);
                pool.resize(rng.below(max + 1)..=max).unwrap();
                resized += 1;
                // Sometimes until that is so, sometimes at once again.
                let looks = rng.below(30);
                for _ in 0..looks {
                    most = most.max(look(&pool).workers);
                    thread::yield_now();
                }
            }
            (resized, most)
        });
        let map = scope.spawn(|| {
            let values = pool.starmap(task, items(0).map(|n| (path(), n))).unwrap();
            assert!(values.into_iter().eq(items(0)));
        });
        let lazy = scope.spawn(|| {
            let enter = |(path, number): (String, u32)| {
                Ledger::enter(&path, number);
                number
            };
            let values = pool.imap_unordered(enter, items(1).map(|n| (path(), n)));
            let values: HashSet<u32> = values.map(|value| value.unwrap()).collect();
            assert!(items(1).all(|n| values.contains(&n)));
        });
        for n in items(2) {
            let result = pool.apply_async(task, (path(), n)).unwrap();
            if n % 5 == 0 {
                assert_eq!(result.get().unwrap(), n);
            }
        }
        map.join().unwrap();
        lazy.join().unwrap();
        until(&pool, |now| now.running + now.queued == 0);
        ended.store(true, Ordering::Relaxed);
        resizer.join().unwrap()
    });
    println!("{TASKS} tasks, {resized} sizes, {most} workers at most");
    assert_eq!(ledger.counts(TASKS as usize), [1; TASKS as usize]);
    let now = look(&pool);
    assert_eq!((now.done, now.failed, now.retried, now.deaths), (TASKS as u64, 0, 0, 0));
    pool.join().unwrap();
}

pub(crate) fn sizes_that_cannot_be_are_refused() {
    let pool = Pool::new(1..=2).unwrap();
    #[expect(clippy::reversed_empty_ranges, reason = "that's what is refused")]
    let reversed = 5..=2;
    for error in [pool.resize(0), pool.resize(0..=0), pool.resize(reversed), pool.resize(usize::MAX)] {
        assert!(error.unwrap_err().is_invalid_argument());
    }
    assert_eq!(look(&pool).workers, 1);
    pool.close();
    assert!(pool.resize(2).unwrap_err().is_closed());
    pool.join().unwrap();
    assert!(pool.resize(2).unwrap_err().is_closed());
    let pool = Pool::new(1..=2).unwrap();
    pool.terminate();
    assert!(pool.resize(2).unwrap_err().is_closed());
    assert_eq!(look(&pool).workers, 0);
}
