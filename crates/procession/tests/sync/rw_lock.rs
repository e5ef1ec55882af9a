//! Many readers or one writer.

use super::*;

fn write(lock: RwLock<[u64; 2]>, times: usize) {
    for _ in 0..times {
        let mut pair = lock.write().unwrap();
        pair[0] += 1;
        std::hint::spin_loop();
        pair[1] += 1;
    }
}

fn read(lock: RwLock<[u64; 2]>, times: usize) {
    for _ in 0..times {
        let pair = lock.read().unwrap();
        assert_eq!(pair[0], pair[1]);
    }
}

pub(super) fn readers_together_writers_alone() {
    let lock = RwLock::new([0_u64; 2]).unwrap();
    let first = lock.read().unwrap();
    // Together, also in one thread, also while a writer waits.
    thread::scope(|scope| {
        assert!(scope.spawn(|| lock.try_read().unwrap().is_some()).join().unwrap());
        let writer = scope.spawn(|| lock.write().unwrap()[0]);
        until_waiting(1, || lock.statistics().waiters.len());
        drop(lock.read().unwrap());
        assert!(scope.spawn(|| lock.try_read().unwrap().is_none()).join().unwrap(), "a writer waits");
        assert!(scope.spawn(|| lock.read_timeout(SOON).unwrap().is_none()).join().unwrap());
        assert!(lock.write().unwrap_err().error().is_deadlock());
        drop(first);
        writer.join().unwrap();
    });
    let writer = lock.write().unwrap();
    assert!(
        lock.read().unwrap_err().error().is_deadlock() && lock.write().unwrap_err().error().is_deadlock()
    );
    thread::scope(|scope| {
        assert!(scope.spawn(|| lock.write_timeout(SOON).unwrap().is_none()).join().unwrap());
        assert!(scope.spawn(|| lock.try_write().unwrap().is_none()).join().unwrap());
    });
    drop(writer);
    let processes = [
        Process::spawn(write, (lock.clone(), 5000)).unwrap(),
        Process::spawn(read, (lock.clone(), 5000)).unwrap(),
        Process::spawn(write, (lock.clone(), 5000)).unwrap(),
        Process::spawn(read, (lock.clone(), 5000)).unwrap(),
    ];
    processes.into_iter().for_each(|process| process.join().unwrap());
    assert_eq!(*lock.read().unwrap(), [10_000; 2]);
}

pub(super) fn deaths() {
    let lock = RwLock::new(0_u32).unwrap();
    let read = |lock: RwLock<u32>, ready: Event| {
        let _guards = (lock.read().unwrap(), lock.read().unwrap());
        ready.set().unwrap();
        park();
    };
    killed_with(read, lock.clone());
    *lock.write().unwrap() += 1;
    // A writer that sleeps for a reader that dies; and a reader that was leaked.
    let leak = |lock: RwLock<u32>, ready: Event| {
        std::mem::forget(lock.read().unwrap());
        drop(lock);
        ready.set().unwrap();
        park();
    };
    let ready = Event::new().unwrap();
    let reader = Process::spawn(leak, (lock.clone(), ready.clone())).unwrap();
    ready.wait().unwrap();
    thread::scope(|scope| {
        let writer = scope.spawn(|| *lock.write().unwrap() += 1);
        until_waiting(1, || lock.statistics().waiters.len());
        reader.kill().unwrap();
        writer.join().unwrap();
    });
    assert!(!lock.is_poisoned());
    let write = |lock: RwLock<u32>, ready: Event| {
        let _guard = lock.write().unwrap();
        ready.set().unwrap();
        park();
    };
    killed_with(write, lock.clone());
    assert!(lock.read().unwrap_err().is_poisoned());
    lock.clear_poison();
    killed_with(write, lock.clone());
    assert_eq!(*lock.write().unwrap_err().into_inner(), 2);
}

/// Several readers find the dead writer at once; one of them ends its writing, and none keeps its place.
pub(super) fn all_readers_go_on_after_a_writer_died() {
    let write = |lock: RwLock<u32>, ready: Event| {
        let _guard = lock.write().unwrap();
        ready.set().unwrap();
        park();
    };
    let read = |lock: RwLock<u32>| {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| drop(lock.read()));
            }
        });
    };
    for _ in 0..30 {
        let (lock, ready) = (RwLock::new(0_u32).unwrap(), Event::new().unwrap());
        let writer = Process::spawn(write, (lock.clone(), ready.clone())).unwrap();
        ready.wait().unwrap();
        let readers = [0, 1].map(|_| Process::spawn(read, (lock.clone(),)).unwrap());
        until_waiting(8, || lock.statistics().waiters.len());
        writer.kill().unwrap();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert!(lock.is_poisoned() && lock.statistics().holders.is_empty());
        lock.clear_poison();
        // At once, and not only for those who wait.
        killed_with(write, lock.clone());
        assert!(lock.try_read().unwrap_err().is_poisoned());
    }
}

pub(super) fn works_while_a_thread_ends() {
    struct AtTheEnd(RwLock<u32>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let seen = *self.0.read().unwrap();
            *self.0.write().unwrap() += seen + 1;
        }
    }
    thread_local! {
        static AT_THE_END: std::cell::RefCell<Option<AtTheEnd>> = const { std::cell::RefCell::new(None) };
    }
    let lock = RwLock::new(0_u32).unwrap();
    for _ in 0..3 {
        let lock = lock.clone();
        let ends = move || {
            AT_THE_END.with_borrow_mut(|at_the_end| *at_the_end = Some(AtTheEnd(lock.clone())));
            drop(lock.read());
        };
        thread::spawn(ends).join().unwrap();
    }
    assert_eq!(*lock.read().unwrap(), 7);
}
