//! The flag.

use super::*;

pub(super) fn wait_result() {
    let event = Event::new().unwrap();
    assert!(
        !event.is_set() && !event.wait_timeout(Duration::ZERO).unwrap() && !event.wait_timeout(SOON).unwrap()
    );
    event.set().unwrap();
    event.set().unwrap();
    event.wait().unwrap();
    assert!(event.is_set() && event.wait_timeout(Duration::ZERO).unwrap());
    event.clear().unwrap();
    assert!(!event.is_set() && !event.wait_timeout(SOON).unwrap());
}

pub(super) fn set_and_cleared_at_once_wakes_who_waited() {
    let event = Event::new().unwrap();
    for _ in 0..20 {
        let waiters: Vec<_> = (0..3)
            .map(|_| Process::spawn(|event: Event| event.wait().unwrap(), (event.clone(),)).unwrap())
            .collect();
        until_waiting(3, || event.statistics().waiters.len());
        event.set().unwrap();
        event.clear().unwrap();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    }
}
