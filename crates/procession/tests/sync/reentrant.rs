//! The lock that its own thread can take again.

use super::*;

pub(super) fn counts_per_thread_and_process() {
    let lock = ReentrantMutex::new(1_u32).unwrap();
    let outer = lock.lock().unwrap();
    let inner = lock.try_lock().unwrap().unwrap();
    let innermost = lock.lock_timeout(SOON).unwrap().unwrap();
    innermost.set(outer.get() + inner.get());
    drop(outer);
    let is_busy = |lock: ReentrantMutex<u32>| lock.try_lock().unwrap().is_none();
    let from_elsewhere = || {
        let other = Process::spawn(is_busy, (lock.clone(),)).unwrap();
        let thread = thread::scope(|scope| scope.spawn(|| is_busy(lock.clone())).join().unwrap());
        (other.join().unwrap(), thread)
    };
    assert_eq!(from_elsewhere(), (true, true));
    drop(inner);
    assert_eq!(from_elsewhere(), (true, true));
    drop(innermost);
    assert_eq!(from_elsewhere(), (false, false));
    assert_eq!(lock.lock().unwrap().get(), 2);
}

pub(super) fn is_poisoned_at_whatever_depth() {
    let lock = ReentrantMutex::new(0_u8).unwrap();
    let die = |lock: ReentrantMutex<u8>, ready: Event| {
        let _guards = (lock.lock().unwrap(), lock.lock().unwrap(), lock.lock().unwrap());
        ready.set().unwrap();
        park();
    };
    killed_with(die, lock.clone());
    drop(lock.lock().unwrap_err().into_inner());
    lock.clear_poison();
    // Free after as many releases as this thread took it.
    drop(lock.lock().unwrap());
    assert!(thread::scope(|scope| scope.spawn(|| lock.try_lock().unwrap().is_some()).join().unwrap()));
}
