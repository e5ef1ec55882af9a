//! What can be done with objects before and after their manager was shut down.

use crate::assert_shut_down;
use procession::{Error, Event, Manager, Process, Queue, Selector};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

pub(crate) fn everything_works_until_it_is_shut_down() {
    let manager = Manager::new().unwrap();
    let dict = manager.dict::<String, u64>().unwrap();
    let list = manager.list::<u64>().unwrap();
    let mutex = manager.mutex(1).unwrap();
    let reentrant = manager.reentrant_mutex(1).unwrap();
    let lock = manager.rw_lock(1).unwrap();
    let semaphore = manager.semaphore(1).unwrap();
    let bounded = manager.bounded_semaphore(1).unwrap();
    let condition = manager.condition().unwrap();
    let event = manager.event().unwrap();
    let barrier = manager.barrier(1).unwrap();
    let once = manager.once().unwrap();
    let once_value = manager.once_value::<u64>().unwrap();
    let value = manager.value(1_u64).unwrap();
    let large = manager.value([1_u64; 9]).unwrap();
    let array = manager.array_from_slice(&[1, 2, 3]).unwrap();
    let (sender, receiver) = manager.channel::<u64>().unwrap();
    let (here, there) = manager.pipe::<u64>().unwrap();
    let queue = manager.queue::<u64>().unwrap();
    let joinable = manager.bounded_joinable_queue::<u64>(3).unwrap();
    let inner = manager.manager().unwrap();
    // Each operation gives what the others check.
    macro_rules! operations {
        ($check:ident) => {
            $check!("Dict", dict.insert("a", &1));
            $check!("Dict", dict.get("a"));
            $check!("Dict", dict.contains("a"));
            $check!("Dict", dict.update("a", |n| *n += 1));
            $check!("Dict", dict.remove("a"));
            $check!("Dict", dict.len());
            $check!("Dict", dict.items());
            $check!("Dict", dict.clear());
            $check!("Dict", dict.changes());
            $check!("Dict", dict.wait_for("a", |n| n.is_none(), Duration::ZERO));
            $check!("List", list.push(&1));
            $check!("List", list.insert(0, &2));
            $check!("List", list.set(0, &3));
            $check!("List", list.update(0, |n| *n += 1));
            $check!("List", list.get(0));
            $check!("List", list.iter());
            $check!("List", list.len());
            $check!("List", list.swap(0, 1));
            $check!("List", list.pop());
            $check!("List", list.clear());
            $check!("List", list.changes());
            $check!("List", list.wait_for_change(u64::MAX, Duration::ZERO));
            $check!("Mutex", mutex.lock());
            $check!("Mutex", mutex.try_lock());
            $check!("Mutex", mutex.lock_timeout(Duration::ZERO));
            $check!("ReentrantMutex", reentrant.lock());
            $check!("ReentrantMutex", reentrant.try_lock());
            $check!("RwLock", lock.read());
            $check!("RwLock", lock.write());
            $check!("RwLock", lock.try_read());
            $check!("RwLock", lock.try_write());
            $check!("Semaphore", semaphore.acquire());
            $check!("Semaphore", semaphore.try_acquire());
            $check!("Semaphore", semaphore.release());
            $check!("Semaphore", bounded.acquire());
            $check!("Condition", condition.notify_one());
            $check!("Condition", condition.notify_all());
            $check!("Event", event.set());
            $check!("Event", event.wait());
            $check!("Event", event.wait_timeout(Duration::ZERO));
            $check!("Event", event.clear());
            $check!("Barrier", barrier.wait());
            $check!("Barrier", barrier.abort());
            $check!("Barrier", barrier.reset());
            $check!("Once", once.call_once(|| ()));
            $check!("Once", once_value.get_or_init(|| 1));
            $check!("Value", value.set(2));
            $check!("Value", value.fetch_add(1));
            $check!("Value", value.update(|n| *n += 1));
            $check!("Value", value.compare_exchange(1, 2));
            $check!("Value", large.set([2; 9]));
            $check!("Value", large.lock());
            $check!("Array", array.lock());
            $check!("Array", array.try_lock_range(1..));
            $check!("Array", array.to_vec());
            $check!("Sender", sender.send(&1));
            $check!("Sender", sender.try_send(&1));
            $check!("Receiver", receiver.poll(Duration::ZERO));
            $check!("Receiver", receiver.recv());
            $check!("Receiver", receiver.try_recv());
            $check!("Receiver", receiver.as_fd());
            $check!("Sender", here.send(&1));
            $check!("Receiver", there.recv());
            $check!("Queue", queue.put(&1));
            $check!("Queue", queue.try_put(&1));
            $check!("Queue", queue.put_many([1, 2]));
            $check!("Queue", queue.get());
            $check!("Queue", queue.get_many(2));
            $check!("Queue", queue.try_get());
            $check!("Queue", queue.poll(Duration::ZERO));
            $check!("JoinableQueue", joinable.put(&1));
            $check!("JoinableQueue", joinable.get().map(|lease| lease.task_done()));
            $check!("JoinableQueue", joinable.try_get());
            $check!("JoinableQueue", joinable.join());
            $check!("Manager", inner.event());
        };
    }
    macro_rules! works {
        ($kind:literal, $operation:expr) => {
            let _ = $operation.map_err(Error::from).unwrap();
        };
    }
    macro_rules! is_shut_down {
        ($kind:literal, $operation:expr) => {
            assert_shut_down($kind, $operation.map(|_| ()));
        };
    }
    operations!(works);
    works!("Queue", queue.close());
    assert!(!manager.is_shut_down());
    manager.shutdown().unwrap();
    assert!(manager.is_shut_down() && inner.is_shut_down());
    operations!(is_shut_down);
    is_shut_down!("Queue", queue.close());
    assert!(joinable.is_closed() && joinable.unfinished() == 0);
    assert_shut_down("Manager", manager.dict::<u8, u8>().map(|_| ()));
    manager.shutdown().unwrap();
}

pub(crate) fn guards_outlive_it() {
    let manager = Manager::new().unwrap();
    let mutex = manager.mutex(1).unwrap();
    let lock = manager.rw_lock(1).unwrap();
    let reentrant = manager.reentrant_mutex(1).unwrap();
    let array = manager.array::<u8>(7).unwrap();
    let value = manager.value([1, 2, 3]).unwrap();
    let semaphore = manager.semaphore(1).unwrap();
    let mut held = mutex.lock().unwrap();
    let reading = lock.read().unwrap();
    let (first, second) = (reentrant.lock().unwrap(), reentrant.lock().unwrap());
    let mut part = array.lock_range(..3).unwrap();
    let mut copy = value.lock().unwrap();
    let permit = semaphore.acquire().unwrap();
    manager.shutdown().unwrap();
    drop(manager);
    *held += 1;
    part[0] = *reading as u8;
    copy[0] = 7;
    first.set(second.get());
    assert_eq!((*held, part[0]), (2, 1));
    drop((held, reading, first, second, part, copy, permit));
    assert_shut_down("Mutex", mutex.lock());
    assert_shut_down("Array", array.lock());
    assert_eq!(semaphore.available(), 1);
}

pub(crate) fn a_lease_outlives_it() {
    let manager = Manager::new().unwrap();
    let queue = manager.joinable_queue().unwrap();
    (0..3).for_each(|n| queue.put(&format!("item {n}")).unwrap());
    let (done, dropped, taken) = (queue.get().unwrap(), queue.get().unwrap(), queue.get().unwrap());
    manager.shutdown().unwrap();
    assert_eq!(*done, "item 0");
    assert_shut_down("JoinableQueue", done.task_done());
    drop(dropped);
    assert_shut_down("JoinableQueue", taken.into_inner());
}

pub(crate) fn what_cannot_fail_still_tells() {
    let manager = Manager::new().unwrap();
    let (event, value) = (manager.event().unwrap(), manager.value(7).unwrap());
    let (barrier, once) = (manager.barrier(3).unwrap(), manager.once_value().unwrap());
    let queue = manager.queue::<u8>().unwrap();
    event.set().unwrap();
    assert_eq!(*once.get_or_init(|| 5).unwrap(), 5);
    queue.put(&1).unwrap();
    manager.shutdown().unwrap();
    assert!(event.is_set() && barrier.parties() == 3 && !barrier.is_broken());
    assert_eq!((value.get(), once.get(), queue.len()), (7, Some(&5), 0));
    assert!(format!("{event:?} {queue:?} {manager:?}").contains("shut_down: 1"));
}

pub(crate) fn who_polls_is_told() {
    let manager = Manager::new().unwrap();
    let queue = manager.queue::<u8>().unwrap();
    let fd = queue.as_fd().unwrap();
    let wait = |time: Option<&Timespec>| poll(&mut [PollFd::new(&fd, PollFlags::IN)], time).unwrap();
    assert_eq!(wait(Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), 0);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(None));
        manager.shutdown().unwrap();
        assert_eq!(waiting.join().unwrap(), 1);
    });
    let mut selector = Selector::new();
    selector.add(&queue).unwrap();
    assert_eq!(selector.wait().unwrap(), 0);
    assert_shut_down("Queue", queue.try_get());
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

pub(crate) fn a_future_is_told() {
    let manager = Manager::new().unwrap();
    let queue = manager.queue::<u8>().unwrap();
    let mut future = pin!(queue.get_async());
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    assert!(future.as_mut().poll(&mut context).is_pending());
    Process::spawn(|manager: Manager| manager.shutdown().unwrap(), (manager,)).unwrap().join().unwrap();
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(result) => return assert_shut_down("Queue", result),
            Poll::Pending => thread::park(),
        }
    }
}

pub(crate) fn in_a_closure_of_an_update() {
    let manager = Manager::new().unwrap();
    let (dict, list) = (manager.dict::<u8, Queue<u8>>().unwrap(), manager.list::<Event>().unwrap());
    dict.insert(&1, &Queue::unbounded().unwrap()).unwrap();
    list.push(&Event::new().unwrap()).unwrap();
    let _ = dict.update(&1, |_| manager.shutdown().unwrap());
    assert_shut_down("Dict", dict.get(&1));
    assert_shut_down("List", list.get(0));
    drop((dict, list, manager));
    let manager = Manager::new().unwrap();
    let list = manager.list::<Event>().unwrap();
    list.push(&Event::new().unwrap()).unwrap();
    let _ = list.update(0, |_| manager.shutdown().unwrap());
    assert_shut_down("List", list.get(0));
    drop((list, manager));
    crate::common::assert_nothing_left();
}
