//! Cancelling: what is queued never runs, what runs is ended, what is done stays.

use crate::{busy, is_cancelled, until, works};
use procession::Pool;
use procession_testing::{Gate, Ledger};

fn enter(path: String, number: u32) -> u32 {
    Ledger::enter(&path, number);
    number
}

pub(crate) fn what_is_queued() {
    let pool = Pool::new(1).unwrap();
    let (gate, ledger) = (Gate::new("cancel"), Ledger::new("cancel"));
    let first = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let open = gate.arrive();
    let workers = pool.worker_pids();
    let results: Vec<_> = (0..20).map(|n| pool.apply_async(enter, (ledger.argument(), n)).unwrap()).collect();
    for result in results.iter().step_by(2) {
        assert!(result.cancel());
        // Though its worker is busy, it's known at once.
        assert!(result.ready() && !result.successful() && is_cancelled(&result.get()));
        assert!(!result.cancel(), "there's nothing left to cancel");
    }
    drop(open);
    first.get().unwrap();
    for (n, result) in results.iter().enumerate().skip(1).step_by(2) {
        assert_eq!(result.get().unwrap(), n as u32);
    }
    let counts = ledger.counts(20);
    assert!(counts.iter().enumerate().all(|(n, count)| *count == n as u32 % 2), "{counts:?}");
    assert_eq!((pool.worker_pids(), pool.statistics().failed), (workers, 10));
    works(&pool, 1);
    pool.join().unwrap();
}

pub(crate) fn what_is_running() {
    let pool = Pool::new(1).unwrap();
    let (gate, ledger) = (Gate::new("cancel"), Ledger::new("cancel"));
    let running = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let _open = gate.arrive();
    let before = pool.worker_pids();
    let queued: Vec<_> = (0..20).map(|n| pool.apply_async(enter, (ledger.argument(), n)).unwrap()).collect();
    assert!(running.cancel());
    assert!(is_cancelled(&running.get()) && !running.cancel());
    assert!(queued.iter().enumerate().all(|(n, result)| result.get().unwrap() == n as u32));
    assert_eq!(ledger.counts(20), [1; 20]);
    works(&pool, 1);
    assert_ne!(pool.worker_pids(), before);
    assert_eq!((pool.statistics().failed, pool.statistics().deaths), (1, 0));
    pool.join().unwrap();
}

pub(crate) fn what_is_done() {
    let pool = Pool::new(1).unwrap();
    let done = pool.apply_async(|| 5, ()).unwrap();
    assert_eq!(done.get().unwrap(), 5);
    let workers = pool.worker_pids();
    assert!(!done.cancel());
    // Done, though nobody has looked yet.
    let unseen = pool.apply_async(|| 6, ()).unwrap();
    until(|| pool.statistics().done == 2 || unseen.ready());
    assert!(!unseen.cancel());
    assert_eq!((done.get().unwrap(), unseen.get().unwrap()), (5, 6));
    let nothing = pool.map_async(|n: u32| n, []).unwrap();
    assert!(!nothing.cancel() && nothing.get().unwrap().is_empty());
    assert_eq!(pool.worker_pids(), workers);
    // After the end of the pool.
    let late = pool.apply_async(|| 7, ()).unwrap();
    pool.join().unwrap();
    assert!(!late.cancel());
    assert_eq!(late.get().unwrap(), 7);
}

pub(crate) fn in_the_middle_of_a_map_async() {
    const TASKS: usize = 300;
    let pool = Pool::new(2).unwrap();
    let (gate, ledger, other) = (Gate::new("cancel"), Ledger::new("cancel"), Ledger::new("cancel other"));
    let task = |gate: String, path: String, number: u32| {
        Ledger::enter(&path, number);
        if number == 50 {
            Gate::pass(gate);
        }
        number
    };
    let items = (0..TASKS as u32).map(|n| (gate.argument().0, ledger.argument(), n));
    let result = pool.starmap_async(task, items).unwrap();
    let _open = gate.arrive();
    // Of another call, behind it.
    let more: Vec<_> = (0..50).map(|n| pool.apply_async(enter, (other.argument(), n)).unwrap()).collect();
    assert!(result.cancel());
    let counts = ledger.counts(TASKS);
    assert!(is_cancelled(&result.get()));
    assert!(more.iter().enumerate().all(|(n, result)| result.get().unwrap() == n as u32));
    assert_eq!(other.counts(50), [1; 50]);
    works(&pool, 2);
    // Nothing was run twice. What had not begun never did: at most the other worker's task was about to enter itself.
    let after = ledger.counts(TASKS);
    assert!(after.iter().all(|count| *count <= 1), "{after:?}");
    assert!(after.iter().sum::<u32>() <= counts.iter().sum::<u32>() + 1, "{counts:?} {after:?}");
    assert_eq!(pool.statistics().deaths, 0);
    pool.join().unwrap();
}

pub(crate) fn thousands() {
    const TASKS: u32 = 3000;
    let pool = Pool::new(2).unwrap();
    let (gates, ledger) = ([Gate::new("cancel 0"), Gate::new("cancel 1")], Ledger::new("cancel"));
    let blocked = gates.each_ref().map(|gate| pool.apply_async(Gate::pass, gate.argument()).unwrap());
    let open = gates.each_ref().map(Gate::arrive);
    let results: Vec<_> =
        (0..TASKS).map(|n| pool.apply_async(enter, (ledger.argument(), n)).unwrap()).collect();
    assert_eq!(busy(&pool).len(), 2);
    // From both ends, all but those in the middle.
    let (cancelled, kept): (Vec<u32>, Vec<u32>) = (0..TASKS).partition(|n| !(1400..1600).contains(n));
    for n in cancelled.iter().rev().step_by(2).chain(cancelled.iter().rev().skip(1).step_by(2)) {
        assert!(results[*n as usize].cancel());
    }
    drop(open);
    assert!(cancelled.iter().all(|n| is_cancelled(&results[*n as usize].get())));
    assert!(kept.iter().all(|n| results[*n as usize].get().unwrap() == *n));
    let counts = ledger.counts(TASKS as usize);
    assert!((0..TASKS).all(|n| counts[n as usize] == (1400..1600).contains(&n) as u32));
    assert!(blocked.iter().all(|result| result.get().is_ok()));
    works(&pool, 2);
    assert_eq!(pool.statistics().failed, TASKS as u64 - 200);
    pool.join().unwrap();
}

pub(crate) fn a_dropped_imap() {
    let pool = Pool::new(1).unwrap();
    let (gate, ledger) = (Gate::new("cancel"), Ledger::new("cancel"));
    let task = |(gate, path, number): (String, String, u32)| {
        if number == 1 {
            Gate::pass(gate);
        }
        Ledger::enter(&path, number);
        number
    };
    let argument = (gate.argument().0, ledger.argument());
    let mut lazy =
        pool.options().window(10).imap(task, (0..).map(|n| (argument.0.clone(), argument.1.clone(), n)));
    assert_eq!(lazy.next().unwrap().unwrap(), 0);
    let open = gate.arrive();
    let workers = pool.worker_pids();
    drop(lazy);
    drop(open);
    // What runs then ends by itself; nothing else has begun.
    until(|| pool.statistics().queued + pool.statistics().running == 0 && ledger.counts(11)[1] == 1);
    works(&pool, 1);
    assert_eq!(ledger.counts(11), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((pool.worker_pids(), pool.statistics().deaths), (workers, 0));
    // One that nobody asked has nothing to cancel.
    drop(pool.imap(|n: u32| n, 0..));
    pool.join().unwrap();
}
