//! Growing under load, and shrinking without.

use crate::{Crowd, EVER, always, busy, look, staying, until};
use procession::{Event, Pool, PoolHandle, WorkerState};
use procession_testing::{Census, Ledger, Rng, children, is_helper};
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

const SOON: Duration = Duration::from_millis(3);

pub(crate) fn grows_to_the_most_and_no_further() {
    for least in [0, 1, 4, 5] {
        let pool = Pool::new(least..=5).unwrap();
        assert_eq!(look(&pool).workers, least);
        let mut crowd = Crowd::new();
        crowd.send(&pool, 9);
        crowd.until_running(&pool, 5);
        always(&pool, |now| now.workers == 5 && crowd.arrived.get() == 5);
        let now = until(&pool, |now| busy(now) == 5);
        assert_eq!((now.running, now.queued, now.done), (5, 4, 0));
        let ran_by: HashSet<u32> = crowd.release().into_iter().collect();
        let known: HashSet<u32> = now.each.iter().map(|worker| worker.pid).collect();
        assert_eq!(ran_by, known);
        let now = until(&pool, |now| now.idle == 5);
        assert_eq!((now.done, now.failed, now.deaths), (9, 0, 0));
    }
}

pub(crate) fn grows_from_nothing_and_goes_back() {
    let pool = Pool::builder().workers(0..=3).idle_timeout(SOON).build().unwrap();
    for round in 0..4_u32 {
        assert_eq!(look(&pool).workers, 0);
        assert!(children().into_iter().all(is_helper));
        match round {
            0 => assert_eq!(pool.apply(|n: u32| n + 1, (round,)).unwrap(), 1),
            1 => assert_eq!(pool.map(|n: u32| n, 0..1000).unwrap().len(), 1000),
            2 => assert!(pool.imap(|n: u32| n, 0..1000).map(Result::unwrap).eq(0..1000)),
            _ => {
                let mut crowd = Crowd::new();
                crowd.send(&pool, 4);
                crowd.until_running(&pool, 3);
                crowd.release();
            }
        }
        until(&pool, |now| now.workers == 0);
    }
    assert_eq!(look(&pool).deaths, 0);
    // What it had when it was closed is done all the same.
    let results: Vec<_> = (0..5).map(|n| pool.apply_async(|n: u32| n, (n,)).unwrap()).collect();
    pool.close();
    pool.join().unwrap();
    assert!(results.iter().map(|result| result.get().unwrap()).eq(0..5));
}

/// However far it has come with that.
pub(crate) fn a_pool_that_ends_while_it_grows_leaves_nobody() {
    drop(Pool::new(1).unwrap());
    let mut rng = Rng::new("ends while it grows");
    let before = Census::take_at_rest();
    for round in 0..30 {
        let pool = Pool::new(0..=4).unwrap();
        let mut crowd = Crowd::new();
        crowd.send(&pool, 6);
        let looks = rng.below(100);
        for _ in 0..looks {
            look(&pool);
        }
        match round % 3 {
            0 => drop(pool),
            1 => pool.terminate(),
            _ => {
                crowd.release();
                pool.join().unwrap();
            }
        }
    }
    before.wait_until_back();
}

pub(crate) fn shrinks_to_the_least_and_no_further() {
    let pool = Pool::builder().workers(2..=6).idle_timeout(SOON).build().unwrap();
    for _ in 0..3 {
        let mut crowd = Crowd::new();
        crowd.send(&pool, 6);
        crowd.until_running(&pool, 6);
        let grown: HashSet<u32> = crowd.release().into_iter().collect();
        let now = until(&pool, |now| {
            assert!(staying(now) >= 2, "{now:?}");
            now.workers == 2
        });
        assert!(now.each.iter().all(|worker| grown.contains(&worker.pid)), "nobody new for it");
        always(&pool, |now| now.idle == 2 && now.workers == 2);
    }
    assert_eq!(look(&pool).deaths, 0);
    assert_eq!(pool.apply(|| 1, ()).unwrap(), 1);
}

pub(crate) fn nobody_goes_before_its_time() {
    let pool = Pool::builder().workers(1..=4).idle_timeout(EVER).build().unwrap();
    for _ in 0..3 {
        let mut crowd = Crowd::new();
        crowd.send(&pool, 4);
        crowd.until_running(&pool, 4);
        crowd.release();
        always(&pool, |now| staying(now) == 4 && now.leaving == 0);
    }
    pool.close();
    pool.join().unwrap();
    assert_eq!(look(&pool).workers, 0);
}

pub(crate) fn who_is_busy_does_not_go() {
    let pool = Pool::builder().workers(1..=4).idle_timeout(SOON).build().unwrap();
    let (mut long, mut short) = (Crowd::new(), Crowd::new());
    long.send(&pool, 1);
    long.until_running(&pool, 1);
    short.send(&pool, 3);
    short.until_running(&pool, 3);
    short.release();
    let now = until(&pool, |now| now.workers == 1);
    assert_eq!((now.each[0].state, now.each[0].unfinished), (WorkerState::Busy, 1));
    assert_eq!(long.release(), [now.each[0].pid]);
}

/// It need not grow for them, and is not told not to; it has to run them.
pub(crate) fn a_burst_of_short_tasks() {
    let pool = Pool::builder().workers(1..=4).idle_timeout(EVER).build().unwrap();
    assert_eq!(pool.apply(|| 1, ()).unwrap(), 1);
    for burst in 0..50_u32 {
        let results: Vec<_> = (0..40).map(|n| pool.apply_async(|n: u32| n, (burst + n,)).unwrap()).collect();
        assert!(results.iter().zip(burst..).all(|(result, n)| result.get().unwrap() == n));
        assert!((1..=4).contains(&look(&pool).workers));
    }
    println!("50 bursts of 40 tasks: {} workers", look(&pool).workers);
}

pub(crate) fn used_up_workers_are_replaced_within_the_size() {
    let ledger = Ledger::new("used-up");
    let pool = Pool::builder().workers(1..=3).idle_timeout(SOON).max_tasks_per_worker(2).build().unwrap();
    let task = |path: String, number: u32| {
        Ledger::enter(&path, number);
        number
    };
    let watched = std::thread::scope(|scope| {
        let map = scope.spawn(|| pool.starmap(task, (0..60).map(|n| (ledger.argument(), n))).unwrap());
        let results: Vec<_> =
            (60..120).map(|n| pool.apply_async(task, (ledger.argument(), n)).unwrap()).collect();
        let mut most = 0;
        while !map.is_finished() {
            most = most.max(staying(&look(&pool)));
        }
        assert!(map.join().unwrap().into_iter().eq(0..60));
        assert!(results.iter().map(|result| result.get().unwrap()).eq(60..120));
        most
    });
    assert!(watched <= 3, "{watched} workers");
    assert_eq!(ledger.counts(120), [1; 120]);
    let mut by_process: HashMap<u32, u32> = HashMap::new();
    ledger.entries().iter().for_each(|entry| *by_process.entry(entry.process).or_default() += 1);
    assert!(by_process.values().all(|count| *count <= 2), "{by_process:?}");
    let now = until(&pool, |now| now.workers == 1 && now.idle == 1);
    assert_eq!((now.done, now.failed, now.deaths), (120, 0, 0));
}

pub(crate) fn who_waits_for_its_own_pool_has_somebody_in_its_place() {
    const DEPTH: usize = 4;
    fn nest(pool: PoolHandle, depth: usize, bottom: Event) -> usize {
        if depth == 0 {
            bottom.wait().unwrap();
            return 0;
        }
        pool.apply(nest, (pool.clone(), depth - 1, bottom)).unwrap() + 1
    }
    let pool = Pool::builder().workers(1..=2).idle_timeout(SOON).build().unwrap();
    let bottom = Event::new().unwrap();
    let sum = pool.apply_async(nest, (pool.handle().unwrap(), DEPTH, bottom.clone())).unwrap();
    until(&pool, |now| now.running == DEPTH + 1);
    // Besides those that wait there may be two, and one of them is busy.
    always(&pool, |now| staying(now) <= DEPTH + 2 && busy(now) == DEPTH + 1);
    bottom.set().unwrap();
    assert_eq!(sum.get().unwrap(), DEPTH);
    let now = until(&pool, |now| now.workers == 1);
    assert_eq!((now.done, now.failed, now.deaths), (DEPTH as u64 + 1, 0, 0));
}

pub(crate) fn each_step_is_in_the_statistics() {
    let ready = Event::new().unwrap();
    let pool = Pool::builder()
        .workers(1..=2)
        .idle_timeout(EVER)
        .initializer(|ready: Event| ready.wait().unwrap(), (ready.clone(),))
        .build()
        .unwrap();
    let states = |wanted: &[WorkerState]| {
        let now = look(&pool);
        assert_eq!(now.each.iter().map(|worker| worker.state).collect::<Vec<_>>(), wanted, "{now:?}");
        now
    };
    let now = states(&[WorkerState::Starting]);
    assert_eq!((now.starting, now.idle, now.running, now.queued), (1, 0, 0, 0));
    assert_eq!(pool.worker_pids(), [now.each[0].pid]);
    ready.set().unwrap();
    until(&pool, |now| now.idle == 1);
    ready.clear().unwrap();
    let mut crowd = Crowd::new();
    crowd.send(&pool, 1);
    crowd.until_running(&pool, 1);
    let now = states(&[WorkerState::Busy]);
    assert_eq!((now.running, now.queued, now.done), (1, 0, 0));
    crowd.send(&pool, 1);
    let now = until(&pool, |now| now.starting == 1);
    // To whichever of them it was handed, it isn't run.
    assert_eq!((busy(&now), now.running, now.queued, crowd.arrived.get()), (1, 1, 1, 1));
    ready.set().unwrap();
    crowd.until_running(&pool, 2);
    let now = states(&[WorkerState::Busy, WorkerState::Busy]);
    assert_eq!((now.running, now.queued, now.done), (2, 0, 0));
    assert!(now.start_time > Duration::ZERO && now.busy_time > Duration::ZERO);
    pool.resize(1).unwrap();
    let now = until(&pool, |now| now.leaving == 1);
    assert_eq!((busy(&now), now.running, now.queued), (1, 2, 0));
    assert_eq!(crowd.release().len(), 2);
    let now = until(&pool, |now| now.workers == 1);
    assert_eq!((now.idle, now.done, now.failed, now.deaths), (1, 2, 0, 0));
    pool.join().unwrap();
    states(&[]);
}
