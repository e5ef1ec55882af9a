//! One shared value.

use super::*;

pub(super) fn integers() {
    let value = Value::new(250_u8).unwrap();
    assert_eq!((value.fetch_add(10).unwrap(), value.load()), (250, 4));
    assert_eq!((value.fetch_sub(5).unwrap(), value.load()), (4, 255));
    value.store(7).unwrap();
    assert_eq!((value.swap(9).unwrap(), value.load()), (7, 9));
    assert_eq!(value.compare_exchange(9, 1).unwrap(), Ok(9));
    assert_eq!(value.compare_exchange(9, 2).unwrap(), Err(1));
    assert_eq!((value.fetch_max(100).unwrap(), value.fetch_min(50).unwrap(), value.load()), (1, 100, 50));
    let signed = Value::new(-1_i64).unwrap();
    assert_eq!((signed.fetch_add(-5).unwrap(), signed.fetch_sub(-7).unwrap(), signed.load()), (-1, -6, 1));
    assert_eq!(signed.fetch_update(|_| None).unwrap(), Err(1));
    let (small, large) = (Value::new(0_i16).unwrap(), Value::new(0_u64).unwrap());
    let add = |small: Value<i16>, large: Value<u64>| {
        for _ in 0..5000 {
            small.fetch_add(1).unwrap();
            large.fetch_add(1).unwrap();
        }
    };
    let processes: Vec<_> =
        (0..3).map(|_| Process::spawn(add, (small.clone(), large.clone())).unwrap()).collect();
    processes.into_iter().for_each(|process| process.join().unwrap());
    assert_eq!((small.load(), large.load()), (15_000, 15_000));
}

pub(super) fn of_any_size_are_never_torn() {
    fn torn_or_lost<const N: usize>(add: fn(Value<[u32; N]>)) {
        let value = Value::new([0_u32; N]).unwrap();
        let processes: Vec<_> = [0, 1].map(|_| value.clone()).into_iter().collect();
        let threads: Vec<_> = processes.into_iter().map(|value| thread::spawn(move || add(value))).collect();
        while threads.iter().any(|thread| !thread.is_finished()) {
            let seen = value.get();
            assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(value.get(), [4000; N]);
    }
    fn add<const N: usize>(value: Value<[u32; N]>) {
        for _ in 0..2000 {
            value.update(|all| all.iter_mut().for_each(|one| *one += 1)).unwrap();
        }
    }
    torn_or_lost::<1>(add);
    torn_or_lost::<2>(add);
    torn_or_lost::<3>(add);
    torn_or_lost::<33>(add);
    let nothing = Value::new(()).unwrap();
    nothing.set(()).unwrap();
    nothing.get();
}

pub(super) fn a_panic_or_death_leaves_it() {
    let value = Value::new([1_u64; 3]).unwrap();
    let die = |value: Value<[u64; 3]>, ready: Event| {
        let mut guard = value.lock().unwrap();
        guard[0] = 5;
        ready.set().unwrap();
        park();
    };
    killed_with(die, value.clone());
    let panicked = thread::scope(|scope| {
        let raise = || {
            value.update(|value| {
                value[1] = 7;
                blow::<()>()
            })
        };
        scope.spawn(raise).join()
    });
    assert!(panicked.is_err());
    assert_eq!(value.get(), [1; 3]);
    let guard = value.lock().unwrap();
    assert!(value.set([2; 3]).unwrap_err().is_deadlock() && value.try_lock().unwrap_err().is_deadlock());
    thread::scope(|scope| {
        assert!(scope.spawn(|| value.lock_timeout(SOON).unwrap().is_none()).join().unwrap());
        assert!(scope.spawn(|| value.try_lock().unwrap().is_none()).join().unwrap());
    });
    drop(guard);
    value.set([2; 3]).unwrap();
    assert_eq!(value.get(), [2; 3]);
}
