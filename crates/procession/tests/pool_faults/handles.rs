//! Tasks that take and return handles of all kinds.

use crate::{
    death,
    deaths::{KILL, end},
    works,
};
use procession::{
    Array, Barrier, BoundedSemaphore, Condition, Connection, Dict, Event, JoinableQueue, List, Manager,
    Mutex, OnceValue, Pool, Queue, Receiver, ReentrantMutex, RwLock, Semaphore, Sender, Value, channel,
    duplex,
};

type Locks =
    (Mutex<u64>, RwLock<u64>, ReentrantMutex<u64>, Condition, Semaphore, BoundedSemaphore, Barrier, Event);
type Data = (Value<u64>, Array<u64>, OnceValue<u64>, Dict<String, u64>, List<u64>, Manager);
type Streams = (Sender<u64>, Receiver<u64>, Queue<u64>, JoinableQueue<u64>, Connection<u64>);

fn make() -> procession::Result<(Locks, Data, Streams)> {
    let (sender, receiver) = channel()?;
    let (connection, other) = duplex()?;
    drop(other);
    let counts = Dict::new()?;
    counts.insert("count", &0)?;
    let locks = (
        Mutex::new(1)?,
        RwLock::new(2)?,
        ReentrantMutex::new(3)?,
        Condition::new()?,
        Semaphore::new(2)?,
        BoundedSemaphore::new(2)?,
        Barrier::new(1)?,
        Event::new()?,
    );
    let data = (
        Value::new(4)?,
        Array::from_slice(&[5; 9])?,
        OnceValue::new()?,
        counts,
        List::new()?,
        Manager::new()?,
    );
    Ok((locks, data, (sender, receiver, Queue::unbounded()?, JoinableQueue::unbounded()?, connection)))
}

/// What a task does with them.
fn change((locks, data, streams): &(Locks, Data, Streams)) -> u64 {
    *locks.0.lock().unwrap() += 1;
    *locks.1.write().unwrap() += 1;
    drop(locks.4.acquire().unwrap());
    locks.6.wait().unwrap();
    locks.7.set().unwrap();
    data.0.fetch_add(1).unwrap();
    data.1.lock().unwrap()[3] += 1;
    data.2.get_or_init(|| 11).unwrap();
    data.3.update("count", |n| *n += 1).unwrap();
    data.4.push(&7).unwrap();
    streams.0.send(&8).unwrap();
    streams.2.put(&9).unwrap();
    *locks.0.lock().unwrap()
}

pub(crate) fn are_taken_and_returned() {
    let pool = Pool::new(2).unwrap();
    let back = |all: (Locks, Data, Streams)| {
        change(&all);
        all
    };
    // Through several workers, and made by one of them.
    let mut all = pool.apply(|| make().unwrap(), ()).unwrap();
    for _ in 0..10 {
        all = pool.apply(back, (all,)).unwrap();
    }
    assert_eq!(change(&all), 12);
    let (locks, data, streams) = &all;
    assert_eq!((*locks.1.read().unwrap(), locks.7.is_set(), data.0.get()), (13, true, 15));
    assert_eq!((data.1.to_vec().unwrap()[3], data.2.get()), (16, Some(&11)));
    assert_eq!((data.3.get("count").unwrap(), data.4.len().unwrap()), (Some(11), 11));
    assert!((0..11).all(|_| streams.1.recv().unwrap() == 8 && streams.2.get().unwrap() == 9));
    // Many at once, in maps.
    let values: Vec<_> = (0..50).map(|n| Value::new(n).unwrap()).collect();
    let add = |value: Value<u64>| {
        value.fetch_add(100).unwrap();
        value
    };
    let mapped = pool.map(add, values.iter().cloned()).unwrap();
    assert!(mapped.iter().zip(&values).all(|(mapped, value)| mapped.get() == value.get()));
    for value in pool.imap(add, mapped) {
        value.unwrap();
    }
    assert!(values.iter().enumerate().all(|(n, value)| value.get() == n as u64 + 200));
    drop((all, values));
    works(&pool, 2);
    pool.join().unwrap();
}

/// Whatever becomes of the task, what it took goes with it.
pub(crate) fn go_with_their_tasks() {
    let pool = Pool::builder().workers(2).max_attempts(2).build().unwrap();
    let objects = || {
        procession_core::sweep().unwrap();
        let audit = procession::audit().unwrap();
        (audit.objects.len(), audit.references)
    };
    works(&pool, 2);
    let before = objects();
    let dies = |all: (Locks, Data, Streams)| {
        end(KILL);
        all
    };
    assert_eq!(death(pool.apply(dies, (make().unwrap(),))), (None, Some(9)));
    let panics = |all: (Locks, Data, Streams)| -> (Locks, Data, Streams) { panic!("{}", change(&all)) };
    assert!(pool.apply(panics, (make().unwrap(),)).is_err());
    // A result that nobody looks at.
    drop(pool.apply_async(|all: (Locks, Data, Streams)| all, (make().unwrap(),)).unwrap());
    // A task that is cancelled before it has begun.
    for _ in 0..20 {
        let _ = pool.apply_async(|all: (Locks, Data, Streams)| all, (make().unwrap(),)).unwrap().cancel();
    }
    works(&pool, 2);
    crate::until(|| objects() == before);
    pool.join().unwrap();
}
