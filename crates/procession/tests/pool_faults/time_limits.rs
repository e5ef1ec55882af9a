//! Tasks that take longer than they may.

use crate::{forever, works};
use procession::{Pool, TaskError};
use procession_testing::{Ledger, Rng};
use std::time::Duration;

/// For tasks that never end; no other has it.
const SHORT: Duration = Duration::from_millis(30);
/// So long that a short task is done by then whatever else this machine does.
const LONG: Duration = Duration::from_millis(700);

const TASKS: u32 = 60;

fn is_late<R>(outcome: &Result<R, TaskError>) -> bool {
    matches!(outcome, Err(TaskError::TimedOut))
}

fn hangs(n: u32) -> bool {
    n % 20 == 10
}

fn some_hang((path, number): (String, u32)) -> u32 {
    Ledger::enter(&path, number);
    if hangs(number) {
        forever();
    }
    2 * number
}

pub(crate) fn of_one_call() {
    let pool = Pool::new(2).unwrap();
    let limited = || pool.options().timeout(SHORT);
    assert!(is_late(&limited().apply(forever, ())));
    assert!(is_late(&limited().apply_async(forever, ()).unwrap().get()));
    assert!(is_late(&limited().map(|(): ()| forever(), [(), ()])));
    assert!(is_late(&limited().map_async(|(): ()| forever(), [(), ()]).unwrap().get()));
    assert!(limited().imap(|(): ()| forever(), [(), ()]).all(|outcome| is_late(&outcome)));
    // Instead of the pool's own, also where that is longer.
    works(&pool, 2);
    pool.join().unwrap();
    let pool = Pool::builder().workers(1).task_timeout(Duration::from_secs(3600)).build().unwrap();
    assert!(is_late(&pool.options().timeout(SHORT).apply(forever, ())));
    works(&pool, 1);
    pool.join().unwrap();
}

pub(crate) fn only_late_tasks_are_lost() {
    let pool = Pool::builder().workers(3).task_timeout(LONG).build().unwrap();
    let items = |ledger: &Ledger| -> Vec<_> { (0..TASKS).map(|n| (ledger.argument(), n)).collect() };
    for chunk in [1, 60] {
        let ledger = Ledger::new("late");
        let outcomes: Vec<_> = pool.options().chunk(chunk).imap(some_hang, items(&ledger)).collect();
        assert_eq!(outcomes.len(), TASKS as usize);
        for (n, outcome) in (0..).zip(&outcomes) {
            match outcome {
                Ok(value) => assert_eq!((*value, hangs(n)), (2 * n, false)),
                outcome => assert!(is_late(outcome) && hangs(n), "task {n}: {outcome:?}"),
            }
        }
        assert_eq!(ledger.counts(TASKS as usize), [1; TASKS as usize]);
    }
    let ledger = Ledger::new("late");
    assert!(is_late(&pool.map(some_hang, items(&ledger))));
    assert_eq!(ledger.counts(TASKS as usize), [1; TASKS as usize]);
    let statistics = pool.statistics();
    // Those that the pool ended didn't die.
    assert_eq!((statistics.done, statistics.failed, statistics.deaths), (3 * 57, 3 * 3, 0));
    works(&pool, 3);
    pool.join().unwrap();
}

pub(crate) fn just_in_time() {
    const MILLIS: u64 = 15;
    let pool = Pool::builder().workers(3).task_timeout(Duration::from_millis(MILLIS)).build().unwrap();
    let mut rng = Rng::new("just in time");
    let (begun, ended) = (Ledger::new("just begun"), Ledger::new("just ended"));
    let task = |begun: String, ended: String, number: u32, micros: u64| {
        Ledger::enter(&begun, number);
        std::thread::sleep(Duration::from_micros(micros));
        Ledger::enter(&ended, number);
        number
    };
    const COUNT: u32 = 200;
    let results: Vec<_> = (0..COUNT)
        .map(|n| {
            // About as long as it may take: whichever comes first.
            let micros = (MILLIS - 3) * 1000 + rng.below(6000) as u64;
            pool.apply_async(task, (begun.argument(), ended.argument(), n, micros)).unwrap()
        })
        .collect();
    let outcomes: Vec<_> = results.iter().map(|result| result.get()).collect();
    let (begun, ended) = (begun.counts(COUNT as usize), ended.counts(COUNT as usize));
    let mut late = 0;
    for (n, outcome) in outcomes.iter().enumerate() {
        assert_eq!(begun[n], 1, "task {n}");
        match outcome {
            Ok(number) => assert_eq!((*number, ended[n]), (n as u32, 1)),
            Err(TaskError::TimedOut) => late += 1,
            Err(error) => panic!("task {n}: {error}"),
        }
    }
    println!("{late} of {COUNT} tasks were late");
    let statistics = pool.statistics();
    assert_eq!((statistics.done + statistics.failed, statistics.failed), (COUNT as u64, late));
    assert_eq!(statistics.deaths, 0);
    pool.join().unwrap();
}
