//! Code of the program that runs at awkward moments: wakers that drop the pool, types that panic when they are decoded.

use crate::{stop_fully, works};
use procession::{Pool, TaskError};
use procession_testing::{Gate, resume};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, mpsc},
    task::{Context, Wake, Waker},
};

/// A waker that drops its pool, and says so.
struct DropsPool(Mutex<Option<Pool>>, mpsc::Sender<()>);

impl Wake for DropsPool {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
        self.1.send(()).unwrap();
    }
}

/// On the dispatcher, which the pool's end otherwise waits for.
pub(crate) fn a_waker_that_drops_the_pool() {
    let pool = Pool::new(1).unwrap();
    let handle = pool.handle().unwrap();
    let gate = Gate::new("waker");
    let mut result = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let open = gate.arrive();
    let (done, dropped) = mpsc::channel();
    let waker = Waker::from(Arc::new(DropsPool(Mutex::new(Some(pool)), done)));
    assert!(Pin::new(&mut result).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(open);
    dropped.recv().unwrap();
    assert!(handle.apply(|n: u64| n, (1,)).is_err());
}

/// When it's replaced by another, under no lock that the pool's end needs.
pub(crate) fn a_waker_that_has_the_pool() {
    struct Has(#[allow(dead_code, reason = "for its drop")] Pool);
    impl Wake for Has {
        fn wake(self: Arc<Self>) {}
    }
    let pool = Pool::new(1).unwrap();
    let gate = Gate::new("has");
    let mut result = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let _open = gate.arrive();
    let waker = Waker::from(Arc::new(Has(pool)));
    assert!(Pin::new(&mut result).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    let _ = Pin::new(&mut result).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(result.get(), Err(TaskError::Cancelled)));
}

#[derive(Debug)]
struct Touchy(u64);

impl serde::Serialize for Touchy {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> serde::Deserialize<'de> for Touchy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Touchy, D::Error> {
        match u64::deserialize(deserializer)? {
            3 => panic!("not three"),
            n => Ok(Touchy(n)),
        }
    }
}

pub(crate) fn results_whose_decoding_panics() {
    let pool = Pool::new(2).unwrap();
    let outcomes: Vec<_> = pool.imap(|n: u64| Touchy(n), 0..10).collect();
    assert_eq!(outcomes.len(), 10);
    for (n, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(Touchy(value)) => assert_eq!(value, n as u64),
            Err(TaskError::Panicked(info)) => assert_eq!((n, info.message()), (3, "not three")),
            Err(error) => panic!("{error}"),
        }
    }
    let error = pool.map(|n: u64| Touchy(n), 0..10).map(|_| ()).unwrap_err();
    assert!(matches!(error, TaskError::Panicked(_)));
    works(&pool, 2);
}

/// An idle worker that is stopped, with its ring full of tasks that were taken back: nobody spins, and nothing is lost.
pub(crate) fn a_stopped_worker_whose_ring_is_full() {
    let pool = Pool::new(1).unwrap();
    works(&pool, 1);
    let stopped = pool.worker_pids()[0];
    stop_fully(stopped);
    for _ in 0..4000 {
        assert!(pool.apply_async(|n: u64| n, (7,)).unwrap().cancel());
    }
    let last = pool.apply_async(|n: u64| n, (7,)).unwrap();
    resume(stopped).unwrap();
    assert_eq!(last.get().unwrap(), 7);
}

/// Cancelled at the very moment at which it begins.
pub(crate) fn cancelling_what_is_about_to_begin() {
    let pool = Pool::new(1).unwrap();
    for round in 0..2000_u64 {
        let first = pool.apply_async(|n: u64| (0..n).fold(n, |a, b| a ^ b), (round * 7,)).unwrap();
        let second = pool.apply_async(super::forever, ()).unwrap();
        let pending = second.cancel();
        assert!(pending && matches!(second.get(), Err(TaskError::Cancelled)), "round {round}");
        // It may have died if it had begun the second; nothing may be killed for the first.
        first.get().unwrap();
    }
    works(&pool, 1);
}
