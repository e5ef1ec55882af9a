//! Notifications.

use super::*;

fn wait(state: Mutex<[u32; 2]>, condition: Condition) {
    let mut guard = state.lock().unwrap();
    guard[0] += 1;
    let mut guard = condition.wait_for(guard, |state| state[1] > 0).unwrap();
    guard[1] -= 1;
    guard[0] -= 1;
}

pub(super) fn wakes_one_or_all() {
    let (state, condition) = (Mutex::new([0; 2]).unwrap(), Condition::new().unwrap());
    condition.notify_all().unwrap();
    let waiters: Vec<_> =
        (0..4).map(|_| Process::spawn(wait, (state.clone(), condition.clone())).unwrap()).collect();
    until_waiting(4, || condition.statistics().waiters.len());
    // One notification, one change: one of them goes.
    state.lock().unwrap()[1] += 1;
    condition.notify_one().unwrap();
    while state.lock().unwrap()[0] != 3 {
        thread::yield_now();
    }
    state.lock().unwrap()[1] += 3;
    condition.notify_all().unwrap();
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    assert_eq!(*state.lock().unwrap(), [0, 0]);
}

pub(super) fn timeouts() {
    let (state, condition) = (Mutex::new(0_u32).unwrap(), Condition::new().unwrap());
    let (guard, notified) = condition.wait_timeout(state.lock().unwrap(), SOON).unwrap();
    assert!(!notified);
    let (guard, is_so) = condition.wait_for_timeout(guard, SOON, |state| *state > 0).unwrap();
    assert!(!is_so);
    drop(guard);
    let notify = |state: Mutex<u32>, condition: Condition| {
        *state.lock().unwrap() = 1;
        condition.notify_one().unwrap();
    };
    let guard = state.lock().unwrap();
    let notifier = Process::spawn(notify, (state.clone(), condition.clone())).unwrap();
    let (guard, is_so) = condition.wait_for_timeout(guard, Duration::MAX, |state| *state > 0).unwrap();
    assert!(is_so && *guard == 1);
    drop(guard);
    notifier.join().unwrap();
    // The lock's holder dies while one waits for the condition.
    let die = |state: Mutex<u32>, condition: Condition| -> () {
        let _guard = state.lock().unwrap();
        condition.notify_all().unwrap();
        std::process::abort();
    };
    let guard = state.lock().unwrap();
    let victim = Process::spawn(die, (state.clone(), condition.clone())).unwrap();
    assert!(condition.wait_for(guard, |_| false).unwrap_err().is_poisoned());
    victim.join().unwrap_err();
}

fn consume(buffer: Mutex<[i64; 3]>, changed: Condition) -> i64 {
    let mut sum = 0;
    loop {
        let mut buffer = changed.wait_for(buffer.lock().unwrap(), |buffer| buffer[0] != 0).unwrap();
        if buffer[0] < 0 {
            return sum;
        }
        sum += std::mem::take(&mut buffer[0]);
        changed.notify_all().unwrap();
    }
}

pub(super) fn producer_and_consumer() {
    let (buffer, changed) = (Mutex::new([0; 3]).unwrap(), Condition::new().unwrap());
    let consumers: Vec<_> =
        (0..3).map(|_| Process::spawn(consume, (buffer.clone(), changed.clone())).unwrap()).collect();
    for i in (1..=300).chain([-1]) {
        changed.wait_for(buffer.lock().unwrap(), |buffer| buffer[0] == 0).unwrap()[0] = i;
        changed.notify_all().unwrap();
    }
    let sums: i64 = consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum();
    assert_eq!(sums, 300 * 301 / 2);
}
