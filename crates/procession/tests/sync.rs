//! Locks, semaphores, events and shared values.

use procession::{Event, Pool, Process, TaskError};
use procession_testing::tests;
use std::{process::ExitCode, time::Duration};

fn main() -> ExitCode {
    procession::init();
    procession_testing::run(tests![an_event_travels])
}

fn assert_nothing_left() {
    procession_core::sweep().unwrap();
    let audit = procession::audit().unwrap();
    assert_eq!(
        (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible),
        (0, 0, 0, 0, 0),
        "{audit:?}"
    );
}

fn an_event_travels() {
    let (a, b) = (Event::new().unwrap(), Event::new().unwrap());
    let echo = Process::spawn(
        |a: Event, b: Event| {
            a.wait().unwrap();
            b.set().unwrap();
            vec![Some(a), None, Some(b)]
        },
        (a.clone(), b.clone()),
    )
    .unwrap();
    assert!(!b.wait_timeout(Duration::from_millis(20)).unwrap());
    a.set().unwrap();
    b.wait().unwrap();
    let back = echo.join().unwrap();
    assert!(back[0].as_ref().unwrap().is_set());
    a.clear().unwrap();
    assert!(!back[0].as_ref().unwrap().is_set() && back[2].as_ref().unwrap().is_set());
    drop((a, b, back));
    assert_nothing_left();
    let pool = Pool::new(2).unwrap();
    let events = pool
        .map(
            |i: u64| {
                let e = Event::new().unwrap();
                if i % 2 == 0 {
                    e.set().unwrap();
                }
                e
            },
            0..100,
        )
        .unwrap();
    assert!(events.iter().enumerate().all(|(i, e)| e.is_set() == (i % 2 == 0)));
    let set = pool
        .map(
            |e: Event| {
                let was = e.is_set();
                e.set().unwrap();
                was
            },
            events.clone(),
        )
        .unwrap();
    assert_eq!(set.iter().filter(|s| **s).count(), 50);
    assert!(events.iter().all(Event::is_set));
    let Err(TaskError::Died(_)) =
        pool.apply(|_e: Event| -> () { std::process::abort() }, (events[0].clone(),))
    else {
        panic!()
    };
    pool.join().unwrap();
    drop(events);
    assert_nothing_left();
}
