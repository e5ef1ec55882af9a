//! Who holds, who waits, and deadlocks.

use super::*;

pub(super) fn says_who_holds_and_who_waits() {
    let (mutex, ready) = (Mutex::new(0_u8).unwrap(), Event::new().unwrap());
    assert_eq!(mutex.statistics(), procession::Statistics::default());
    let hold = |mutex: Mutex<u8>, ready: Event| {
        let _guard = mutex.lock().unwrap();
        ready.set().unwrap();
        park();
    };
    let holder = Process::builder().name("holder").spawn(hold, (mutex.clone(), ready.clone())).unwrap();
    ready.wait().unwrap();
    let wait = |mutex: Mutex<u8>| drop(mutex.lock());
    let waiter = Process::builder().name("waiter").spawn(wait, (mutex.clone(),)).unwrap();
    until_waiting(1, || mutex.statistics().waiters.len());
    let statistics = mutex.statistics();
    let (holds, waits) = (&statistics.holders[0], &statistics.waiters[0]);
    assert_eq!((holds.pid, holds.name.as_str(), holds.thread), (holder.pid(), "holder", Some(holder.pid())));
    assert_eq!((waits.pid, waits.name.as_str()), (waiter.pid(), "waiter"));
    let text = format!("{mutex:?}");
    assert!(text.contains("holder") && text.contains(&waiter.pid().to_string()), "{text}");
    let waits = family::waits().unwrap();
    let lines = waits.to_string();
    assert!(lines.contains("(waiter) waits for Mutex") && lines.contains("(holder)"), "{lines}");
    assert!(waits.cycle().is_none());
    holder.kill().unwrap();
    waiter.join().unwrap();
    holder.join().unwrap_err();
    assert_eq!(family::waits().unwrap().iter().count(), 0);
}

fn take_two(first: Mutex<()>, second: Mutex<()>, both: Barrier) {
    let _first = first.lock();
    let _ = both.wait();
    let _second = second.lock();
}

pub(super) fn names_a_deadlock_between_processes() {
    let locks = [0, 1, 2].map(|_| Mutex::new(()).unwrap());
    let all = Barrier::new(3).unwrap();
    let processes = [0, 1, 2].map(|i| {
        let arguments = (locks[i].clone(), locks[(i + 1) % 3].clone(), all.clone());
        Process::builder().name(format!("number {i}")).spawn(take_two, arguments).unwrap()
    });
    let cycle = loop {
        if let Some(cycle) = family::waits().unwrap().cycle() {
            break cycle;
        }
        thread::yield_now();
    };
    let mut names: Vec<_> = cycle.iter().map(|wait| wait.who.name.clone()).collect();
    for (wait, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
        assert_eq!(wait.held_by[0], next.who);
    }
    names.sort();
    assert_eq!(names, ["number 0", "number 1", "number 2"]);
    assert!(family::waits().unwrap().to_string().contains("deadlock"));
    processes[0].kill().unwrap();
    let ended = processes.map(|process| process.join().is_ok());
    assert_eq!(ended, [false, true, true], "the death of one lets the others go on");
}

pub(super) fn names_no_deadlock_where_there_is_none() {
    let (mutex, event) = (Mutex::new(()).unwrap(), Event::new().unwrap());
    let hold = |mutex: Mutex<()>, event: Event| {
        let _guard = mutex.lock();
        event.wait().unwrap();
    };
    let holder = Process::spawn(hold, (mutex.clone(), event.clone())).unwrap();
    until_waiting(1, || event.statistics().waiters.len());
    let waiter = Process::spawn(|mutex: Mutex<()>| drop(mutex.lock()), (mutex.clone(),)).unwrap();
    until_waiting(1, || mutex.statistics().waiters.len());
    let waits = family::waits().unwrap();
    assert!(waits.iter().count() == 2 && waits.cycle().is_none(), "{waits}");
    event.set().unwrap();
    holder.join().unwrap();
    waiter.join().unwrap();
}

pub(super) fn a_semaphore_can_be_part_of_a_deadlock() {
    let (semaphore, mutex, both) =
        (Semaphore::new(1).unwrap(), Mutex::new(()).unwrap(), Barrier::new(2).unwrap());
    let first = |semaphore: Semaphore, mutex: Mutex<()>, both: Barrier| {
        let _permit = semaphore.acquire();
        let _ = both.wait();
        let _guard = mutex.lock();
    };
    let second = |semaphore: Semaphore, mutex: Mutex<()>, both: Barrier| {
        let _guard = mutex.lock();
        let _ = both.wait();
        let _permit = semaphore.acquire();
    };
    let arguments = || (semaphore.clone(), mutex.clone(), both.clone());
    let first = Process::spawn(first, arguments()).unwrap();
    let second = Process::spawn(second, arguments()).unwrap();
    while family::waits().unwrap().cycle().is_none_or(|cycle| cycle.len() != 2) {
        thread::yield_now();
    }
    first.kill().unwrap();
    second.join().unwrap();
    first.join().unwrap_err();
}
