//! Ends of a pool, of every kind, whatever it's doing.

use crate::{
    deaths::{ABORT, PANIC, end},
    forever, is_cancelled, until, works,
};
use procession::{AsyncResult, Pool, TaskError};
use procession_testing::{Gate, kill};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

type End = fn(Pool);

const ENDS: [(&str, End); 4] = [
    ("join", |pool| pool.join().unwrap()),
    ("close and join", |pool| {
        pool.close();
        pool.join().unwrap();
        assert_eq!(pool.statistics().workers, 0);
    }),
    ("terminate", |pool| {
        pool.terminate();
        assert_eq!(pool.statistics().workers, 0);
        assert!(pool.apply_async(|| 1, ()).unwrap_err().is_closed());
    }),
    ("drop", drop),
];

fn short(n: u32) -> u32 {
    std::hint::black_box((0..20_000).fold(n, |a: u32, b| a.rotate_left(3) ^ b));
    n
}

/// Puts a pool into a state, and gives what it was told to do.
type State = fn() -> (Pool, Vec<AsyncResult<u32>>);

fn submit(pool: &Pool, count: u32) -> Vec<AsyncResult<u32>> {
    (0..count).map(|n| pool.apply_async(short, (n,)).unwrap()).collect()
}

const STATES: [(&str, State); 7] = [
    ("starting", || (Pool::new(3).unwrap(), vec![])),
    ("starting, with tasks", || {
        let pool = Pool::new(2).unwrap();
        let results = submit(&pool, 20);
        (pool, results)
    }),
    ("idle", || {
        let pool = Pool::new(2).unwrap();
        works(&pool, 2);
        (pool, vec![])
    }),
    ("busy", || {
        let pool = Pool::new(2).unwrap();
        works(&pool, 2);
        let results = submit(&pool, 500);
        (pool, results)
    }),
    ("growing", || {
        let pool = Pool::new(1..=4).unwrap();
        let results = submit(&pool, 500);
        until(|| pool.statistics().workers > 1 || pool.statistics().done > 450);
        (pool, results)
    }),
    ("replacing", || {
        let pool = Pool::new(2).unwrap();
        works(&pool, 2);
        let results = submit(&pool, 50);
        for pid in pool.worker_pids() {
            let _ = kill(pid);
        }
        (pool, results)
    }),
    ("never ready", || {
        let pool = Pool::builder().workers(2).initializer(end, (PANIC,)).build().unwrap();
        let results = (0..5).filter_map(|n| pool.apply_async(short, (n,)).ok()).collect();
        (pool, results)
    }),
];

pub(crate) fn of_every_kind_in_every_state() {
    for (state, make) in STATES {
        for (end, finish) in ENDS {
            let (pool, results) = make();
            let heard = Arc::new(AtomicUsize::new(0));
            let count = |heard: &Arc<AtomicUsize>| {
                let heard = heard.clone();
                move || {
                    heard.fetch_add(1, Ordering::SeqCst);
                }
            };
            let results: Vec<_> = results
                .into_iter()
                .map(|result| {
                    let (good, bad) = (count(&heard), count(&heard));
                    result.callback(move |_| good()).error_callback(move |_| bad())
                })
                .collect();
            finish(pool);
            let (mut cancelled, mut died) = (0, 0);
            for (n, result) in results.iter().enumerate() {
                assert!(result.ready(), "{state}, {end}: task {n}");
                match result.get() {
                    Ok(value) => assert_eq!(value, n as u32),
                    Err(TaskError::Cancelled) => cancelled += 1,
                    Err(TaskError::Died(_)) => died += 1,
                    Err(TaskError::Failed(error)) => {
                        assert!(state == "never ready" && error.is_start_failed(), "{state}, {end}: {error}");
                    }
                    Err(error) => panic!("{state}, {end}: {error}"),
                }
            }
            assert!(
                cancelled == 0 || ["terminate", "drop"].contains(&end),
                "{state}, {end}: {cancelled} cancelled"
            );
            assert!(died <= if state == "replacing" { 2 } else { 0 }, "{state}, {end}: {died} died");
            // Every callback has run after a join, and runs after the others.
            if end.contains("join") {
                assert_eq!(heard.load(Ordering::SeqCst), results.len(), "{state}, {end}");
            }
            until(|| heard.load(Ordering::SeqCst) == results.len());
        }
    }
}

pub(crate) fn twice_and_more() {
    let pool = Pool::new(2).unwrap();
    let results = submit(&pool, 50);
    for _ in 0..2 {
        pool.close();
        assert!(pool.apply_async(short, (1,)).unwrap_err().is_closed());
        pool.join().unwrap();
        pool.terminate();
    }
    assert!(results.iter().all(AsyncResult::successful));
    // By many threads at once.
    for _ in 0..10 {
        let pool = Pool::new(2).unwrap();
        let results = submit(&pool, 200);
        thread::scope(|scope| {
            for thread in 0..6 {
                let pool = &pool;
                scope.spawn(move || match thread % 3 {
                    0 => pool.join().unwrap(),
                    1 => pool.terminate(),
                    _ => pool.close(),
                });
            }
        });
        assert!(results.iter().all(|result| is_cancelled(&result.get()) || result.successful()));
        drop(pool);
        let pool = Pool::new(2).unwrap();
        let results = submit(&pool, 200);
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(|| pool.join().unwrap()))));
        assert!(results.iter().all(AsyncResult::successful));
    }
}

pub(crate) fn while_join_waits() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new("join");
    let never = pool.apply_async(forever, ()).unwrap();
    let _arrives = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let queued = submit(&pool, 20);
    thread::scope(|scope| {
        let join = scope.spawn(|| pool.join());
        let _open = gate.arrive();
        // Closed by the one that joins: it waits by now, or is about to.
        until(|| pool.apply_async(short, (1,)).is_err());
        assert!(!join.is_finished());
        pool.terminate();
        join.join().unwrap().unwrap();
    });
    assert!(is_cancelled(&never.get()));
    assert!(queued.iter().all(|result| is_cancelled(&result.get()) || result.successful()));
}

pub(crate) fn inside_a_callback() {
    // Whatever it does to its pool, and be it that the last of it goes there.
    let ends: [fn(Arc<Pool>); 4] = [
        |pool| pool.close(),
        |pool| pool.terminate(),
        |pool| assert!(pool.join().unwrap_err().is_invalid_argument()),
        drop,
    ];
    for end in ends {
        let pool = Arc::new(Pool::new(2).unwrap());
        let (gate, (done, heard)) = (Gate::new("callback"), mpsc::channel());
        let first = pool.apply_async(Gate::pass, gate.argument()).unwrap();
        let held = Arc::new(Mutex::new(None));
        let inner = held.clone();
        let first = first.callback(move |()| {
            end(inner.lock().unwrap().take().unwrap());
            done.send(()).unwrap();
        });
        let queued = submit(&pool, 50);
        *held.lock().unwrap() = Some(pool);
        drop(gate.arrive());
        heard.recv().unwrap();
        first.get().unwrap();
        assert!(queued.iter().all(|result| is_cancelled(&result.get()) || result.successful()));
    }
}

pub(crate) fn in_a_map() {
    let ends: [fn(&Pool); 3] = [Pool::close, Pool::terminate, |pool| pool.join().unwrap()];
    for end in ends {
        let pool = Pool::new(2).unwrap();
        thread::scope(|scope| {
            let map = scope.spawn(|| pool.map(|n: u64| n, 0..).map(drop));
            let asynchronous = scope.spawn(|| pool.map_async(|n: u64| n, 0..).map(drop));
            until(|| pool.statistics().done > 5000);
            end(&pool);
            match map.join().unwrap().unwrap_err() {
                TaskError::Cancelled => {}
                TaskError::Failed(error) => assert!(error.is_closed(), "{error}"),
                error => panic!("{error}"),
            }
            assert!(asynchronous.join().unwrap().unwrap_err().is_closed());
        });
        pool.join().unwrap();
    }
}

pub(crate) fn in_an_imap() {
    for (name, end) in ENDS {
        for is_ordered in [true, false] {
            let pool = Pool::new(2).unwrap();
            let options = pool.options().window(50);
            let mut lazy =
                if is_ordered { options.imap(short, 0..) } else { options.imap_unordered(short, 0..) };
            for _ in 0..3 {
                lazy.next().unwrap().unwrap();
            }
            end(pool);
            let mut errors = 0;
            for (n, outcome) in (3..).zip(&mut lazy) {
                match outcome {
                    Ok(value) => assert!(!is_ordered || value == n),
                    Err(TaskError::Cancelled) => errors += 1,
                    Err(TaskError::Failed(error)) => {
                        assert!(error.is_closed(), "{name}: {error}");
                        errors += 1;
                    }
                    Err(error) => panic!("{name}: {error}"),
                }
                assert!(n < 200, "{name}: it ends");
            }
            // At least it's said that not all was done.
            assert!(errors > 0 && lazy.next().is_none(), "{name}: {errors} errors");
        }
    }
    // Deaths and the end at once.
    let pool = Pool::new(2).unwrap();
    let mut lazy = pool.options().window(20).imap(
        |n: u32| {
            if n > 5 {
                end(ABORT)
            }
        },
        0..,
    );
    lazy.next().unwrap().unwrap();
    pool.terminate();
    assert!(lazy.count() < 60);
}
