//! Workers that are slow to start, or never do.

use crate::{Crowd, EVER, always, busy, look, until};
use procession::{Event, Pool, PoolHandle, TaskError, Value, worker};
use std::time::{Duration, Instant};

/// What an initializer of these tests does: counts, and waits if it isn't the first worker's.
fn wait_for(ready: Event, started: Value<u64>) {
    started.fetch_add(1).unwrap();
    if worker::current().unwrap().index > 0 {
        ready.wait().unwrap();
    }
}

pub(crate) fn slow_starts_are_not_followed_by_more() {
    let (ready, started) = (Event::new().unwrap(), Value::new(0).unwrap());
    let pool = Pool::builder()
        .workers(1..=4)
        .idle_timeout(EVER)
        .initializer(wait_for, (ready.clone(), started.clone()))
        .build()
        .unwrap();
    let mut crowd = Crowd::new();
    crowd.send(&pool, 9);
    until(&pool, |now| now.starting == 3 && busy(now) == 1);
    until(&pool, |_| started.get() == 4);
    always(&pool, |now| now.workers == 4 && now.starting == 3);
    // The one that is there does it all, though some of it had been handed to the others.
    let ran_by = crowd.release();
    assert!(ran_by.iter().all(|pid| *pid == ran_by[0]));
    ready.set().unwrap();
    until(&pool, |now| now.idle == 4);
    assert_eq!(started.get(), 4);
}

/// Load that comes and goes while nobody becomes ready: who was sent away before that would still be there, and not count.
pub(crate) fn slow_starts_do_not_pile_up() {
    let (ready, started) = (Event::new().unwrap(), Value::new(0).unwrap());
    let pool = Pool::builder()
        .workers(1..=3)
        .idle_timeout(Duration::from_millis(1))
        .initializer(wait_for, (ready.clone(), started.clone()))
        .build()
        .unwrap();
    for _ in 0..4 {
        let mut crowd = Crowd::new();
        crowd.send(&pool, 4);
        until(&pool, |now| now.starting == 2);
        crowd.release();
        always(&pool, |now| now.workers <= 3);
    }
    ready.set().unwrap();
    until(&pool, |now| now.workers == 1 && now.idle == 1);
}

pub(crate) fn failing_growth_leaves_the_others_at_work() {
    let attempts = Value::new(0_u64).unwrap();
    let fail = |attempts: Value<u64>| {
        attempts.fetch_add(1).unwrap();
        if worker::current().unwrap().index >= 2 {
            std::process::exit(1);
        }
    };
    let pool = Pool::builder()
        .workers(2..=6)
        .idle_timeout(EVER)
        .initializer(fail, (attempts.clone(),))
        .build()
        .unwrap();
    until(&pool, |now| now.idle == 2);
    let begun = Instant::now();
    let mut crowd = Crowd::new();
    crowd.send(&pool, 8);
    // Two are there, four are tried together, and each time more seldom.
    until(&pool, |now| attempts.get() > 2 + 4 + 4 && now.starting == 0);
    let failed = attempts.get() - 2;
    // After eight that failed there's a second between two attempts, of four at most.
    let most = 8 + 4 * (begun.elapsed().as_secs() + 2);
    println!("{failed} starts failed in {:?}", begun.elapsed());
    assert!(failed <= most, "{failed} attempts, at most {most} were expected");
    assert_eq!((crowd.arrived.get(), look(&pool).failed), (2, 0));
    // Tasks are done by those that are there, and the pool takes more.
    assert_eq!(crowd.release().len(), 8);
    assert_eq!(pool.map(|n: u32| n, 0..1000).unwrap().len(), 1000);
    let now = until(&pool, |now| now.workers == 2 && now.idle == 2 && now.deaths == attempts.get() - 2);
    assert_eq!((now.done, now.failed), (1008, 0));
    // Without load nobody is tried; but one may have been on its way.
    let most = attempts.get() + 1;
    always(&pool, |now| now.workers <= 3 && attempts.get() <= most);
}

fn start_failed<T>(result: Result<T, TaskError>) {
    match result {
        Err(TaskError::Failed(error)) => assert!(error.is_start_failed(), "{error}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("no worker can have run it"),
    }
}

/// The only worker waits for a task that nobody will ever be there for.
pub(crate) fn failing_starts_in_the_place_of_who_waits_are_an_error() {
    let fail = || {
        if worker::current().unwrap().index > 0 {
            std::process::exit(1);
        }
    };
    let pool = Pool::builder().workers(1).initializer(fail, ()).build().unwrap();
    let nested = |pool: PoolHandle| match pool.apply(|| 1, ()) {
        Err(TaskError::Failed(error)) => error.is_start_failed(),
        other => panic!("nobody can have run it: {other:?}"),
    };
    assert!(pool.apply(nested, (pool.handle().unwrap(),)).unwrap());
    // It's the only one still, and waits no more.
    assert_eq!(pool.apply(|| 1, ()).unwrap(), 1);
}

pub(crate) fn failing_starts_from_nothing_are_an_error() {
    let pool = Pool::builder().workers(0..=3).initializer(|| std::process::exit(1), ()).build().unwrap();
    let results: Vec<_> = (0..5).map_while(|_| pool.apply_async(|| 1, ()).ok()).collect();
    results.iter().for_each(|result| start_failed(result.get()));
    start_failed(pool.apply(|| 1, ()));
    until(&pool, |now| now.workers == 0);
}

pub(crate) fn late_starts_are_failing_starts() {
    let never = Event::new().unwrap();
    let pool = Pool::builder()
        .workers(0..=2)
        .task_timeout(Duration::from_millis(5))
        .initializer(|never: Event| never.wait().unwrap(), (never.clone(),))
        .build()
        .unwrap();
    start_failed(pool.apply(|| 1, ()));
    until(&pool, |now| now.workers == 0);
}
