//! Queues.

use super::*;

pub(super) fn by_many_to_many() {
    for queue in [Queue::<u64>::bounded(10).unwrap(), Queue::unbounded().unwrap()] {
        let put = |queue: Queue<u64>, from: u64| (from..from + 3000).for_each(|i| queue.put(&i).unwrap());
        let get = |queue: Queue<u64>| {
            let mut got = Vec::new();
            while let Ok(item) = queue.get() {
                got.push(item);
            }
            got
        };
        let getters: Vec<_> = (0..3).map(|_| Process::spawn(get, (queue.clone(),)).unwrap()).collect();
        let putters: Vec<_> =
            (0..3).map(|i| Process::spawn(put, (queue.clone(), i * 3000)).unwrap()).collect();
        putters.into_iter().for_each(|putter| putter.join().unwrap());
        queue.close().unwrap();
        let mut got: Vec<u64> = getters.into_iter().flat_map(|getter| getter.join().unwrap()).collect();
        got.sort_unstable();
        assert_eq!(got, (0..9000).collect::<Vec<_>>());
    }
    assert_nothing_left();
}

pub(super) fn bounds_are_exact() {
    let queue = Queue::<Vec<u8>>::bounded(3).unwrap();
    assert!(queue.is_empty() && !queue.is_full() && queue.limit() == Some(3));
    // Whatever their size.
    for (i, size) in [10, 1 << 20, 30_000].into_iter().enumerate() {
        assert!(!queue.is_full());
        queue.put(&vec![0; size]).unwrap();
        assert_eq!(queue.len(), i + 1);
    }
    assert!(
        queue.is_full() && !queue.try_put(&vec![]).unwrap() && !queue.put_timeout(&vec![], SOON).unwrap()
    );
    assert_eq!(queue.get().unwrap().len(), 10);
    assert!(!queue.is_full() && queue.try_put(&vec![1]).unwrap() && queue.is_full());
    // Two hundred thousand small ones in one that is bounded by their number.
    let queue = Queue::<u64>::bounded(200_000).unwrap();
    (0..200_000).for_each(|i| assert!(queue.try_put(&i).unwrap()));
    assert!(queue.is_full() && !queue.try_put(&0).unwrap());
    (0..200_000).for_each(|i| assert_eq!(queue.try_get().unwrap(), Some(i)));
    assert_eq!((queue.try_get().unwrap(), queue.get_timeout(SOON).unwrap()), (None, None));
    let queue = Queue::<[u8; 32]>::bounded_bytes(1000, 8192).unwrap();
    while queue.try_put(&[0; 32]).unwrap() {}
    assert!((100..500).contains(&queue.len()));
}

pub(super) fn long_items_are_limited_while_the_ring_grows() {
    let queue = Queue::<Vec<u8>>::bounded_bytes(1000, 64 << 10).unwrap();
    queue.put(&vec![1; 40 << 10]).unwrap();
    for _ in 0..500 {
        queue.put(&vec![2; 20]).unwrap();
        assert!(!queue.try_put(&vec![3; 40 << 10]).unwrap());
    }
    assert_eq!(queue.get().unwrap().len(), 40 << 10);
    queue.put(&vec![3; 40 << 10]).unwrap();
}

pub(super) fn unbounded_grows_and_shrinks() {
    let before = procession::audit().unwrap().used_bytes;
    let queue = Queue::<[u64; 4]>::unbounded().unwrap();
    for round in 0..3 {
        (0..300_000).for_each(|i| queue.put(&[i; 4]).unwrap());
        assert_eq!(queue.len(), 300_000);
        let grown = procession::audit().unwrap().used_bytes;
        assert!(grown > before + (4 << 20), "round {round}: {grown} after {before}");
        (0..300_000).for_each(|i| assert_eq!(queue.get().unwrap(), [i; 4]));
        assert_eq!(queue.try_get().unwrap(), None);
        let shrunk = procession::audit().unwrap().used_bytes;
        assert!(shrunk < before + (1 << 20), "round {round}: {shrunk} after {before}");
    }
    drop(queue);
    assert_nothing_left();
}

pub(super) fn many_at_a_time() {
    let queue = Queue::<Vec<u8>>::bounded(50).unwrap();
    let items: Vec<Vec<u8>> =
        (0..1000).map(|i| vec![i as u8; if i % 100 == 99 { 10_000 } else { i % 50 }]).collect();
    let get = |queue: Queue<Vec<u8>>| {
        let mut got = Vec::new();
        while let Ok(items) = queue.get_many(32) {
            assert!((1..=32).contains(&items.len()));
            got.extend(items);
        }
        got
    };
    let getter = Process::spawn(get, (queue.clone(),)).unwrap();
    assert_eq!(queue.put_many(&items).unwrap(), 1000);
    assert_eq!(queue.put_many(Vec::<Vec<u8>>::new()).unwrap(), 0);
    queue.close().unwrap();
    assert_eq!(getter.join().unwrap(), items);
    let error = queue.put_many(&items).unwrap_err();
    assert!(matches!(error.error, SendError::Closed) && error.put == 0);
    drop((queue, items));
    // With handles among them, the order is kept.
    let queue = Queue::<(u32, Option<Event>)>::unbounded().unwrap();
    let items: Vec<_> = (0..100).map(|i| (i, (i % 10 == 5).then(|| Event::new().unwrap()))).collect();
    assert_eq!(queue.put_many(&items).unwrap(), 100);
    drop(items);
    let mut got = Vec::new();
    while got.len() < 100 {
        got.extend(queue.get_many(7).unwrap());
    }
    for (i, (number, event)) in got.into_iter().enumerate() {
        assert!(number == i as u32 && event.is_some() == (i % 10 == 5));
    }
    drop(queue);
    assert_nothing_left();
}

/// An item that refuses to be encoded, or decoded.
#[derive(Debug, PartialEq)]
struct Picky(u8);

impl Serialize for Picky {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == 200 { Err(serde::ser::Error::custom("no")) } else { serializer.serialize_u8(self.0) }
    }
}

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let n = u8::deserialize(deserializer)?;
        if n == 100 { Err(serde::de::Error::custom("no")) } else { Ok(Picky(n)) }
    }
}

pub(super) fn of_many_none_is_lost_by_an_error() {
    let queue = Queue::<Picky>::unbounded().unwrap();
    let error = queue.put_many([1, 2, 200, 3].map(Picky)).unwrap_err();
    assert!(error.put == 2 && queue.len() == 2, "{error}");
    queue.put_many([100, 4, 5].map(Picky)).unwrap();
    let error = queue.get_many(10).unwrap_err();
    assert_eq!((&error.items[..], error.rest.len()), (&[Picky(1), Picky(2)][..], 2));
    assert!(matches!(&error.error, RecvError::Undecodable { message, .. } if message == &[100]), "{error}");
    // Closed in the middle: what was put is told, and is there.
    let queue = Queue::<u64>::bounded(2).unwrap();
    let putting = queue.clone();
    let putting = thread::spawn(move || putting.put_many([1, 2, 3, 4]));
    until_waiting(1, || queue.statistics().waiters.len());
    queue.close().unwrap();
    let error = putting.join().unwrap().unwrap_err();
    assert!(matches!(error.error, SendError::Closed) && error.put == 2 && queue.len() == 2, "{error}");
}

pub(super) fn closed() {
    let queue = Queue::<u8>::bounded(1).unwrap();
    queue.put(&1).unwrap();
    let (putting, getting) = (queue.clone(), Queue::<u8>::unbounded().unwrap());
    let waits = getting.clone();
    let putting = thread::spawn(move || putting.put(&2));
    let waiting = thread::spawn(move || waits.get());
    until_waiting(1, || queue.statistics().waiters.len());
    until_waiting(1, || getting.statistics().waiters.len());
    queue.close().unwrap();
    getting.close().unwrap();
    assert!(matches!(putting.join().unwrap(), Err(SendError::Closed)));
    assert!(matches!(waiting.join().unwrap(), Err(RecvError::Closed)));
    assert!(queue.is_closed() && matches!(queue.try_put(&3), Err(SendError::Closed)));
    assert_eq!(queue.get().unwrap(), 1, "what was put is got");
    assert!(matches!(queue.get(), Err(RecvError::Closed)) && queue.poll(Duration::ZERO).unwrap());
    assert!(matches!(queue.try_get(), Err(RecvError::Closed)));
}

pub(super) fn a_queue_of_queues() {
    let outer = Queue::<Queue<u32>>::unbounded().unwrap();
    let serve = |outer: Queue<Queue<u32>>| {
        while let Ok(inner) = outer.get() {
            let n = inner.get().unwrap();
            inner.put(&(n * 2)).unwrap();
        }
    };
    let servers = [(); 2].map(|()| Process::spawn(serve, (outer.clone(),)).unwrap());
    let inner: Vec<Queue<u32>> = (0..100).map(|_| Queue::bounded(2).unwrap()).collect();
    for (i, queue) in inner.iter().enumerate() {
        queue.put(&(i as u32)).unwrap();
        outer.put(queue).unwrap();
    }
    outer.close().unwrap();
    servers.into_iter().for_each(|server| server.join().unwrap());
    for (i, queue) in inner.iter().enumerate() {
        assert_eq!(queue.get().unwrap(), i as u32 * 2);
    }
    drop((inner, outer));
    assert_nothing_left();
}

pub(super) fn through_a_pool() {
    let pool = Pool::new(2).unwrap();
    let queue = Queue::<u64>::unbounded().unwrap();
    let put = |(queue, i): (Queue<u64>, u64)| queue.put(&i).unwrap();
    pool.map(put, (0..100).map(|i| (queue.clone(), i))).unwrap();
    assert_eq!(queue.len(), 100);
    let made =
        pool.map(|i: u64| (Queue::<u64>::bounded(i as usize + 1).unwrap(), channel::<u64>().unwrap()), 0..10);
    for (i, (queue, (sender, receiver))) in made.unwrap().into_iter().enumerate() {
        assert_eq!(queue.limit(), Some(i + 1));
        sender.send(&1).unwrap();
        assert_eq!(receiver.recv().unwrap(), 1);
    }
    drop((pool, queue));
    assert_nothing_left();
}
