//! Many shared values.

use super::*;

pub(super) fn parts() {
    let array = Array::<u32>::new(100).unwrap();
    let (first, second) = (array.lock_range(..50).unwrap(), array.lock_range(60..=79).unwrap());
    assert_eq!((first.range(), second.len()), (0..50, 20));
    let other = |array: Array<u32>| {
        let free =
            array.try_lock_range(50..60).unwrap().is_some() && array.try_lock_range(80..).unwrap().is_some();
        let taken = array.try_lock_range(49..51).unwrap().is_none() && array.try_lock().unwrap().is_none();
        free && taken && array.lock_range_timeout(79..100, SOON).unwrap().is_none()
    };
    assert!(Process::spawn(other, (array.clone(),)).unwrap().join().unwrap());
    assert!(array.lock().unwrap_err().error().is_deadlock(), "some of it is this thread's");
    drop((first, second));
    assert!(array.lock_timeout(SOON).unwrap().is_some());
    let fill = |array: Array<u32>, i: usize| {
        for _ in 0..100 {
            let mut part = array.lock_range(i * 10..i * 10 + 10).unwrap();
            part.iter_mut().for_each(|one| *one += i as u32);
        }
    };
    let processes: Vec<_> = (0..10).map(|i| Process::spawn(fill, (array.clone(), i)).unwrap()).collect();
    processes.into_iter().for_each(|process| process.join().unwrap());
    assert!(array.lock().unwrap().iter().enumerate().all(|(i, one)| *one as usize == i / 10 * 100));
    assert_eq!(Array::from_slice(&[1.5, 2.5]).unwrap().to_vec().unwrap(), [1.5, 2.5]);
}

pub(super) fn bad_ranges() {
    assert!(Array::<u8>::new(0).unwrap_err().is_invalid_argument());
    assert!(Array::<u8>::from_slice(&[]).unwrap_err().is_invalid_argument());
    assert!(Array::<u64>::new(usize::MAX).unwrap_err().is_out_of_memory());
    let array = Array::<u8>::new(10).unwrap();
    #[allow(clippy::reversed_empty_ranges, reason = "that's what it's about")]
    for range in [0..11, 5..3, 11..11, 0..usize::MAX] {
        let e = array.lock_range(range.clone()).unwrap_err();
        assert!(e.error().is_invalid_argument(), "{range:?}: {e}");
    }
    assert!(array.lock_range(..=usize::MAX).unwrap_err().error().is_invalid_argument());
    assert_eq!(array.lock_range(10..).unwrap().len(), 0);
}

pub(super) fn poison() {
    let array = Array::<u64>::new(100).unwrap();
    let die = |array: Array<u64>, ready: Event| {
        let mut part = array.lock_range(10..20).unwrap();
        part.fill(1);
        ready.set().unwrap();
        park();
    };
    killed_with(die, array.clone());
    let guard = array.lock().unwrap_err().into_inner();
    assert_eq!(guard.iter().sum::<u64>(), 10);
    drop(guard);
    array.clear_poison();
    assert!(array.lock().is_ok());
    let panicked = thread::scope(|scope| {
        let raise = || {
            let _part = array.lock_range(..3).unwrap();
            blow::<()>()
        };
        scope.spawn(raise).join()
    });
    assert!(panicked.is_err() && array.is_poisoned());
    array.clear_poison();
    // One who waits for a part gets it when its holder dies.
    let ready = Event::new().unwrap();
    let victim = Process::spawn(die, (array.clone(), ready.clone())).unwrap();
    ready.wait().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| array.lock_range(19..).is_err_and(|e| e.is_poisoned()));
        until_waiting(1, || array.statistics().waiters.len());
        victim.kill().unwrap();
        assert!(waiter.join().unwrap());
    });
    victim.join().unwrap_err();
}

pub(super) fn large() {
    const LEN: usize = 8 << 20;
    let array = Array::<u64>::new(LEN).unwrap();
    let fill = |array: Array<u64>, half: usize| {
        let mut part = array.lock_range(half * LEN / 2..(half + 1) * LEN / 2).unwrap();
        part.iter_mut().enumerate().for_each(|(i, one)| *one = (half * LEN / 2 + i) as u64);
    };
    let halves = [0, 1].map(|half| Process::spawn(fill, (array.clone(), half)).unwrap());
    halves.into_iter().for_each(|half| half.join().unwrap());
    assert!(array.lock().unwrap().iter().enumerate().all(|(i, one)| *one == i as u64));
    drop(array);
    assert_nothing_left();
}

pub(super) fn too_many_parts() {
    let array = Array::<u8>::new(1000).unwrap();
    let parts: Vec<_> = (0..128).map(|i| array.lock_range(i..=i).unwrap()).collect();
    let e = array.lock_range(500..501).unwrap_err();
    assert!(e.error().is_deadlock() && e.to_string().contains("128"), "{e}");
    // Another thread waits until one is released.
    thread::scope(|scope| {
        let other = scope.spawn(|| array.lock_range(500..501).unwrap().len());
        until_waiting(1, || array.statistics().waiters.len());
        drop(parts);
        assert_eq!(other.join().unwrap(), 1);
    });
}
