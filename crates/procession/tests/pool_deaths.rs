//! The pool and deaths: of workers, one by one and by the thousand; of workers that never start; of their owner.

use procession::{Pool, TaskError};
use procession_testing::{Census, Gate, Ledger, Rng, kill, processes_with, raise, tests};
use std::{
    collections::HashSet,
    io::BufRead,
    process::{Command, ExitCode, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

fn main() -> ExitCode {
    let program = std::env::var("PROGRAM").ok();
    if program.as_deref() == Some("workers that cannot start")
        && std::env::var_os("PROCESSION_CHILD").is_some()
    {
        // A program that doesn't reach init() in its children.
        return ExitCode::from(3);
    }
    procession::init();
    if let Some(program) = program {
        return match program.as_str() {
            "busy pool" => busy_pool(),
            "workers that cannot start" => workers_that_cannot_start(),
            other => panic!("no program {other}"),
        };
    }
    procession_testing::run(tests![
        a_dead_worker_costs_one_task,
        every_end_of_a_worker_is_survived,
        workers_that_cannot_start_are_an_error,
        what_is_cancelled_did_not_run,
        a_long_task_leaves_the_others_their_pace,
        random_kills_lose_one_task_each,
        a_killed_owner_takes_its_workers_with_it,
    ])
}

fn a_dead_worker_costs_one_task() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new("dead");
    let before: HashSet<u32> = pool.worker_pids().into_iter().collect();
    let stuck = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let _open = gate.arrive();
    // Both workers have more to do than this; who is stuck can't be told, so both are killed.
    let queued: Vec<_> = (0..100u32).map(|n| pool.apply_async(|n: u32| n, (n,)).unwrap()).collect();
    assert!(queued.iter().enumerate().all(|(n, result)| result.get().unwrap() == n as u32));
    for worker in &before {
        kill(*worker).unwrap();
    }
    let Err(TaskError::Died(status)) = stuck.get() else { panic!("it was running") };
    assert_eq!(status.signal(), Some(9));
    assert_eq!(pool.map(|n: u32| n, 0..1000).unwrap().len(), 1000);
    assert!(pool.worker_pids().iter().all(|pid| !before.contains(pid)));
    assert_eq!(pool.statistics().failed, 1);
    assert_eq!(pool.statistics().deaths, 2);
}

fn every_end_of_a_worker_is_survived() {
    let pool = Pool::new(2).unwrap();
    let died = |result: Result<(), TaskError>| match result {
        Err(TaskError::Died(status)) => (status.code(), status.signal()),
        other => panic!("not a death: {other:?}"),
    };
    for _ in 0..3 {
        assert_eq!(died(pool.apply(raise, (9,))), (None, Some(9)));
        assert_eq!(died(pool.apply(raise, (11,))), (None, Some(11)));
        assert_eq!(died(pool.apply(|| -> () { std::process::abort() }, ())), (None, Some(6)));
        assert_eq!(died(pool.apply(|| -> () { std::process::exit(0) }, ())), (Some(0), None));
        assert_eq!(died(pool.apply(|| -> () { std::process::exit(3) }, ())), (Some(3), None));
        assert!(matches!(pool.apply(|| -> () { panic!("and this") }, ()), Err(TaskError::Panicked(_))));
        assert_eq!(pool.apply(|| 1, ()).unwrap(), 1);
    }
    assert_eq!(pool.statistics().deaths, 15);
}

fn workers_that_cannot_start() -> ExitCode {
    let pool = Pool::new(2).unwrap();
    let results: Vec<_> = (0..10).filter_map(|n| pool.apply_async(|n: u32| n, (n,)).ok()).collect();
    for result in results {
        let Err(TaskError::Failed(error)) = result.get() else { panic!("no worker can have run it") };
        assert!(error.is_start_failed() && error.to_string().contains("init()"), "{error}");
    }
    assert!(pool.apply_async(|| 1, ()).unwrap_err().is_start_failed());
    ExitCode::SUCCESS
}

fn workers_that_cannot_start_are_an_error() {
    let status = Command::new("/proc/self/exe").env("PROGRAM", "workers that cannot start").status();
    assert!(status.unwrap().success());
}

const KILLS: usize = 2000;

fn random_kills_lose_one_task_each() {
    drop(Pool::new(1).unwrap());
    let before = Census::take_at_rest();
    let ledger = Ledger::new("kills");
    let pool = Pool::new(4).unwrap();
    let mut rng = Rng::new("random kills");
    let stop = AtomicBool::new(false);
    let outcomes = Mutex::new(Vec::new());
    let kills = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                let batch: Vec<_> = (0..200)
                    .map(|_| {
                        let task = |path: String, number: u32, size: usize| {
                            Ledger::enter(&path, number);
                            (number, vec![number as u8; size])
                        };
                        let size = if number % 7 == 0 { 20_000 } else { number as usize % 50 };
                        let result = pool.apply_async(task, (ledger.argument(), number, size)).unwrap();
                        number += 1;
                        (number - 1, size, result)
                    })
                    .collect();
                let mut outcomes = outcomes.lock().unwrap();
                for (number, size, result) in batch {
                    match result.get() {
                        Ok((n, bytes)) => {
                            assert!(
                                n == number && bytes == vec![number as u8; size],
                                "task {number} is torn"
                            );
                            outcomes.push(true);
                        }
                        Err(TaskError::Died(status)) => {
                            assert_eq!(status.signal(), Some(9));
                            outcomes.push(false);
                        }
                        Err(e) => panic!("task {number}: {e}"),
                    }
                }
            }
        });
        let mut kills = 0;
        while kills < KILLS {
            let workers = pool.worker_pids();
            if let Some(worker) = workers.get(rng.below(workers.len().max(1)))
                && kill(*worker).is_ok()
            {
                kills += 1;
            }
            // Among busy workers: after some more tasks were done.
            let enough = pool.statistics().done + rng.below(12) as u64;
            while pool.statistics().done < enough {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        kills
    });
    let outcomes = outcomes.into_inner().unwrap();
    let lost = outcomes.iter().filter(|ok| !**ok).count();
    println!("{} tasks, {kills} kills, {lost} tasks lost", outcomes.len());
    assert!(lost <= kills);
    for (number, (ok, count)) in outcomes.iter().zip(ledger.counts(outcomes.len())).enumerate() {
        assert!(count <= 1, "task {number} was run {count} times");
        assert!(!ok || count == 1, "task {number} has a value, and was not run");
    }
    let statistics = pool.statistics();
    assert_eq!(statistics.done + statistics.failed, outcomes.len() as u64);
    pool.join().unwrap();
    drop(pool);
    before.wait_until_back();
    let audit = procession::audit().unwrap();
    assert_eq!((audit.objects.len(), audit.blocks, audit.leaked, audit.members), (0, 0, 0, 1), "{audit:?}");
}

const MARK: &str = "PROCESSION_TEST_MARK";

fn busy_pool() -> ExitCode {
    let pool = Pool::new(3).unwrap();
    println!("up");
    let _ = pool.map(|n: u64| (0..n).fold(n, |a, b| a.rotate_left(3) ^ b), std::iter::repeat(1_000_000));
    ExitCode::SUCCESS
}

fn a_killed_owner_takes_its_workers_with_it() {
    for round in 0..5 {
        let mark = format!("busy-pool-{round}-{}", std::process::id());
        let mut root = Command::new("/proc/self/exe")
            .env("PROGRAM", "busy pool")
            .env(MARK, &mark)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(root.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        root.kill().unwrap();
        root.wait().unwrap();
        while !processes_with(MARK, &mark).is_empty() {
            std::thread::yield_now();
        }
    }
}

fn what_is_cancelled_did_not_run() {
    for _ in 0..10 {
        let ledger = Ledger::new("cancelled");
        let pool = Pool::new(2).unwrap();
        // Large arguments, which lie in shared memory until their tasks are done.
        let task = |path: String, number: u32, bytes: Vec<u8>| {
            assert!(bytes.iter().all(|byte| *byte == 7));
            Ledger::enter(&path, number);
        };
        let results: Vec<_> = (0..200)
            .map(|n| pool.apply_async(task, (ledger.argument(), n, vec![7; 9000])).unwrap())
            .collect();
        results[3].get().unwrap();
        pool.terminate();
        let counts = ledger.counts(results.len());
        // One task of each worker may have been running, and been killed after it wrote.
        let cancelled = results.iter().map(|result| matches!(result.get(), Err(TaskError::Cancelled)));
        let both = cancelled.zip(counts).filter(|(cancelled, count)| *cancelled && *count > 0).count();
        assert!(both <= 2, "{both} tasks were called cancelled and had run");
    }
}

fn a_long_task_leaves_the_others_their_pace() {
    let pool = Pool::new(2).unwrap();
    let gate = Gate::new("long");
    let long = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let open = gate.arrive();
    // Many times what fits into the ring of the one that is stuck, in tasks that can be taken back from it.
    for _ in 0..30 {
        let results: Vec<_> = (0..5000u32).map(|n| pool.apply_async(|n: u32| n, (n,)).unwrap()).collect();
        assert!(results.iter().enumerate().all(|(n, result)| result.get().unwrap() == n as u32));
    }
    assert!(!long.ready());
    drop(open);
    long.get().unwrap();
    pool.join().unwrap();
}
