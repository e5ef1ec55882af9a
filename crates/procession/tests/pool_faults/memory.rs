//! Tasks that need more memory than they may have.

use crate::{death, works};
use procession::{Pool, TaskError};
use procession_testing::Ledger;

/// Enough for a worker and what else a task needs.
const LIMIT: u64 = 256 << 20;

const TASKS: u32 = 40;
const BAD: u32 = 20;

fn takes(bytes: usize) -> usize {
    std::hint::black_box(vec![1_u8; bytes]).len()
}

fn one_takes_too_much((path, number): (String, u32)) -> u32 {
    Ledger::enter(&path, number);
    takes(if number == BAD { 1 << 30 } else { 1 << 20 });
    number
}

pub(crate) fn a_task_that_takes_too_much() {
    let pool = Pool::builder().workers(2).memory_limit(LIMIT).build().unwrap();
    assert_eq!(pool.apply(takes, (32 << 20,)).unwrap(), 32 << 20);
    assert!(matches!(pool.apply(takes, (1 << 30,)), Err(TaskError::OutOfMemory)));
    works(&pool, 2);
    let ledger = Ledger::new("memory");
    let items = (0..TASKS).map(|n| (ledger.argument(), n));
    let mut outcomes: Vec<_> = pool.imap(one_takes_too_much, items).collect();
    assert!(matches!(outcomes.remove(BAD as usize), Err(TaskError::OutOfMemory)));
    assert!(outcomes.into_iter().map(Result::unwrap).eq((0..TASKS).filter(|n| *n != BAD)));
    assert_eq!(ledger.counts(TASKS as usize), [1; TASKS as usize]);
    assert_eq!((pool.statistics().failed, pool.statistics().deaths), (2, 2));
    // Its worker died of it, so it may be tried again, and again in vain.
    let again = pool.options().attempts(3).apply(takes, (1 << 30,));
    assert!(matches!(again, Err(TaskError::OutOfMemory)));
    assert_eq!((pool.statistics().retried, pool.statistics().deaths), (2, 5));
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn an_abort_is_no_shortage() {
    let pool = Pool::builder().workers(1).memory_limit(LIMIT).build().unwrap();
    assert_eq!(death(pool.apply(|| -> () { std::process::abort() }, ())), (None, Some(6)));
    // Nor is it one after a shortage that was taken care of, in this task or in an earlier one.
    let careful = || Vec::<u8>::new().try_reserve_exact(1 << 30).is_err();
    assert!(pool.apply(careful, ()).unwrap());
    assert_eq!(death(pool.apply(|| -> () { std::process::abort() }, ())), (None, Some(6)));
    // Without a limit, whatever it is, it's a death.
    let without = Pool::new(1).unwrap();
    let too_much = without.apply(|| takes(usize::MAX >> 8), ());
    assert_eq!(death(too_much), (None, Some(6)));
    for pool in [pool, without] {
        works(&pool, 1);
        pool.join().unwrap();
    }
}

pub(crate) fn an_initializer_that_takes_too_much() {
    let pool = Pool::builder().workers(1).memory_limit(LIMIT).initializer(takes, (1 << 30,)).build().unwrap();
    let error = pool.apply(|| 1, ()).unwrap_err();
    let TaskError::Failed(error) = error else { panic!("{error}") };
    assert!(error.is_start_failed() && error.to_string().contains("more memory"), "{error}");
    pool.join().unwrap();
}
