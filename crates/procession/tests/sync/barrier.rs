//! Waiting for each other.

use super::*;

fn phases(barrier: Barrier, arrived: Value<u32>, phases: u32) -> Vec<u32> {
    (1..=phases)
        .map(|phase| {
            arrived.fetch_add(1).unwrap();
            let index = barrier.wait().unwrap();
            assert!(arrived.load() >= phase * barrier.parties(), "somebody was left behind");
            assert_eq!(index.is_leader(), index.index() == 0);
            index.index()
        })
        .collect()
}

pub(super) fn passes_and_tells_apart() {
    let (barrier, arrived) = (Barrier::new(4).unwrap(), Value::new(0).unwrap());
    let processes: Vec<_> =
        (0..3).map(|_| Process::spawn(phases, (barrier.clone(), arrived.clone(), 100)).unwrap()).collect();
    let mut all = vec![phases(barrier.clone(), arrived, 100)];
    all.extend(processes.into_iter().map(|process| process.join().unwrap()));
    for phase in 0..100 {
        let mut indexes: Vec<_> = all.iter().map(|one| one[phase]).collect();
        indexes.sort();
        assert_eq!(indexes, [0, 1, 2, 3]);
    }
    assert!(!barrier.is_broken() && barrier.waiting() == 0);
    let alone = Barrier::new(1).unwrap();
    assert!(alone.wait().unwrap().is_leader() && alone.wait().unwrap().is_leader());
    assert!(Barrier::new(0).unwrap_err().is_invalid_argument());
}

fn is_broken(barrier: Barrier) -> bool {
    barrier.wait().is_err_and(|e| e.is_broken_barrier())
}

pub(super) fn abort_and_reset() {
    let barrier = Barrier::new(3).unwrap();
    let wait_for_two = |barrier: &Barrier| {
        let two = [0, 1].map(|_| Process::spawn(is_broken, (barrier.clone(),)).unwrap());
        until_waiting(2, || barrier.waiting() as usize);
        two
    };
    let waiting = wait_for_two(&barrier);
    barrier.abort().unwrap();
    waiting.into_iter().for_each(|process| assert!(process.join().unwrap()));
    assert!(barrier.is_broken() && barrier.wait().unwrap_err().is_broken_barrier());
    barrier.reset().unwrap();
    assert!(!barrier.is_broken() && barrier.waiting() == 0);
    let waiting = wait_for_two(&barrier);
    barrier.reset().unwrap();
    waiting.into_iter().for_each(|process| assert!(process.join().unwrap()));
    assert!(!barrier.is_broken());
    // As good as new.
    let waiting = [0, 1].map(|_| Process::spawn(|b: Barrier| b.wait().is_ok(), (barrier.clone(),)).unwrap());
    barrier.wait().unwrap();
    waiting.into_iter().for_each(|process| assert!(process.join().unwrap()));
}

pub(super) fn a_timeout_breaks_it() {
    let barrier = Barrier::new(2).unwrap();
    assert!(barrier.wait_timeout(SOON).unwrap_err().is_broken_barrier());
    assert!(barrier.is_broken() && barrier.wait().unwrap_err().is_broken_barrier());
    barrier.reset().unwrap();
    let other =
        Process::spawn(|b: Barrier| b.wait_timeout(Duration::MAX).is_ok(), (barrier.clone(),)).unwrap();
    barrier.wait_timeout(Duration::MAX).unwrap();
    assert!(other.join().unwrap());
}

pub(super) fn a_death_breaks_it() {
    // Of one that waits there; and of one that would have come.
    let barrier = Barrier::new(3).unwrap();
    for comes in [true, false] {
        let come = |barrier: Barrier, comes: bool| {
            if comes {
                let _ = barrier.wait();
            }
            park();
        };
        let victim = Process::spawn(come, (barrier.clone(), comes)).unwrap();
        let other = Process::spawn(is_broken, (barrier.clone(),)).unwrap();
        until_waiting(1 + usize::from(comes), || barrier.waiting() as usize);
        victim.kill().unwrap();
        assert!(other.join().unwrap());
        assert!(barrier.wait().unwrap_err().is_broken_barrier());
        victim.join().unwrap_err();
        barrier.reset().unwrap();
    }
}

pub(super) fn an_orderly_end_does_not_break_it() {
    let barrier = Barrier::new(2).unwrap();
    for _ in 0..10 {
        let other = Process::spawn(|barrier: Barrier| barrier.wait().is_ok(), (barrier.clone(),)).unwrap();
        barrier.wait().unwrap();
        assert!(other.join().unwrap());
        procession_core::sweep().unwrap();
        assert!(!barrier.is_broken());
    }
}

pub(super) fn travels_back_whole() {
    let made = Process::spawn(|| Barrier::new(1).unwrap(), ()).unwrap().join().unwrap();
    made.wait().unwrap();
    let there_and_back = Process::spawn(|barrier: Barrier| barrier, (made.clone(),)).unwrap().join().unwrap();
    there_and_back.wait().unwrap();
    let pool = Pool::new(1).unwrap();
    let through_a_pool = pool.apply(|barrier: Barrier| barrier, (made.clone(),)).unwrap();
    pool.join().unwrap();
    through_a_pool.wait().unwrap();
    assert!(!made.is_broken());
}

/// Nobody died: the process never was.
pub(super) fn a_start_that_fails_does_not_break_it() {
    let barrier = Barrier::new(2).unwrap();
    let fails = |barrier: &Barrier| {
        let too_much =
            Process::builder().start_method(StartMethod::Spawn).env("TOO_MUCH", "x".repeat(300_000));
        too_much.spawn(is_broken, (barrier.clone(),)).is_err_and(|e| e.is_start_failed())
    };
    assert!(fails(&barrier) && !barrier.is_broken());
    // Of a member as well, for which the root starts.
    let in_a_member = |barrier: Barrier| {
        let too_much =
            Process::builder().start_method(StartMethod::Spawn).env("TOO_MUCH", "x".repeat(300_000));
        too_much.spawn(is_broken, (barrier,)).is_err()
    };
    assert!(Process::spawn(in_a_member, (barrier.clone(),)).unwrap().join().unwrap());
    assert!(!barrier.is_broken());
    drop(barrier);
    assert_nothing_left();
}
