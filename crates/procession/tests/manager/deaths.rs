//! Managers whose holders are killed.

use crate::{
    assert_shut_down,
    common::{assert_nothing_left, park, until_waiting},
};
use procession::{Event, JoinableQueue, Manager, Mutex, Process, Queue, Semaphore};

type Made = (Event, Mutex<u64>, Queue<u8>, JoinableQueue<u8>, Semaphore);

fn make(manager: &Manager) -> Made {
    let make = || -> procession::Result<Made> {
        Ok((
            manager.event()?,
            manager.mutex(1)?,
            manager.queue()?,
            manager.joinable_queue()?,
            manager.semaphore(0)?,
        ))
    };
    make().unwrap()
}

/// Gives what its manager makes, and has one of the locks.
fn hold_alone(results: Queue<Made>) {
    let manager = Manager::new().unwrap();
    let made = make(&manager);
    let _guard = made.1.lock().unwrap();
    results.put(&made).unwrap();
    park();
}

pub(crate) fn the_last_holder_is_killed() {
    let results = Queue::unbounded().unwrap();
    let holder = Process::spawn(hold_alone, (results.clone(),)).unwrap();
    let (event, mutex, queue, jobs, semaphore) = results.get().unwrap();
    std::thread::scope(|scope| {
        let waits = [
            scope.spawn(|| assert_shut_down("Event", event.wait())),
            scope.spawn(|| assert_shut_down("Queue", queue.get())),
            scope.spawn(|| assert_shut_down("JoinableQueue", jobs.get())),
            scope.spawn(|| assert_shut_down("Semaphore", semaphore.acquire())),
        ];
        until_waiting(1, || event.statistics().waiters.len());
        until_waiting(1, || queue.statistics().waiters.len());
        until_waiting(1, || jobs.statistics().waiters.len());
        until_waiting(1, || semaphore.statistics().waiters.len());
        holder.kill().unwrap();
        waits.into_iter().for_each(|wait| wait.join().unwrap());
    });
    assert_shut_down("Mutex", mutex.lock());
    holder.join().unwrap_err();
    drop((event, mutex, queue, jobs, semaphore, results));
    assert_nothing_left();
}

pub(crate) fn one_of_several_holders_is_killed() {
    let manager = Manager::new().unwrap();
    let event = manager.event().unwrap();
    let started = Event::new().unwrap();
    let hold = |_manager: Manager, started: Event| {
        started.set().unwrap();
        park();
    };
    let holder = Process::spawn(hold, (manager.clone(), started.clone())).unwrap();
    started.wait().unwrap();
    let waiter = Process::spawn(|event: Event| event.wait().unwrap(), (event.clone(),)).unwrap();
    until_waiting(1, || event.statistics().waiters.len());
    holder.kill().unwrap();
    holder.join().unwrap_err();
    procession_core::sweep().unwrap();
    assert_eq!(event.statistics().waiters.len(), 1, "it waits as before");
    event.set().unwrap();
    waiter.join().unwrap();
}

pub(crate) fn a_holder_of_the_outer_one_is_killed() {
    let results = Queue::<(Event, Manager)>::unbounded().unwrap();
    let hold = |results: Queue<(Event, Manager)>| {
        let outer = Manager::new().unwrap();
        let inner = outer.manager().unwrap();
        results.put(&(inner.event().unwrap(), inner)).unwrap();
        park();
    };
    let holder = Process::spawn(hold, (results.clone(),)).unwrap();
    let (event, inner) = results.get().unwrap();
    std::thread::scope(|scope| {
        let wait = scope.spawn(|| assert_shut_down("Event", event.wait()));
        until_waiting(1, || event.statistics().waiters.len());
        holder.kill().unwrap();
        wait.join().unwrap();
    });
    assert!(inner.is_shut_down());
    holder.join().unwrap_err();
    drop((event, inner, results));
    assert_nothing_left();
}

pub(crate) fn a_waiter_is_killed() {
    let manager = Manager::new().unwrap();
    let mutex = manager.mutex(1).unwrap();
    let guard = mutex.lock().unwrap();
    let wait = |mutex: Mutex<i32>| crate::reason(mutex.lock().unwrap_err());
    let [victim, other] = [(); 2].map(|()| Process::spawn(wait, (mutex.clone(),)).unwrap());
    until_waiting(2, || mutex.statistics().waiters.len());
    victim.kill().unwrap();
    manager.shutdown().unwrap();
    other.join().unwrap();
    victim.join().unwrap_err();
    drop(guard);
    drop((mutex, manager));
    assert_nothing_left();
}

/// Makes, fills and shuts down, over and over; and gives some of it to others.
fn churn(shared: Manager, given: Queue<Made>, started: Event) {
    started.set().unwrap();
    loop {
        let manager = shared.manager().unwrap();
        let made = make(&manager);
        made.2.put(&1).unwrap();
        made.3.put(&1).unwrap();
        let list = manager.list().unwrap();
        list.push(&made).unwrap();
        let _ = given.try_put(&made);
        manager.shutdown().unwrap();
    }
}

pub(crate) fn killed_while_they_make_and_shut_down() {
    let given = Queue::bounded(50).unwrap();
    for round in 0..12 {
        let shared = Manager::new().unwrap();
        let started = Event::new().unwrap();
        let arguments = || (shared.clone(), given.clone(), started.clone());
        let processes = [(); 2].map(|()| Process::spawn(churn, arguments()).unwrap());
        started.wait().unwrap();
        for _ in 0..=round {
            // Whatever becomes of its manager, it ends.
            let (event, ..) = given.get().unwrap();
            assert_shut_down("Event", event.wait());
        }
        processes.iter().for_each(|process| process.kill().unwrap());
        processes.into_iter().for_each(|process| drop(process.join().unwrap_err()));
    }
    drop(given);
    assert_nothing_left();
}
