//! Permits.

use super::*;

fn enter(semaphore: Semaphore, inside: Value<i32>, most: Value<i32>) {
    for _ in 0..200 {
        let _permit = semaphore.acquire().unwrap();
        most.fetch_max(inside.fetch_add(1).unwrap() + 1).unwrap();
        thread::yield_now();
        inside.fetch_sub(1).unwrap();
    }
}

pub(super) fn two_at_a_time() {
    let (semaphore, inside, most) =
        (Semaphore::new(2).unwrap(), Value::new(0).unwrap(), Value::new(0).unwrap());
    let arguments = || (semaphore.clone(), inside.clone(), most.clone());
    let processes: Vec<_> = (0..5).map(|_| Process::spawn(enter, arguments()).unwrap()).collect();
    processes.into_iter().for_each(|process| process.join().unwrap());
    assert_eq!((inside.load(), semaphore.available()), (0, 2));
    assert!(most.load() <= 2, "{most:?}");
}

pub(super) fn unowned_style() {
    let items = Semaphore::new(0).unwrap();
    assert!(items.try_acquire().unwrap().is_none() && items.acquire_timeout(SOON).unwrap().is_none());
    let produce = |items: Semaphore| (0..100).for_each(|_| items.release().unwrap());
    let producer = Process::spawn(produce, (items.clone(),)).unwrap();
    for _ in 0..100 {
        items.acquire().unwrap().forget();
    }
    producer.join().unwrap();
    assert_eq!(items.available(), 0);
    // Of a permit that is held, the other half comes back.
    let permit = {
        items.release().unwrap();
        items.acquire().unwrap()
    };
    thread::spawn(move || drop(permit)).join().unwrap();
    assert_eq!(items.available(), 1);
    assert!(Semaphore::new(u32::MAX).unwrap_err().is_invalid_argument());
}

pub(super) fn bounded_release() {
    let semaphore = BoundedSemaphore::new(2).unwrap();
    assert!(semaphore.release().unwrap_err().is_not_held());
    let permit = semaphore.acquire().unwrap();
    let e = semaphore.release().unwrap_err();
    assert!(e.is_not_held() && e.to_string().contains('2'), "{e}");
    permit.forget();
    semaphore.release().unwrap();
    assert!(semaphore.release().unwrap_err().is_not_held());
    assert_eq!(semaphore.available(), 2);
}

pub(super) fn permits_of_the_dead_come_back() {
    let semaphore = Semaphore::new(3).unwrap();
    let hold = |semaphore: Semaphore, ready: Event| {
        let _permits = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
        std::mem::forget(semaphore.acquire().unwrap());
        drop(semaphore);
        ready.set().unwrap();
        park();
    };
    let ready = Event::new().unwrap();
    let victim = Process::spawn(hold, (semaphore.clone(), ready.clone())).unwrap();
    ready.wait().unwrap();
    assert!(semaphore.try_acquire().unwrap().is_none());
    assert_eq!(semaphore.statistics().holders[0].pid, victim.pid());
    let waiter =
        Process::spawn(|semaphore: Semaphore| semaphore.acquire().is_ok(), (semaphore.clone(),)).unwrap();
    until_waiting(1, || semaphore.statistics().waiters.len());
    victim.kill().unwrap();
    assert!(waiter.join().unwrap());
    victim.join().unwrap_err();
    procession_core::sweep().unwrap();
    assert_eq!(semaphore.available(), 3);
    // Forgotten ones don't.
    let forget = |semaphore: Semaphore, ready: Event| {
        semaphore.acquire().unwrap().forget();
        ready.set().unwrap();
        park();
    };
    killed_with(forget, semaphore.clone());
    procession_core::sweep().unwrap();
    assert_eq!(semaphore.available(), 2);
}

/// Processes die with permits, with handles in their arguments, and with some in a result that nobody takes; the slots that they
/// had go to others at once.
pub(super) fn handles_in_transit_leave_nothing_behind() {
    let (semaphore, lock) = (Semaphore::new(2).unwrap(), RwLock::new(0_u8).unwrap());
    let take = |semaphore: Semaphore, lock: RwLock<u8>, how: u32| {
        let taken = (semaphore.acquire().unwrap(), lock.read().unwrap());
        match how % 3 {
            0 => std::process::abort(),
            1 => std::mem::forget(taken),
            _ => drop(taken),
        }
        vec![(semaphore, lock.clone())]
    };
    for how in 0..60 {
        let process = Process::spawn(take, (semaphore.clone(), lock.clone(), how)).unwrap();
        while process.is_alive() {
            thread::yield_now();
        }
        if how % 2 == 0 {
            drop(process);
        } else {
            drop(process.join());
        }
        // Nobody has any of it now, whoever has the slot next.
        let _both = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
        drop(lock.write().unwrap());
    }
    drop((semaphore, lock));
    assert_nothing_left();
}

/// There is no lock inside: a process that is stopped in the middle of whatever it does keeps its permit, and nothing else.
pub(super) fn a_stopped_process_stops_nobody() {
    let (semaphore, rounds) = (Semaphore::new(2).unwrap(), Value::new(0_u64).unwrap());
    let work = |semaphore: Semaphore, rounds: Value<u64>| -> () {
        loop {
            drop(semaphore.acquire().unwrap());
            rounds.fetch_add(1).unwrap();
        }
    };
    let busy = Process::spawn(work, (semaphore.clone(), rounds.clone())).unwrap();
    let mut stopped_with_a_permit = 0;
    for _ in 0..200 {
        let seen = rounds.load();
        while rounds.load() == seen {
            thread::yield_now();
        }
        procession_testing::stop(busy.pid()).unwrap();
        // Whether it has stopped already or not.
        for _ in 0..50 {
            drop(semaphore.acquire().unwrap());
        }
        stopped_with_a_permit += 2 - semaphore.available();
        procession_testing::resume(busy.pid()).unwrap();
    }
    println!("{stopped_with_a_permit} of 200 stops with a permit");
    busy.kill().unwrap();
    busy.join().unwrap_err();
    let _both = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
}
