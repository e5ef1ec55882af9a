//! What is done once.

use super::*;

pub(super) fn once() {
    let (once, value, count) = (Once::new().unwrap(), OnceValue::new().unwrap(), Value::new(0_u32).unwrap());
    let try_it = |once: Once, value: OnceValue<u64>, count: Value<u32>| {
        once.call_once(|| assert_eq!(count.fetch_add(1).unwrap(), 0)).unwrap();
        *value.get_or_init(|| std::process::id().into()).unwrap()
    };
    let processes: Vec<_> = (0..6)
        .map(|_| Process::spawn(try_it, (once.clone(), value.clone(), count.clone())).unwrap())
        .collect();
    let found: Vec<u64> = processes.into_iter().map(|process| process.join().unwrap()).collect();
    assert!(found.iter().all(|one| Some(one) == value.get()), "{found:?}");
    assert_eq!((count.load(), once.is_completed()), (1, true));
    let e = OnceValue::<u8>::new().map(|value| {
        let inner = value.clone();
        value
            .get_or_init(move || *inner.get_or_init(|| 1).unwrap_err().is_deadlock().then_some(&5).unwrap())
            .copied()
    });
    assert_eq!(e.unwrap().unwrap(), 5);
    let fails = OnceValue::<u8>::new().unwrap();
    let error = || Err(procession::Error::from(TaskError::Cancelled));
    assert!(fails.get_or_try_init(error).is_err() && fails.get().is_none());
    assert_eq!(fails.get_or_init_timeout(SOON, || 3).unwrap(), Some(&3));
    let other = Once::new().unwrap();
    let entered = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (other, entered) = (&other, &entered);
        scope.spawn(move || {
            other
                .call_once(|| {
                    entered.store(1, Ordering::Release);
                    while entered.load(Ordering::Acquire) < 2 {
                        thread::yield_now();
                    }
                })
                .unwrap()
        });
        while entered.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        assert!(!other.call_once_timeout(SOON, || unreachable!()).unwrap());
        entered.store(2, Ordering::Release);
        assert!(other.call_once_timeout(Duration::MAX, || unreachable!()).unwrap());
    });
}

pub(super) fn a_death_or_panic_before_the_end_leaves_it_undone() {
    let value = OnceValue::<u64>::new().unwrap();
    let die = |value: OnceValue<u64>, ready: Event| {
        value
            .get_or_init(|| {
                ready.set().unwrap();
                park();
                1
            })
            .unwrap();
    };
    killed_with(die, value.clone());
    let panicked = thread::scope(|scope| {
        let raise = || value.get_or_init(blow).copied();
        scope.spawn(raise).join()
    });
    assert!(panicked.is_err() && value.get().is_none());
    assert_eq!(value.get_or_init(|| 9).unwrap(), &9);
}
