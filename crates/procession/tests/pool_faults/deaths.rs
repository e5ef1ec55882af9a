//! Ends of workers, of every kind, in every call.

use crate::{death, works};
use procession::{Pool, TaskError};
use procession_testing::{Ledger, raise};

/// What a task does to its process.
pub(crate) const ENDS: [(u8, Option<i32>, Option<i32>); 6] = [
    (KILL, None, Some(9)),
    (SEGFAULT, None, Some(11)),
    (ABORT, None, Some(6)),
    (RAW_EXIT, Some(4), None),
    (EXIT, Some(5), None),
    (PANIC, None, None),
];
pub(crate) const KILL: u8 = 0;
const SEGFAULT: u8 = 1;
pub(crate) const ABORT: u8 = 2;
const RAW_EXIT: u8 = 3;
const EXIT: u8 = 4;
pub(crate) const PANIC: u8 = 5;

pub(crate) fn end(how: u8) {
    match how {
        KILL => raise(9),
        SEGFAULT => raise(11),
        ABORT => std::process::abort(),
        // SAFETY: bounds, aliasing, lifetime: a number; nothing of this process is used afterwards.
        RAW_EXIT => unsafe { libc::_exit(4) },
        EXIT => std::process::exit(5),
        _ => panic!("as told"),
    }
}

const TASKS: u32 = 40;
const BAD: u32 = 20;

type Argument = (String, u32, u8);

fn one_ends((path, number, how): Argument) -> u32 {
    Ledger::enter(&path, number);
    if number == BAD {
        end(how);
    }
    3 * number
}

/// What a call gives for all tasks, those in whose place it says nothing left out.
type Call = fn(&Pool, Vec<Argument>) -> Vec<Result<u32, TaskError>>;

fn failure(outcome: Result<Vec<u32>, TaskError>) -> Vec<Result<u32, TaskError>> {
    vec![Err(outcome.unwrap_err())]
}

const CALLS: [(&str, Call); 5] = [
    ("apply", |pool, tasks| {
        tasks
            .into_iter()
            .map(|(path, n, how)| pool.apply(|a, b, c| one_ends((a, b, c)), (path, n, how)))
            .collect()
    }),
    ("map", |pool, tasks| failure(pool.map(one_ends, tasks))),
    ("map_async", |pool, tasks| failure(pool.map_async(one_ends, tasks).unwrap().get())),
    ("imap", |pool, tasks| pool.imap(one_ends, tasks).collect()),
    ("imap_unordered", |pool, tasks| pool.imap_unordered(one_ends, tasks).collect()),
];

pub(crate) fn cost_one_task_of_any_call() {
    let pool = Pool::new(2).unwrap();
    for (name, call) in CALLS {
        for (how, code, signal) in ENDS {
            let before = pool.statistics();
            let ledger = Ledger::new("ends");
            let mut outcomes = call(&pool, (0..TASKS).map(|n| (ledger.argument(), n, how)).collect());
            // In the place of the task, where there are places.
            let at = match outcomes.len() as u32 {
                1 => 0,
                TASKS if name == "imap_unordered" => outcomes.iter().position(Result::is_err).unwrap(),
                _ => BAD as usize,
            };
            match outcomes.remove(at) {
                Err(TaskError::Panicked(info)) if how == PANIC => assert_eq!(info.message(), "as told"),
                outcome => assert_eq!(death(outcome), (code, signal), "{name}"),
            }
            let mut values: Vec<u32> = outcomes.into_iter().map(Result::unwrap).collect();
            if name == "imap_unordered" {
                values.sort();
            }
            if !values.is_empty() {
                assert!(values.into_iter().eq((0..TASKS).filter(|n| *n != BAD).map(|n| 3 * n)), "{name}");
            }
            // All others ran, and nobody twice.
            assert_eq!(ledger.counts(TASKS as usize), [1; TASKS as usize], "{name}, {how}");
            works(&pool, 2);
            let after = pool.statistics();
            let died = (how != PANIC) as u64;
            assert_eq!((after.failed - before.failed, after.deaths - before.deaths), (died, died), "{name}");
            assert_eq!(after.retried, 0);
        }
    }
    pool.join().unwrap();
}
