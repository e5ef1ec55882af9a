//! Workers that are stopped: they aren't dead, and hold nobody up.

use crate::{busy, stop_fully, until, works};
use procession::{Pool, TaskError};
use procession_testing::{Gate, Ledger, resume};
use std::time::Duration;

/// So short that it's over soon, so long that a short task is done by then whatever else this machine does.
const LIMIT: Duration = Duration::from_millis(700);

const TASKS: usize = 40;
const BAD: u32 = 7;

fn enter((path, number): (String, u32)) -> u32 {
    Ledger::enter(&path, number);
    number
}

pub(crate) fn a_running_task_is_late() {
    let pool = Pool::new(2).unwrap();
    let (gate, ledger) = (Gate::new("stopped"), Ledger::new("stopped"));
    // The one with the gate is handed out among others, in one batch.
    let task = |(gate, path, number): (String, String, u32)| {
        if number == BAD {
            Gate::pass(gate);
        }
        enter((path, number))
    };
    let items = (0..TASKS as u32).map(|n| (gate.argument().0, ledger.argument(), n));
    // All of them at once: an `imap` whose next result is missing reads no further than its window.
    let options = pool.options().timeout(LIMIT).chunk(20).window(TASKS);
    let mut outcomes: Vec<_> = std::thread::scope(|scope| {
        let results = scope.spawn(|| options.imap(task, items).collect());
        let open = gate.arrive();
        until(|| pool.statistics().done == TASKS as u64 - 1);
        for worker in busy(&pool) {
            stop_fully(worker);
        }
        // It could go on now, if it weren't stopped.
        drop(open);
        results.join().unwrap()
    });
    assert!(matches!(outcomes.remove(BAD as usize), Err(TaskError::TimedOut)));
    assert!(outcomes.into_iter().map(Result::unwrap).eq((0..TASKS as u32).filter(|n| *n != BAD)));
    let counts = ledger.counts(TASKS);
    assert!(counts.iter().enumerate().all(|(n, count)| *count == (n as u32 != BAD) as u32), "{counts:?}");
    works(&pool, 2);
    assert_eq!((pool.statistics().failed, pool.statistics().deaths), (1, 0));
    pool.join().unwrap();
}

pub(crate) fn idle_workers_are_replaced() {
    let pool = Pool::builder().workers(2).task_timeout(LIMIT).build().unwrap();
    works(&pool, 2);
    let all = pool.worker_pids();
    all.iter().for_each(|worker| stop_fully(*worker));
    let ledger = Ledger::new("stopped idle");
    let results: Vec<_> =
        (0..TASKS as u32).map(|n| pool.apply_async(enter, ((ledger.argument(), n),)).unwrap()).collect();
    assert!(results.iter().enumerate().all(|(n, result)| result.get().unwrap() == n as u32));
    assert_eq!(ledger.counts(TASKS), [1; TASKS]);
    // Who was given something is replaced; of the other one, whose tasks that one's successor may have taken over, nothing is known.
    assert!(pool.worker_pids().iter().any(|worker| !all.contains(worker)));
    assert_eq!(pool.statistics().failed, 0);
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn idle_workers_without_a_limit_keep_nothing() {
    let pool = Pool::new(2).unwrap();
    works(&pool, 2);
    let stopped = pool.worker_pids()[0];
    stop_fully(stopped);
    let ledger = Ledger::new("stopped without a limit");
    let results: Vec<_> =
        (0..TASKS as u32).map(|n| pool.apply_async(enter, ((ledger.argument(), n),)).unwrap()).collect();
    assert!(results.iter().enumerate().all(|(n, result)| result.get().unwrap() == n as u32));
    // One task alone might be given to the one that is stopped, too.
    for n in 0..3 {
        assert_eq!(pool.apply(|n: u32| n, (n,)).unwrap(), n);
    }
    assert!(pool.worker_pids().contains(&stopped), "it isn't dead");
    resume(stopped).unwrap();
    works(&pool, 2);
    assert_eq!(ledger.counts(TASKS), [1; TASKS]);
    assert_eq!((pool.statistics().failed, pool.statistics().deaths), (0, 0));
    pool.join().unwrap();
}
