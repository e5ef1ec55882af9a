//! Arguments at the edge of what can be said: an error that says so, or what was asked for; never a panic.

use procession::*;
use std::{ops::Bound, time::Duration};

/// What is asked for can't be had.
#[track_caller]
fn is_refused<T>(result: std::result::Result<T, impl Into<Error>>) {
    let error = match result {
        Ok(_) => panic!("it was had"),
        Err(e) => e.into(),
    };
    assert!(error.is_invalid_argument() || error.is_out_of_memory(), "{error:?}");
}

pub(super) fn capacities() {
    is_refused(channel_with::<u8>(0));
    is_refused(Queue::<u8>::bounded(0));
    is_refused(Queue::<u8>::bounded_bytes(0, 1));
    is_refused(JoinableQueue::<u8>::bounded(0));
    is_refused(JoinableQueue::builder().redeliver(255).build::<u8>());
    is_refused(Semaphore::new(u32::MAX));
    is_refused(Barrier::new(0));
    is_refused(Barrier::new(u32::MAX));
    is_refused(Array::<u8>::new(0));
    is_refused(Array::<u64>::new(usize::MAX));
    is_refused(Array::<u8>::new(usize::MAX));
    is_refused(Array::<[u64; 1000]>::new(usize::MAX / 4000));
    is_refused(Array::<u64>::from_slice(&[]));
    let (sender, _receiver) = channel::<u8>().unwrap();
    is_refused(sender.reserve(usize::MAX));
    is_refused(sender.reserve(isize::MAX as usize));

    // As many as there is memory for.
    let (sender, receiver) = channel_with::<u8>(usize::MAX).unwrap();
    sender.send(&1).unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
    for queue in [
        Queue::<u8>::bounded(usize::MAX).unwrap(),
        Queue::bounded_bytes(usize::MAX, usize::MAX).unwrap(),
        // One is always let in.
        Queue::bounded_bytes(1, 0).unwrap(),
    ] {
        queue.put(&1).unwrap();
        assert_eq!(queue.get().unwrap(), 1);
        queue.put(&2).unwrap();
        assert_eq!(queue.get_many(usize::MAX).unwrap(), [2]);
        assert_eq!(queue.get_many(0).unwrap(), []);
    }
    let jobs = JoinableQueue::<u8>::bounded(usize::MAX).unwrap();
    jobs.put(&1).unwrap();
    jobs.get().unwrap().task_done().unwrap();
    let permits = i32::MAX as u32;
    assert_eq!(Semaphore::new(permits).unwrap().available(), permits);
    let empty = sender.reserve(0).unwrap();
    empty.commit().unwrap();
}

pub(super) fn indices() {
    let array = Array::from_slice(&[1_u8, 2, 3]).unwrap();
    is_refused(array.lock_range(4..));
    is_refused(array.lock_range(usize::MAX..));
    is_refused(array.lock_range(..=usize::MAX));
    is_refused(array.lock_range((Bound::Excluded(usize::MAX), Bound::Unbounded)));
    #[allow(clippy::reversed_empty_ranges, reason = "that's what is refused")]
    let reversed = 2..1;
    is_refused(array.lock_range(reversed));
    assert_eq!(array.lock_range(3..).unwrap().len(), 0);

    let list = List::new().unwrap();
    list.extend([1_u8, 2, 3]).unwrap();
    is_refused(list.insert(usize::MAX, &4));
    is_refused(list.swap(0, usize::MAX));
    assert_eq!(list.get(usize::MAX).unwrap(), None);
    assert_eq!(list.set(usize::MAX, &4).unwrap(), None);
    assert_eq!(list.remove(usize::MAX).unwrap(), None);
    assert_eq!(list.update(usize::MAX, |_| ()).unwrap(), None);
    list.truncate(usize::MAX).unwrap();
    assert_eq!(list.len().unwrap(), 3);

    let mut selector = Selector::new();
    is_refused(selector.wait_timeout(Duration::ZERO));

    let dict = Dict::<String, u8>::new().unwrap();
    assert_eq!(dict.transaction::<str, _>(&[], |_| 7).unwrap(), 7);
    let none: [&str; 0] = [];
    assert_eq!(dict.get_many(&none).unwrap(), []);
    dict.insert("a", &1).unwrap();
    assert_eq!(dict.get_many(&["a", "b", "a"]).unwrap(), [Some(1), None, Some(1)]);
}

/// What is there already is had at once, however long one would have waited; and zero doesn't wait.
pub(super) fn timeouts() {
    let event = Event::new().unwrap();
    event.set().unwrap();
    let (sender, receiver) = channel::<u8>().unwrap();
    let queue = Queue::bounded(1).unwrap();
    let jobs = JoinableQueue::bounded(1).unwrap();
    let barrier = Barrier::new(1).unwrap();
    let semaphore = Semaphore::new(1).unwrap();
    let list = List::<u8>::new().unwrap();
    let mutex = Mutex::new(0).unwrap();
    let process = Process::spawn(|| 7, ()).unwrap();
    for timeout in [Duration::MAX, Duration::from_nanos(u64::MAX), Duration::from_secs(u64::MAX / 2)] {
        assert!(event.wait_timeout(timeout).unwrap());
        assert!(sender.send_timeout(&1, timeout).unwrap() && receiver.poll(timeout).unwrap());
        assert_eq!(receiver.recv_timeout(timeout).unwrap(), Some(1));
        assert!(queue.put_timeout(&1, timeout).unwrap());
        assert_eq!(queue.get_timeout(timeout).unwrap(), Some(1));
        assert!(jobs.put_timeout(&1, timeout).unwrap());
        jobs.get_timeout(timeout).unwrap().unwrap().task_done().unwrap();
        assert!(jobs.join_timeout(timeout).unwrap());
        assert!(barrier.wait_timeout(timeout).unwrap().is_leader());
        drop(semaphore.acquire_timeout(timeout).unwrap().unwrap());
        drop(mutex.lock_timeout(timeout).unwrap().unwrap());
        assert!(list.wait_for_change(u64::MAX, timeout).unwrap().is_some());
        let mut selector = Selector::new();
        selector.add(&event).unwrap();
        assert_eq!(selector.wait_timeout(timeout).unwrap(), Some(0));
        assert_eq!(process.join_timeout(timeout).unwrap(), Some(7));
    }
    // Somebody else's work ends a wait that would last for ever.
    let waiting =
        Process::spawn(|r: Receiver<u8>| r.recv_timeout(Duration::MAX).unwrap(), (receiver,)).unwrap();
    sender.send(&3).unwrap();
    assert_eq!(waiting.join().unwrap(), Some(3));
    assert_eq!(queue.get_timeout(Duration::ZERO).unwrap(), None);
}

pub(super) fn pools() {
    #[allow(clippy::reversed_empty_ranges, reason = "that's what is refused")]
    let reversed = 5..=2;
    is_refused(Pool::new(0));
    is_refused(Pool::new(reversed));
    is_refused(Pool::new(usize::MAX));
    is_refused(Pool::new(0..=usize::MAX));
    is_refused(Pool::builder().workers(1).max_pending(0).build());
    is_refused(Pool::builder().workers(1).max_attempts(0).build());
    is_refused(Pool::builder().workers(1).max_tasks_per_worker(0).build());
    is_refused(Pool::builder().workers(1).memory_limit(0).build());
    is_refused(Pool::builder().workers(1).task_timeout(Duration::ZERO).build());
    is_refused(Pool::builder().workers(1).name("a\0b").build());
    let pool = Pool::builder()
        .workers(0..=2)
        .idle_timeout(Duration::MAX)
        .task_timeout(Duration::MAX)
        .max_tasks_per_worker(u64::MAX)
        .max_attempts(u32::MAX)
        .max_pending(usize::MAX)
        .memory_limit(u64::MAX)
        .build()
        .unwrap();
    assert_eq!(pool.map(|n: u8| n, 0..3).unwrap(), [0, 1, 2]);
    let options =
        || pool.options().chunk(usize::MAX).window(usize::MAX).timeout(Duration::MAX).attempts(u32::MAX);
    assert_eq!(options().map(|n: u8| n, 0..3).unwrap(), [0, 1, 2]);
    assert_eq!(options().imap(|n: u8| n, 0..3).map(|n| n.unwrap()).sum::<u8>(), 3);
    let options = || pool.options().chunk(0).window(0);
    assert_eq!(options().map(|n: u8| n, 0..3).unwrap(), [0, 1, 2]);
    assert_eq!(options().imap(|n: u8| n, 0..3).map(|n| n.unwrap()).sum::<u8>(), 3);
    is_refused(pool.options().attempts(0).apply(|| (), ()));
    is_refused(pool.options().timeout(Duration::ZERO).apply(|| (), ()));
    is_refused(pool.resize(0));
    assert_eq!(pool.map(|n: u8| n, std::iter::empty()).unwrap(), []);
    assert_eq!(pool.map_async(|n: u8| n, std::iter::empty()).unwrap().get().unwrap(), []);
    let slow = pool.apply_async(|| (), ()).unwrap();
    assert!(slow.wait(Duration::MAX) && slow.get_timeout(Duration::MAX).unwrap().is_some());
    // After the end: errors, and the second end is none.
    pool.close();
    pool.join().unwrap();
    pool.join().unwrap();
    pool.terminate();
    assert!(Error::from(pool.apply(|| (), ()).unwrap_err()).is_closed());
    assert!(Error::from(pool.imap(|n: u8| n, 0..3).next().unwrap().unwrap_err()).is_closed());
    assert!(pool.resize(1).unwrap_err().is_closed() && pool.handle().unwrap_err().is_closed());
    assert_eq!(pool.statistics().workers, 0);
}

pub(super) fn processes() {
    let spawn = |builder: ProcessBuilder| builder.spawn(|| 7, ());
    is_refused(spawn(Process::builder().nice(20)));
    is_refused(spawn(Process::builder().nice(i32::MIN)));
    is_refused(spawn(Process::builder().memory_limit(0)));
    is_refused(spawn(Process::builder().cpu_affinity([])));
    is_refused(spawn(Process::builder().cpu_affinity([usize::MAX])));
    is_refused(spawn(Process::builder().env("a\0b", "c")));
    is_refused(spawn(Process::builder().env("a", "b\0c")));
    assert!(spawn(Process::builder().current_dir("a\0b")).unwrap_err().is_start_failed());
    let process = spawn(Process::builder().memory_limit(u64::MAX).name("n".repeat(10_000))).unwrap();
    assert_eq!(process.join().unwrap(), 7);
    let process = spawn(Process::builder().env("", "x").env("a=b", "c").name("a\0b"));
    assert_eq!(process.unwrap().join().unwrap(), 7);
}
