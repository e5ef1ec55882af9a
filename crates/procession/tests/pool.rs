//! The pool: values in order, tasks in any number, callbacks, ends, and nothing left behind.

use procession::{Pool, TaskError};
use procession_testing::{Census, Gate, OneWay, Stubborn, tests};
use std::{
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

mod methods;

fn main() -> ExitCode {
    procession::init();
    methods::adopt();
    if let Ok(program) = std::env::var("PROGRAM") {
        return match program.as_str() {
            "little memory" => little_memory(),
            other => panic!("no program {other}"),
        };
    }
    let all = || {
        tests![
            maps_in_order,
            maps_anything,
            maps_nothing,
            starmap_spreads_tuples,
            apply_gives_values_and_failures,
            results_are_taken_in_any_order,
            get_timeout_waits_no_longer,
            many_outstanding_results,
            callbacks_run_here,
            a_callback_that_panics_harms_nothing,
            a_callback_cannot_join_its_pool,
            threads_share_a_pool,
            large_arguments_and_results,
            a_slow_task_holds_nobody_back,
            codec_errors_are_values,
            closed_and_terminated_pools_refuse,
            terminate_cancels_what_is_left,
            a_map_hears_of_the_end_of_its_pool,
            close_then_join_finishes_everything,
            bad_settings_are_refused,
            an_idle_pool_uses_no_processor,
            nothing_is_left_behind,
            little_memory_gives_errors,
        ]
    };
    procession_testing::run(methods::each(all).collect())
}

fn maps_in_order() {
    let pool = Pool::new(3).unwrap();
    for count in [1, 2, 10, 1000, 100_000] {
        let squares = pool.map(|n: u64| n * n, 0..count).unwrap();
        assert!(squares.into_iter().eq((0..count).map(|n| n * n)), "{count}");
    }
    let statistics = pool.statistics();
    assert_eq!((statistics.workers, statistics.done, statistics.queued), (3, 101_013, 0));
}

fn maps_anything() {
    let pool = Pool::new(2).unwrap();
    // An iterator that doesn't know its length, of values of all sizes.
    let texts = (0..2000).filter(|n| n % 3 == 0).map(|n| "x".repeat(n * n % 20_011));
    let lengths = pool.map(|text: String| (text.len(), text), texts.clone()).unwrap();
    assert!(lengths.into_iter().eq(texts.map(|text| (text.len(), text))));
    assert_eq!(pool.map(|(): ()| (), vec![(); 70_000]).unwrap().len(), 70_000);
}

fn maps_nothing() {
    let pool = Pool::new(2).unwrap();
    assert!(pool.map(|n: u8| n, []).unwrap().is_empty());
}

fn starmap_spreads_tuples() {
    let pool = Pool::new(2).unwrap();
    let sums = pool.starmap(|a: u32, b: u32| a + b, (0..100).map(|n| (n, 2 * n))).unwrap();
    assert!(sums.into_iter().eq((0..100).map(|n| 3 * n)));
    assert_eq!(pool.starmap(|| 7, [(), ()]).unwrap(), [7, 7]);
}

fn apply_gives_values_and_failures() {
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.apply(|a: u32, b: String| format!("{a}{b}"), (4, "2".into())).unwrap(), "42");
    let error = pool.apply(|n: u32| -> u32 { panic!("no {n}") }, (3,)).unwrap_err();
    let TaskError::Panicked(info) = error else { panic!("{error}") };
    assert_eq!(info.message(), "no 3");
    assert!(info.location().unwrap().contains("pool.rs"));
    // Of several failures a map gives the first, in the order of the items.
    let error = pool.map(|n: u32| if n % 10 == 7 { panic!("at {n}") } else { n }, 0..100).unwrap_err();
    assert!(matches!(&error, TaskError::Panicked(info) if info.message() == "at 7"), "{error}");
    assert_eq!(pool.map(|n: u32| n, 0..3).unwrap(), [0, 1, 2]);
}

fn results_are_taken_in_any_order() {
    let pool = Pool::new(2).unwrap();
    let results: Vec<_> = (0..500u64).map(|n| pool.apply_async(|n: u64| n + 1, (n,)).unwrap()).collect();
    for (n, result) in results.iter().enumerate().rev() {
        assert_eq!(result.get().unwrap(), n as u64 + 1);
        assert_eq!(result.get().unwrap(), n as u64 + 1, "and again");
        assert!(result.ready());
    }
}

fn get_timeout_waits_no_longer() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::new("timeout");
    let result = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let open = gate.arrive();
    assert!(!result.ready() && !result.wait(Duration::from_millis(10)));
    assert!(result.get_timeout(Duration::from_millis(10)).unwrap().is_none());
    drop(open);
    result.get().unwrap();
    assert_eq!(result.get_timeout(Duration::ZERO).unwrap(), Some(()));
}

fn many_outstanding_results() {
    let pool = Pool::new(2).unwrap();
    let results: Vec<_> = (0..100_000u32).map(|n| pool.apply_async(|n: u32| n, (n,)).unwrap()).collect();
    assert!(results.iter().enumerate().all(|(n, result)| result.get().unwrap() == n as u32));
}

fn callbacks_run_here() {
    let pool = Pool::new(2).unwrap();
    let own = std::process::id();
    let (values, received) = mpsc::channel();
    let mut results = Vec::new();
    for n in 0..100u32 {
        let values = values.clone();
        let callback = move |n: u32| values.send((n, std::process::id())).unwrap();
        results.push(pool.apply_async(|n: u32| n * 2, (n,)).unwrap().callback(callback));
    }
    // Nobody waits for the results; the callbacks come all the same.
    let mut seen: Vec<_> = received.iter().take(100).collect();
    seen.sort();
    assert!(seen.into_iter().eq((0..100).map(|n| (2 * n, own))));
    // On a result that is there already, and for failures only where there is one.
    let (errors, failed) = mpsc::channel();
    let (more, ok) = (errors.clone(), pool.apply_async(|| 5, ()).unwrap());
    assert_eq!(ok.get().unwrap(), 5);
    let ok = ok.error_callback(move |error| more.send(error.to_string()).unwrap());
    let bad = pool.apply_async(|| -> () { panic!("deliberate") }, ()).unwrap();
    let bad = bad
        .callback(|()| unreachable!())
        .error_callback(move |error| errors.send(error.to_string()).unwrap());
    assert!(failed.recv().unwrap().contains("deliberate"));
    drop((ok, bad, results));
    pool.join().unwrap();
    assert!(failed.try_recv().is_err(), "and no more");
}

fn a_callback_that_panics_harms_nothing() {
    let pool = Pool::new(1).unwrap();
    let (values, received) = mpsc::channel();
    let first = pool.apply_async(|| 1, ()).unwrap().callback(|_| panic!("a callback's panic, on purpose"));
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a second one, on purpose");
        }
    }
    let bomb = pool.apply_async(|| 3, ()).unwrap().callback(|_| std::panic::panic_any(Bomb));
    assert_eq!(bomb.get().unwrap(), 3);
    let second = pool.apply_async(|| 2, ()).unwrap().callback(move |n: i32| values.send(n).unwrap());
    assert_eq!(received.recv().unwrap(), 2);
    assert_eq!((first.get().unwrap(), second.get().unwrap()), (1, 2));
    pool.join().unwrap();
}

fn threads_share_a_pool() {
    let pool = Pool::new(2).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..20 {
                    let values = pool.map(|n: u64| n + 1, (0..500).map(|n| n * thread)).unwrap();
                    assert!(values.into_iter().eq((0..500).map(|n| n * thread + 1)));
                    assert_eq!(pool.apply(|n: u64| n, (round,)).unwrap(), round);
                }
            });
        }
    });
}

fn large_arguments_and_results() {
    let pool = Pool::new(2).unwrap();
    let sizes = [0, 1, 8_000, 8_192, 8_193, 50_000, 70_000, 1_000_000, 9_000_000];
    let sums = pool
        .map(|bytes: Vec<u8>| bytes.iter().map(|b| *b as u64).sum::<u64>(), sizes.map(|n| vec![3; n]))
        .unwrap();
    assert!(sums.into_iter().eq(sizes.iter().map(|n| 3 * *n as u64)));
    let bytes = pool.map(|n: usize| vec![n as u8; n], sizes).unwrap();
    assert!(bytes.into_iter().eq(sizes.iter().map(|n| vec![*n as u8; *n])));
    drop(pool);
    assert_eq!(procession::audit().unwrap().blocks, 0);
}

fn a_slow_task_holds_nobody_back() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new("slow");
    let slow = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let open = gate.arrive();
    // Half of these are handed to the worker that is stuck; all of them end before it goes on.
    let results: Vec<_> = (0..1000u32).map(|n| pool.apply_async(|n: u32| n, (n,)).unwrap()).collect();
    assert!(results.iter().enumerate().all(|(n, result)| result.get().unwrap() == n as u32));
    assert_eq!(pool.map(|n: u32| n, 0..10_000).unwrap().len(), 10_000);
    assert!(!slow.ready());
    drop(open);
    slow.get().unwrap();
}

fn codec_errors_are_values() {
    let pool = Pool::new(1).unwrap();
    let error = pool.apply_async(|_: Stubborn| (), (Stubborn,)).unwrap_err();
    assert!(error.is_codec() && error.to_string().contains("Stubborn"), "{error}");
    for error in [
        pool.apply(|_: OneWay| (), (OneWay(1),)).unwrap_err(),
        pool.apply(|| OneWay(1), ()).map(|_| ()).unwrap_err(),
        pool.apply(|| Stubborn, ()).map(|_| ()).unwrap_err(),
        pool.map(|n: u8| if n == 0 { Some(Stubborn) } else { None }, 0..9).map(|_| ()).unwrap_err(),
    ] {
        let TaskError::Codec(error) = error else { panic!("{error}") };
        assert!(error.to_string().contains("OneWay") || error.to_string().contains("Stubborn"), "{error}");
    }
    assert_eq!(pool.apply(|| 1, ()).unwrap(), 1);
}

fn closed_and_terminated_pools_refuse() {
    for end in [Pool::close as fn(&Pool), Pool::terminate] {
        let pool = Pool::new(1).unwrap();
        assert_eq!(pool.apply(|| 1, ()).unwrap(), 1);
        end(&pool);
        assert!(pool.apply_async(|| 1, ()).unwrap_err().is_closed());
        assert!(matches!(pool.apply(|| 1, ()), Err(TaskError::Failed(e)) if e.is_closed()));
        assert!(matches!(pool.map(|n: u8| n, 0..3), Err(TaskError::Failed(e)) if e.is_closed()));
        end(&pool);
        pool.terminate();
        pool.join().unwrap();
    }
}

fn terminate_cancels_what_is_left() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new("terminate");
    let running = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let _open = gate.arrive();
    let second = Gate::new("terminate2");
    let blocked = pool.apply_async(Gate::pass, second.argument()).unwrap();
    let _open_too = second.arrive();
    let queued = pool.apply_async(|| 1, ()).unwrap();
    pool.terminate();
    assert!(matches!(running.get(), Err(TaskError::Cancelled)));
    assert!(matches!(blocked.get(), Err(TaskError::Cancelled)));
    assert!(matches!(queued.get(), Err(TaskError::Cancelled)));
    assert_eq!(pool.statistics().workers, 0);
    // A result outlives its pool.
    let pool = Pool::new(1).unwrap();
    let done = pool.apply_async(|| 4, ()).unwrap();
    assert_eq!(done.get().unwrap(), 4);
    drop(pool);
    assert_eq!(done.get().unwrap(), 4);
}

fn close_then_join_finishes_everything() {
    let pool = Pool::builder().workers(2).name("closing").build().unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    let mut results = Vec::new();
    for n in 0..2000u32 {
        let done = done.clone();
        let count = move |_| {
            done.fetch_add(1, Ordering::SeqCst);
        };
        results.push(pool.apply_async(|n: u32| n, (n,)).unwrap().callback(count));
    }
    pool.close();
    pool.join().unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 2000);
    assert!(results.iter().all(|result| result.ready()));
}

fn bad_settings_are_refused() {
    let error = Pool::new(0).unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("at least one"), "{error}");
    assert!(Pool::builder().name("a\0b").build().unwrap_err().is_invalid_argument());
    assert!(Pool::builder().build().unwrap().statistics().workers >= 1);
}

fn an_idle_pool_uses_no_processor() {
    let pool = Pool::new(2).unwrap();
    pool.map(|n: u32| n, 0..1000).unwrap();
    let ticks = |pid: &u32| -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let pids = [pool.worker_pids(), vec![std::process::id()]].concat();
    std::thread::sleep(Duration::from_millis(100));
    let before: u64 = pids.iter().map(ticks).sum();
    std::thread::sleep(Duration::from_secs(1));
    let after: u64 = pids.iter().map(ticks).sum();
    // In hundredths of a second: one processor of one process would be 100.
    assert!(after - before <= 5, "{} ticks in a second", after - before);
}

fn nothing_is_left_behind() {
    drop(Pool::new(1).unwrap());
    let before = Census::take_at_rest();
    let audit = procession::audit().unwrap();
    for i in 0..6 {
        let pool = Pool::new(3).unwrap();
        pool.map(|n: usize| vec![1_u8; n], (0..50).map(|n| n * 1000)).unwrap();
        let _ = pool.apply(|| -> () { std::process::abort() }, ());
        let unseen: Vec<_> = (0..100)
            .map(|n| pool.apply_async(|bytes: Vec<u8>| bytes, (vec![0; n * 500],)).unwrap())
            .collect();
        match i % 3 {
            0 => pool.join().unwrap(),
            1 => pool.terminate(),
            _ => drop(pool),
        }
        drop(unseen);
    }
    before.wait_until_back();
    let after = procession::audit().unwrap();
    assert_eq!(
        (&after.objects, after.blocks, after.leaked, after.members),
        (&audit.objects, 0, 0, 1),
        "{after:?}"
    );
}

fn little_memory() -> ExitCode {
    let pool = Pool::new(2).unwrap();
    let error = pool.apply_async(|bytes: Vec<u8>| bytes.len(), (vec![1_u8; 30 << 20],)).unwrap_err();
    assert!(error.is_out_of_memory(), "{error}");
    let error = pool.apply(|| vec![1_u8; 30 << 20], ()).unwrap_err();
    assert!(matches!(&error, TaskError::Failed(e) if e.is_out_of_memory()), "{error}");
    assert_eq!(pool.map(|n: usize| vec![1_u8; n].len(), [1 << 20; 20]).unwrap(), [1 << 20; 20]);
    assert_eq!(
        pool.map(|bytes: Vec<u8>| bytes.len(), [vec![1; 100_000], vec![2; 200_000]]).unwrap(),
        [100_000, 200_000]
    );
    let error = Pool::new(500).unwrap_err();
    assert!(error.is_out_of_memory(), "{error}");
    drop(pool);
    let audit = procession::audit().unwrap();
    assert_eq!((audit.objects.len(), audit.blocks, audit.leaked), (0, 0, 0), "{audit:?}");
    ExitCode::SUCCESS
}

fn little_memory_gives_errors() {
    let status = Command::new("/proc/self/exe")
        .env("PROGRAM", "little memory")
        .env("PROCESSION_ARENA_LIMIT", (16 << 20).to_string())
        .status();
    assert!(status.unwrap().success());
}

fn a_callback_cannot_join_its_pool() {
    let pool = Arc::new(std::sync::Mutex::new(Some(Pool::new(1).unwrap())));
    let (outcome, joined) = mpsc::channel();
    let gate = Gate::new("join");
    let inner = pool.clone();
    let result = pool.lock().unwrap().as_ref().unwrap().apply_async(Gate::pass, gate.argument()).unwrap();
    let result =
        result.callback(move |()| outcome.send(inner.lock().unwrap().take().unwrap().join()).unwrap());
    drop(gate.arrive());
    assert!(joined.recv().unwrap().unwrap_err().is_invalid_argument());
    result.get().unwrap();
}

fn a_map_hears_of_the_end_of_its_pool() {
    let pool = Pool::new(2).unwrap();
    std::thread::scope(|scope| {
        // More items than there will ever be time for.
        let map = scope.spawn(|| pool.map(|n: u64| n, 0..));
        while pool.statistics().done < 10_000 {
            std::thread::yield_now();
        }
        pool.terminate();
        match map.join().unwrap() {
            Err(TaskError::Cancelled) => {}
            Err(TaskError::Failed(e)) => assert!(e.is_closed(), "{e}"),
            other => panic!("{:?}", other.map(|values| values.len())),
        }
    });
}
