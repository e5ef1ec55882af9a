//! Tasks that submit tasks: to their own pool, to another one, from a process that is no worker.

use procession::{Array, Event, Pool, PoolHandle, Process, Sender, TaskError, Value, channel};
use procession_testing::{Census, raise, tests};
use std::{process::ExitCode, time::Duration};

mod methods;

fn main() -> ExitCode {
    procession::init();
    methods::adopt();
    let all = || {
        tests![
            a_task_waits_for_a_task_of_its_own_pool,
            tasks_divide_and_conquer,
            many_tasks_wait_at_once,
            every_outcome_comes_back,
            values_and_handles_of_any_size,
            a_process_that_is_no_worker_submits,
            a_task_of_one_pool_submits_to_another,
            tasks_that_wait_for_another_pool_are_workers_still,
            many_tasks_that_ask_do_not_start_many_workers,
            the_end_hangs_nobody,
            a_wait_of_another_thread_holds_nobody_up,
            what_nobody_waits_for_is_done_before_the_end,
            the_end_of_the_pool_is_an_error,
            who_is_killed_while_it_waits_costs_itself_only,
            nothing_is_left_behind,
        ]
    };
    procession_testing::run(methods::each(all).collect())
}

fn double(n: u64) -> u64 {
    2 * n
}

fn a_task_waits_for_a_task_of_its_own_pool() {
    // One worker: it waits, and another one runs what it waits for.
    let pool = Pool::new(1).unwrap();
    let handle = pool.handle().unwrap();
    let nested = |pool: PoolHandle, n: u64| pool.apply(double, (n,)).unwrap() + 1;
    for n in 0..3 {
        assert_eq!(pool.apply(nested, (handle.clone(), n)).unwrap(), 2 * n + 1);
    }
    assert_eq!(pool.apply(|pool: PoolHandle| pool.map(double, 0..100).unwrap(), (handle,)).unwrap()[99], 198);
    pool.join().unwrap();
}

/// The sum of a range; and the most tasks that waited for one another on the way.
fn sum(pool: PoolHandle, from: u64, to: u64) -> u64 {
    if to - from <= 10 {
        return (from..to).sum();
    }
    let middle = (from + to) / 2;
    let left = pool.apply_async(sum, (pool.clone(), from, middle)).unwrap();
    let right = pool.apply_async(sum, (pool.clone(), middle, to)).unwrap();
    left.get().unwrap() + right.get().unwrap()
}

fn tasks_divide_and_conquer() {
    for size in [1..=1, 2..=2, 1..=4] {
        let pool = Pool::new(size).unwrap();
        let handle = pool.handle().unwrap();
        assert_eq!(pool.apply(sum, (handle, 0, 150)).unwrap(), 149 * 150 / 2);
        pool.join().unwrap();
    }
}

fn many_tasks_wait_at_once() {
    let pool = Pool::new(2).unwrap();
    let handle = pool.handle().unwrap();
    let nested = |pool: PoolHandle, n: u64| pool.apply(double, (n,)).unwrap();
    let values = pool.starmap(nested, (0..40).map(|n| (handle.clone(), n))).unwrap();
    assert!(values.into_iter().eq((0..40).map(double)));
    // Those that stood in for the ones that waited go again.
    while pool.statistics().workers > 2 {
        std::thread::yield_now();
    }
}

fn every_outcome_comes_back() {
    let pool = Pool::builder().workers(2).task_timeout(Duration::from_secs(1)).build().unwrap();
    let handle = pool.handle().unwrap();
    assert!(
        matches!(handle.apply(|| -> () { panic!("as told") }, ()), Err(TaskError::Panicked(info)) if info.message() == "as told")
    );
    let Err(TaskError::Died(status)) = handle.apply(raise, (11,)) else { panic!("it died") };
    assert_eq!(status.signal(), Some(11));
    let sleep = || std::thread::sleep(Duration::from_secs(3600));
    assert!(matches!(handle.apply(sleep, ()), Err(TaskError::TimedOut)));
    assert!(matches!(
        handle.apply(|_: procession_testing::OneWay| (), (procession_testing::OneWay(1),)),
        Err(TaskError::Codec(_))
    ));
    assert!(
        handle
            .apply_async(|_: procession_testing::Stubborn| (), (procession_testing::Stubborn,))
            .unwrap_err()
            .is_codec()
    );
    let error = handle.map(|n: u32| if n == 7 { panic!("at {n}") } else { n }, 0..20).unwrap_err();
    assert!(matches!(&error, TaskError::Panicked(info) if info.message() == "at 7"), "{error}");
    let later = handle.apply_async(double, (4,)).unwrap();
    assert!(later.wait(Duration::MAX) && later.ready());
    assert_eq!((later.get().unwrap(), later.get_timeout(Duration::ZERO).unwrap()), (8, Some(8)));
}

fn values_and_handles_of_any_size() {
    let pool = Pool::new(2).unwrap();
    let handle = pool.handle().unwrap();
    let sizes = [0, 100, 5_000, 9_000, 300_000];
    for size in sizes {
        let back = |pool: PoolHandle, bytes: Vec<u8>| pool.apply(|bytes: Vec<u8>| bytes, (bytes,)).unwrap();
        assert_eq!(pool.apply(back, (handle.clone(), vec![3; size])).unwrap(), vec![3; size]);
    }
    let hits = Value::new(0_u64).unwrap();
    let again = handle.apply(
        |hits: Value<u64>, more: (String, Event)| {
            hits.fetch_add(1).unwrap();
            more.1.set().unwrap();
            (more.1, hits)
        },
        (hits.clone(), ("x".to_string(), Event::new().unwrap())),
    );
    let (event, same) = again.unwrap();
    assert!(event.is_set());
    assert_eq!((same.get(), hits.get()), (1, 1));
}

fn a_process_that_is_no_worker_submits() {
    let pool = Pool::new(2).unwrap();
    let handle = pool.handle().unwrap();
    let process = Process::spawn(|pool: PoolHandle| pool.map(double, 0..50).unwrap(), (handle,)).unwrap();
    assert!(process.join().unwrap().into_iter().eq((0..50).map(double)));
}

fn a_task_of_one_pool_submits_to_another() {
    let (one, other) = (Pool::new(1).unwrap(), Pool::new(1).unwrap());
    let ask = |other: PoolHandle, one: PoolHandle| {
        other.apply(|one: PoolHandle| one.apply(double, (21,)).unwrap(), (one,)).unwrap()
    };
    assert_eq!(one.apply(ask, (other.handle().unwrap(), one.handle().unwrap())).unwrap(), 42);
}

/// The most workers that there were while `running`.
fn most_workers(pool: &Pool, running: impl Fn() -> bool) -> usize {
    let mut most = 0;
    while running() {
        most = most.max(pool.statistics().workers);
    }
    most
}

fn tasks_that_wait_for_another_pool_are_workers_still() {
    let (pool, other) = (Pool::new(2).unwrap(), Pool::new(1).unwrap());
    let go = Event::new().unwrap();
    let asks = |other: PoolHandle, go: Event| other.apply(|go: Event| go.wait().unwrap(), (go,)).unwrap();
    let handle = other.handle().unwrap();
    let asked: Vec<_> =
        (0..20).map(|_| pool.apply_async(asks, (handle.clone(), go.clone())).unwrap()).collect();
    // Until it has all of the two that there may be.
    while other.statistics().running + other.statistics().queued < 2 {
        std::thread::yield_now();
    }
    let looks = std::cell::Cell::new(0);
    let most = most_workers(&pool, || looks.replace(looks.get() + 1) < 1000);
    go.set().unwrap();
    asked.iter().for_each(|result| result.get().unwrap());
    assert_eq!(most, 2);
}

fn many_tasks_that_ask_do_not_start_many_workers() {
    let pool = Pool::new(2).unwrap();
    let handle = pool.handle().unwrap();
    let asks = |pool: PoolHandle, n: u64| pool.apply(double, (n,)).unwrap();
    let asked = pool.starmap_async(asks, (0..100).map(|n| (handle.clone(), n))).unwrap();
    let most = most_workers(&pool, || !asked.ready());
    assert!(asked.get().unwrap().into_iter().eq((0..100).map(double)));
    // For each of the two that wait one that stands in, and some that are leaving.
    assert!(most <= 8, "{most} workers");
}

fn the_end_hangs_nobody() {
    for _ in 0..10 {
        let pool = Pool::new(2).unwrap();
        let ask = |pool: PoolHandle| {
            for n in 0.. {
                match pool.apply(double, (n,)) {
                    Ok(value) => assert_eq!(value, 2 * n),
                    Err(TaskError::Failed(e)) => return e.is_closed(),
                    Err(e) => panic!("{e}"),
                }
            }
            false
        };
        let processes: Vec<_> =
            (0..2).map(|_| Process::spawn(ask, (pool.handle().unwrap(),)).unwrap()).collect();
        while pool.statistics().done < 50 {
            std::thread::yield_now();
        }
        pool.join().unwrap();
        for process in processes {
            assert!(process.join().unwrap());
        }
    }
}

fn a_wait_of_another_thread_holds_nobody_up() {
    let pool = Pool::new(1).unwrap();
    let go = Event::new().unwrap();
    let result = pool.handle().unwrap().apply_async(|go: Event| go.wait().unwrap(), (go.clone(),)).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| result.get());
        for _ in 0..100 {
            assert!(!result.ready());
        }
        assert!(result.get_timeout(Duration::from_millis(5)).unwrap().is_none());
        go.set().unwrap();
        waiting.join().unwrap().unwrap();
    });
}

fn what_nobody_waits_for_is_done_before_the_end() {
    for _ in 0..20 {
        let pool = Pool::new(2).unwrap();
        let marks = Array::<u8>::new(10).unwrap();
        let chain = |pool: PoolHandle, marks: Array<u8>, left: u8| mark(pool, marks, left);
        drop(pool.apply_async(chain, (pool.handle().unwrap(), marks.clone(), 10)).unwrap());
        pool.close();
        assert!(pool.apply_async(double, (1,)).unwrap_err().is_closed());
        pool.join().unwrap();
        assert_eq!(marks.to_vec().unwrap(), [1; 10]);
    }
}

/// Each task leaves a mark and submits the next one.
fn mark(pool: PoolHandle, marks: Array<u8>, left: u8) {
    let Some(next) = left.checked_sub(1) else { return };
    marks.lock_range(next as usize..next as usize + 1).unwrap()[0] = 1;
    drop(pool.apply_async(mark, (pool.clone(), marks, next)).unwrap());
}

fn the_end_of_the_pool_is_an_error() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.handle().unwrap();
    let (arrived, come) = channel::<()>().unwrap();
    let wait = |arrived: Sender<()>, never: Event| {
        arrived.send(&()).unwrap();
        never.wait().unwrap();
    };
    let never = Event::new().unwrap();
    let pending = handle.apply_async(wait, (arrived, never)).unwrap();
    come.recv().unwrap();
    pool.terminate();
    assert!(matches!(pending.get(), Err(TaskError::Cancelled)));
    assert!(matches!(handle.apply(double, (1,)), Err(TaskError::Failed(e)) if e.is_closed()));
    drop(pool);
    assert!(handle.apply_async(double, (1,)).unwrap_err().is_closed());
}

fn who_is_killed_while_it_waits_costs_itself_only() {
    let pool = Pool::new(2).unwrap();
    let handle = pool.handle().unwrap();
    let (tell, told) = channel::<u32>().unwrap();
    let go = Event::new().unwrap();
    let asks = |pool: PoolHandle, tell: Sender<u32>, go: Event| {
        let inner = |tell: Sender<u32>, go: Event, pid: u32| {
            tell.send(&pid).unwrap();
            go.wait().unwrap();
        };
        pool.apply(inner, (tell, go, std::process::id())).unwrap();
    };
    let asked = pool.apply_async(asks, (handle.clone(), tell, go.clone())).unwrap();
    // The inner task runs now, and tells who waits for it.
    procession_testing::kill(told.recv().unwrap()).unwrap();
    assert!(matches!(asked.get(), Err(TaskError::Died(_))));
    go.set().unwrap();
    assert_eq!(handle.apply(double, (3,)).unwrap(), 6);
    pool.join().unwrap();
}

fn nothing_is_left_behind() {
    drop(Pool::new(1).unwrap());
    let before = Census::take_at_rest();
    let audit = procession::audit().unwrap();
    for i in 0..4 {
        let pool = Pool::new(2).unwrap();
        let handle = pool.handle().unwrap();
        let pending: Vec<_> =
            (0..50).map(|n| handle.apply_async(|n: usize| vec![1_u8; n], (n * 1000,)).unwrap()).collect();
        match i % 3 {
            0 => pool.join().unwrap(),
            1 => pool.terminate(),
            _ => drop(pool),
        }
        for result in pending {
            assert!(i % 3 != 0 || result.get().is_ok());
        }
    }
    before.wait_until_back();
    // Two threads that let go of workers at once may have left the sweep to each other.
    procession_core::sweep().unwrap();
    let after = procession::audit().unwrap();
    assert_eq!((&after.objects, after.blocks, after.members), (&audit.objects, audit.blocks, 1), "{after:?}");
}
