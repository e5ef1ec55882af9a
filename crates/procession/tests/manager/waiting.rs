//! Each kind of object is closed while another process waits for it.

use crate::{common::until_waiting, reason};
use procession::{
    Array, Barrier, BoundedSemaphore, Condition, Dict, Event, JoinableQueue, List, Manager, Mutex, Once,
    Process, Queue, Receiver, ReentrantMutex, RwLock, Selector, Semaphore, Sender, Statistics, Task, Value,
};
use procession_testing::{Test, tests};
use std::time::Duration;

pub(crate) fn all() -> Vec<Test> {
    tests![
        mutex,
        mutex_with_a_timeout,
        several_for_a_mutex,
        reentrant_mutex,
        rw_lock_read,
        rw_lock_write,
        semaphore,
        bounded_semaphore,
        condition,
        event,
        barrier,
        once,
        value,
        array,
        receiver,
        sender,
        queue_get,
        queue_put,
        joinable_get,
        joinable_join,
        dict,
        dict_changes,
        dict_lock,
        list,
        list_lock,
        selector,
    ]
}

/// While another process waits in `wait`, which is to give an error, the manager is shut down: what the error says.
fn closed_while<A>(
    manager: &Manager,
    object: &A,
    waiters: impl Fn() -> Statistics,
    wait: impl Task<(A,), Output = String>,
) -> String
where
    A: Clone + serde::Serialize + serde::de::DeserializeOwned,
{
    let process = Process::spawn(wait, (object.clone(),)).unwrap();
    until_waiting(1, || waiters().waiters.len());
    manager.shutdown().unwrap();
    process.join().unwrap()
}

fn says(kind: &str) -> String {
    format!("the {kind} can't be used any more: its manager was shut down")
}

fn mutex() {
    let manager = Manager::new().unwrap();
    let mutex = manager.mutex(1).unwrap();
    let guard = mutex.lock().unwrap();
    let wait = |mutex: Mutex<i32>| reason(mutex.lock().unwrap_err());
    assert_eq!(closed_while(&manager, &mutex, || mutex.statistics(), wait), says("Mutex"));
    drop(guard);
}

fn mutex_with_a_timeout() {
    let manager = Manager::new().unwrap();
    let mutex = manager.mutex(1).unwrap();
    let guard = mutex.lock().unwrap();
    let wait = |mutex: Mutex<i32>| reason(mutex.lock_timeout(Duration::from_secs(100_000)).unwrap_err());
    assert_eq!(closed_while(&manager, &mutex, || mutex.statistics(), wait), says("Mutex"));
    drop(guard);
    // One that isn't shut down lets the time pass.
    let manager = Manager::new().unwrap();
    let mutex = manager.mutex(1).unwrap();
    let _guard = mutex.lock().unwrap();
    let wait = |mutex: Mutex<i32>| mutex.lock_timeout(Duration::from_millis(700)).unwrap().is_none();
    assert!(Process::spawn(wait, (mutex.clone(),)).unwrap().join().unwrap());
}

fn several_for_a_mutex() {
    let manager = Manager::new().unwrap();
    let mutex = manager.mutex(1).unwrap();
    let guard = mutex.lock().unwrap();
    let wait = |mutex: Mutex<i32>| {
        std::thread::scope(|scope| {
            let waits = [(); 3].map(|()| scope.spawn(|| reason(mutex.lock().unwrap_err())));
            waits.map(|wait| wait.join().unwrap())
        })
    };
    let processes = [(); 2].map(|()| Process::spawn(wait, (mutex.clone(),)).unwrap());
    until_waiting(6, || mutex.statistics().waiters.len());
    manager.shutdown().unwrap();
    for process in processes {
        assert_eq!(process.join().unwrap(), [says("Mutex"), says("Mutex"), says("Mutex")]);
    }
    drop(guard);
}

fn reentrant_mutex() {
    let manager = Manager::new().unwrap();
    let mutex = manager.reentrant_mutex(1).unwrap();
    let guard = mutex.lock().unwrap();
    let wait = |mutex: ReentrantMutex<i32>| reason(mutex.lock().unwrap_err());
    assert_eq!(closed_while(&manager, &mutex, || mutex.statistics(), wait), says("ReentrantMutex"));
    drop(guard);
}

fn rw_lock_read() {
    let manager = Manager::new().unwrap();
    let lock = manager.rw_lock(1).unwrap();
    let guard = lock.write().unwrap();
    let wait = |lock: RwLock<i32>| reason(lock.read().unwrap_err());
    assert_eq!(closed_while(&manager, &lock, || lock.statistics(), wait), says("RwLock"));
    drop(guard);
}

fn rw_lock_write() {
    // For the readers to leave; and for another writer.
    for is_written in [false, true] {
        let manager = Manager::new().unwrap();
        let lock = manager.rw_lock(1).unwrap();
        let reading = (!is_written).then(|| lock.read().unwrap());
        let writing = is_written.then(|| lock.write().unwrap());
        let wait = |lock: RwLock<i32>| reason(lock.write().unwrap_err());
        assert_eq!(closed_while(&manager, &lock, || lock.statistics(), wait), says("RwLock"));
        drop((reading, writing));
    }
}

fn semaphore() {
    let manager = Manager::new().unwrap();
    let semaphore = manager.semaphore(1).unwrap();
    let permit = semaphore.acquire().unwrap();
    let wait = |semaphore: Semaphore| reason(semaphore.acquire().unwrap_err());
    assert_eq!(closed_while(&manager, &semaphore, || semaphore.statistics(), wait), says("Semaphore"));
    drop(permit);
}

fn bounded_semaphore() {
    let manager = Manager::new().unwrap();
    let semaphore = manager.bounded_semaphore(1).unwrap();
    let permit = semaphore.acquire().unwrap();
    let wait = |semaphore: BoundedSemaphore| reason(semaphore.acquire().unwrap_err());
    assert_eq!(closed_while(&manager, &semaphore, || semaphore.statistics(), wait), says("Semaphore"));
    drop(permit);
}

fn condition() {
    let manager = Manager::new().unwrap();
    let (mutex, condition) = (manager.mutex(0).unwrap(), manager.condition().unwrap());
    let both = (mutex, condition.clone());
    let wait = |(mutex, condition): (Mutex<i32>, Condition)| {
        let guard = mutex.lock().unwrap();
        reason(condition.wait_for(guard, |_| false).unwrap_err())
    };
    assert_eq!(closed_while(&manager, &both, || condition.statistics(), wait), says("Condition"));
}

fn event() {
    let manager = Manager::new().unwrap();
    let event = manager.event().unwrap();
    let wait = |event: Event| reason(event.wait().unwrap_err());
    assert_eq!(closed_while(&manager, &event, || event.statistics(), wait), says("Event"));
}

fn barrier() {
    let manager = Manager::new().unwrap();
    let barrier = manager.barrier(2).unwrap();
    let wait = |barrier: Barrier| reason(barrier.wait().unwrap_err());
    assert_eq!(closed_while(&manager, &barrier, || barrier.statistics(), wait), says("Barrier"));
}

fn once() {
    let manager = Manager::new().unwrap();
    let once = manager.once().unwrap();
    let wait = |once: Once| reason(once.call_once(|| ()).unwrap_err());
    let doing = once.call_once(|| {
        assert_eq!(closed_while(&manager, &once, || once.statistics(), wait), says("Once"));
    });
    assert_eq!(reason(doing.unwrap_err()), says("Once"));
}

fn value() {
    let manager = Manager::new().unwrap();
    let value = manager.value([0; 5]).unwrap();
    let guard = value.lock().unwrap();
    let wait = |value: Value<[i32; 5]>| reason(value.lock().unwrap_err());
    assert_eq!(closed_while(&manager, &value, || value.statistics(), wait), says("Value"));
    drop(guard);
}

fn array() {
    let manager = Manager::new().unwrap();
    let array = manager.array(5).unwrap();
    let guard = array.lock_range(2..).unwrap();
    let wait = |array: Array<u8>| reason(array.lock().unwrap_err());
    assert_eq!(closed_while(&manager, &array, || array.statistics(), wait), says("Array"));
    drop(guard);
}

fn receiver() {
    let manager = Manager::new().unwrap();
    let (_sender, receiver) = manager.channel::<u8>().unwrap();
    let wait = |receiver: Receiver<u8>| reason(receiver.recv().unwrap_err());
    assert_eq!(closed_while(&manager, &receiver, || receiver.statistics(), wait), says("Receiver"));
}

fn sender() {
    let manager = Manager::new().unwrap();
    let (sender, _receiver) = manager.channel_with::<Vec<u8>>(4096).unwrap();
    let wait = |sender: Sender<Vec<u8>>| {
        loop {
            if let Err(error) = sender.send(&vec![7; 300]) {
                return reason(error);
            }
        }
    };
    assert_eq!(closed_while(&manager, &sender, || sender.statistics(), wait), says("Sender"));
}

fn queue_get() {
    let manager = Manager::new().unwrap();
    let queue = manager.queue().unwrap();
    let wait = |queue: Queue<u8>| reason(queue.get().unwrap_err());
    assert_eq!(closed_while(&manager, &queue, || queue.statistics(), wait), says("Queue"));
}

fn queue_put() {
    let manager = Manager::new().unwrap();
    let queue = manager.bounded_queue(1).unwrap();
    queue.put(&1).unwrap();
    let wait = |queue: Queue<u8>| reason(queue.put(&2).unwrap_err());
    assert_eq!(closed_while(&manager, &queue, || queue.statistics(), wait), says("Queue"));
    assert!(queue.is_empty());
}

fn joinable_get() {
    let manager = Manager::new().unwrap();
    let queue = manager.joinable_queue().unwrap();
    let wait = |queue: JoinableQueue<u8>| reason(queue.get().unwrap_err());
    assert_eq!(closed_while(&manager, &queue, || queue.statistics(), wait), says("JoinableQueue"));
}

fn joinable_join() {
    let manager = Manager::new().unwrap();
    let queue = manager.joinable_queue().unwrap();
    queue.put(&1).unwrap();
    queue.put(&2).unwrap();
    let lease = queue.get().unwrap();
    let wait = |queue: JoinableQueue<u8>| reason(queue.join().unwrap_err());
    assert_eq!(closed_while(&manager, &queue, || queue.statistics(), wait), says("JoinableQueue"));
    drop(lease);
}

fn dict() {
    let manager = Manager::new().unwrap();
    let dict = manager.dict::<String, u8>().unwrap();
    dict.insert("a", &1).unwrap();
    let wait = |dict: Dict<String, u8>| {
        reason(dict.wait_for("a", |value| value == Some(&2), Duration::MAX).unwrap_err())
    };
    assert_eq!(closed_while(&manager, &dict, || dict.statistics(), wait), says("Dict"));
}

fn dict_changes() {
    let manager = Manager::new().unwrap();
    let dict = manager.dict::<String, u8>().unwrap();
    dict.insert("a", &1).unwrap();
    let wait = |dict: Dict<String, u8>| {
        let changes = dict.changes().unwrap();
        reason(dict.wait_for_change(changes, Duration::MAX).unwrap_err())
    };
    assert_eq!(closed_while(&manager, &dict, || dict.statistics(), wait), says("Dict"));
}

fn dict_lock() {
    let manager = Manager::new().unwrap();
    let dict = manager.dict::<String, u8>().unwrap();
    dict.insert("a", &1).unwrap();
    let wait = |dict: Dict<String, u8>| reason(dict.insert("a", &3).unwrap_err());
    let update = dict.update("a", |value| {
        *value = 2;
        assert_eq!(closed_while(&manager, &dict, || dict.statistics(), wait), says("Dict"));
    });
    // It had the lock before.
    drop(update);
    assert_eq!(reason(dict.get("a").unwrap_err()), says("Dict"));
}

fn list() {
    let manager = Manager::new().unwrap();
    let list = manager.list().unwrap();
    list.push(&1).unwrap();
    let wait = |list: List<u8>| {
        let changes = list.changes().unwrap();
        reason(list.wait_for_change(changes, Duration::MAX).unwrap_err())
    };
    assert_eq!(closed_while(&manager, &list, || list.statistics(), wait), says("List"));
}

fn list_lock() {
    let manager = Manager::new().unwrap();
    let list = manager.list().unwrap();
    list.push(&1).unwrap();
    let wait = |list: List<u8>| reason(list.push(&3).unwrap_err());
    let update = list.update(0, |value| {
        *value = 2;
        assert_eq!(closed_while(&manager, &list, || list.statistics(), wait), says("List"));
    });
    drop(update);
    assert_eq!(reason(list.get(0).unwrap_err()), says("List"));
}

fn selector() {
    let manager = Manager::new().unwrap();
    let (queue, event) = (Queue::<u8>::unbounded().unwrap(), manager.event().unwrap());
    let started = Event::new().unwrap();
    let wait = |queue: Queue<u8>, event: Event, started: Event| {
        let mut selector = Selector::new();
        selector.add(&queue).unwrap();
        selector.add(&event).unwrap();
        started.set().unwrap();
        assert_eq!(selector.wait().unwrap(), 1);
        reason(event.wait().unwrap_err())
    };
    let process = Process::spawn(wait, (queue, event, started.clone())).unwrap();
    started.wait().unwrap();
    manager.shutdown().unwrap();
    assert_eq!(process.join().unwrap(), says("Event"));
}
