//! The lock.

use super::*;

fn count(mutex: Mutex<[u64; 2]>, times: usize) {
    for _ in 0..times {
        let mut pair = mutex.lock().unwrap();
        assert_eq!(pair[0], pair[1]);
        pair[0] += 1;
        std::hint::spin_loop();
        pair[1] += 1;
    }
}

pub(super) fn excludes() {
    let mutex = Mutex::new([0; 2]).unwrap();
    let others: Vec<_> = (0..3).map(|_| Process::spawn(count, (mutex.clone(), 20_000)).unwrap()).collect();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| count(mutex.clone(), 20_000));
        }
    });
    others.into_iter().for_each(|other| other.join().unwrap());
    assert_eq!(*mutex.lock().unwrap(), [100_000; 2]);
}

pub(super) fn is_not_taken_twice() {
    let mutex = Mutex::new(()).unwrap();
    let guard = mutex.lock().unwrap();
    for result in [mutex.lock().map(Some), mutex.try_lock(), mutex.lock_timeout(SOON)] {
        let e = result.unwrap_err();
        assert!(!e.is_poisoned() && e.error().is_deadlock(), "{e}");
    }
    // Another thread waits as it should, another process too.
    thread::scope(|scope| assert!(scope.spawn(|| mutex.try_lock().unwrap().is_none()).join().unwrap()));
    let try_it = |mutex: Mutex<()>| mutex.try_lock().unwrap().is_none();
    assert!(Process::spawn(try_it, (mutex.clone(),)).unwrap().join().unwrap());
    drop(guard);
    assert!(mutex.try_lock().unwrap().is_some());
}

pub(super) fn is_poisoned_by_a_panic_and_by_a_death() {
    let mutex = Mutex::new(1_u64).unwrap();
    let panicked = thread::scope(|scope| {
        let mutex = &mutex;
        scope
            .spawn(move || {
                let _guard = mutex.lock().unwrap();
                blow::<()>();
            })
            .join()
    });
    assert!(panicked.is_err() && mutex.is_poisoned());
    let e = mutex.lock().unwrap_err();
    assert!(e.is_poisoned());
    *e.into_inner() += 1;
    assert!(procession::Error::from(mutex.lock().unwrap_err()).is_poisoned());
    mutex.clear_poison();
    assert_eq!(*mutex.lock().unwrap(), 2);

    let die = |mutex: Mutex<u64>, ready: Event| {
        let mut guard = mutex.lock().unwrap();
        *guard = 7;
        ready.set().unwrap();
        park();
    };
    killed_with(die, mutex.clone());
    assert_eq!(*mutex.lock().unwrap_err().into_inner(), 7);
    mutex.clear_poison();
    assert!(mutex.lock().is_ok());
    // One that waits gets it as well.
    let ready = Event::new().unwrap();
    let victim = Process::spawn(die, (mutex.clone(), ready.clone())).unwrap();
    ready.wait().unwrap();
    let waiter =
        Process::spawn(|mutex: Mutex<u64>| mutex.lock().is_err_and(|e| e.is_poisoned()), (mutex.clone(),));
    until_waiting(1, || mutex.statistics().waiters.len());
    victim.kill().unwrap();
    assert!(waiter.unwrap().join().unwrap());
}

pub(super) fn timeouts() {
    let mutex = Mutex::new(0_u8).unwrap();
    let guard = mutex.lock().unwrap();
    thread::scope(|scope| {
        let wait = || mutex.lock_timeout(SOON).unwrap().is_none();
        assert!(scope.spawn(wait).join().unwrap());
        let patient = scope.spawn(|| mutex.lock_timeout(Duration::MAX).unwrap().is_some());
        until_waiting(1, || mutex.statistics().waiters.len());
        drop(guard);
        assert!(patient.join().unwrap());
    });
}

/// Where others want the processor each yield may take milliseconds: so nobody yields after the deadline.
pub(super) fn timeouts_are_kept_on_a_busy_processor() {
    let mutex = Mutex::new(0_u8).unwrap();
    let guard = mutex.lock().unwrap();
    let done = AtomicUsize::new(0);
    let waits = || {
        let start = std::time::Instant::now();
        for _ in 0..20 {
            assert!(mutex.lock_timeout(Duration::from_millis(1)).unwrap().is_none());
        }
        start.elapsed()
    };
    let busy = thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| while done.load(Ordering::Relaxed) == 0 {});
        }
        let busy = scope.spawn(waits).join();
        done.store(1, Ordering::Relaxed);
        busy.unwrap()
    });
    println!("20 waits of 1 ms, with six busy threads: {busy:?}");
    drop(guard);
}

pub(super) fn is_not_taken_from_the_stopped() {
    let (mutex, ready) = (Mutex::new(0_u8).unwrap(), Event::new().unwrap());
    let hold = |mutex: Mutex<u8>, ready: Event| {
        let guard = mutex.lock().unwrap();
        ready.set().unwrap();
        while !ready.is_set() {}
        let _ = guard;
        park();
    };
    let holder = Process::spawn(hold, (mutex.clone(), ready.clone())).unwrap();
    ready.wait().unwrap();
    procession_testing::stop(holder.pid()).unwrap();
    // Longer than a slice of waiting, after which the kernel is asked.
    assert!(mutex.lock_timeout(Duration::from_millis(1200)).unwrap().is_none());
    holder.kill().unwrap();
    assert!(mutex.lock().unwrap_err().is_poisoned());
    holder.join().unwrap_err();
}
