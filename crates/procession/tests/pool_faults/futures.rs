//! Results as futures, without anybody's runtime.

use crate::{forever, is_cancelled, until, works};
use procession::{AsyncResult, Pool, TaskError};
use procession_testing::Gate;
use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

/// Wakes a thread, and counts how often.
struct Unpark {
    thread: Thread,
    wakes: AtomicUsize,
}

impl Unpark {
    fn new() -> Arc<Unpark> {
        Arc::new(Unpark { thread: thread::current(), wakes: AtomicUsize::new(0) })
    }
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let unpark = Unpark::new();
    let waker = Waker::from(unpark.clone());
    loop {
        let wakes = unpark.wakes.load(Ordering::SeqCst);
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        while unpark.wakes.load(Ordering::SeqCst) == wakes {
            thread::park();
        }
    }
}

fn poll<R: 'static>(result: &mut AsyncResult<R>, waker: &Arc<Unpark>) -> Poll<Result<R, TaskError>> {
    Pin::new(result).poll(&mut Context::from_waker(&Waker::from(waker.clone())))
}

/// The values of all, in their order, polled whenever one of them wakes.
async fn all<R: 'static>(results: Vec<AsyncResult<R>>) -> Vec<Result<R, TaskError>> {
    let mut waiting: Vec<_> = results.into_iter().map(|result| (result, None)).collect();
    std::future::poll_fn(|context| {
        for (result, outcome) in waiting.iter_mut().filter(|(_, outcome)| outcome.is_none()) {
            if let Poll::Ready(value) = Pin::new(result).poll(context) {
                *outcome = Some(value);
            }
        }
        if waiting.iter().all(|(_, outcome)| outcome.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.into_iter().map(|(_, outcome)| outcome.unwrap()).collect()
}

pub(crate) fn several_at_once() {
    let pool = Pool::new(2).unwrap();
    let triple = |n: u32| 3 * n;
    assert_eq!(block_on(pool.apply_async(triple, (5,)).unwrap()).unwrap(), 15);
    let sum = block_on(async {
        let mut sum = 0;
        for n in 0..200 {
            sum += pool.apply_async(triple, (n,)).unwrap().await.unwrap();
        }
        sum + pool.map_async(triple, 0..100).unwrap().await.unwrap().iter().sum::<u32>()
    });
    assert_eq!(sum, 3 * (199 * 100 + 99 * 50));
    let results = (0..500).map(|n| pool.apply_async(triple, (n,)).unwrap()).collect();
    assert!(block_on(all(results)).into_iter().map(Result::unwrap).eq((0..500).map(triple)));
    // By several threads at once.
    thread::scope(|scope| {
        for n in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                for m in 0..50 {
                    assert_eq!(block_on(pool.apply_async(triple, (n * m,)).unwrap()).unwrap(), 3 * n * m);
                }
            });
        }
    });
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn polled_twice() {
    let pool = Pool::new(1).unwrap();
    let gate = Gate::new("future");
    let mut result = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let open = gate.arrive();
    let (first, second) = (Unpark::new(), Unpark::new());
    assert!(poll(&mut result, &first).is_pending());
    assert!(poll(&mut result, &first).is_pending());
    assert!(poll(&mut result, &second).is_pending());
    drop(open);
    // The last one that polled is woken, once, though nobody else waits for the result.
    until(|| second.wakes.load(Ordering::SeqCst) > 0);
    assert!(matches!(poll(&mut result, &second), Poll::Ready(Ok(()))));
    assert!(matches!(poll(&mut result, &first), Poll::Ready(Ok(()))), "and again");
    assert_eq!((first.wakes.load(Ordering::SeqCst), second.wakes.load(Ordering::SeqCst)), (0, 1));
    result.get().unwrap();
    // One that is polled and dropped is no obstacle.
    let gate = Gate::new("future dropped");
    let mut dropped = pool.apply_async(Gate::pass, gate.argument()).unwrap();
    let open = gate.arrive();
    assert!(poll(&mut dropped, &first).is_pending());
    drop(dropped);
    drop(open);
    works(&pool, 1);
    pool.join().unwrap();
}

pub(crate) fn of_what_fails() {
    let pool = Pool::new(2).unwrap();
    let panics = pool.apply_async(|| -> () { panic!("as told") }, ()).unwrap();
    assert!(matches!(block_on(panics), Err(TaskError::Panicked(info)) if info.message() == "as told"));
    let dies = pool.apply_async(|| -> () { std::process::abort() }, ()).unwrap();
    assert!(matches!(block_on(dies), Err(TaskError::Died(status)) if status.signal() == Some(6)));
    let some = pool.map_async(|n: u32| if n == 5 { panic!("at 5") } else { n }, 0..10).unwrap();
    assert!(matches!(block_on(some), Err(TaskError::Panicked(info)) if info.message() == "at 5"));
    let late = pool.options().timeout(std::time::Duration::from_millis(20)).apply_async(forever, ()).unwrap();
    assert!(matches!(block_on(late), Err(TaskError::TimedOut)));
    let cancelled = pool.apply_async(forever, ()).unwrap();
    assert!(cancelled.cancel());
    assert!(is_cancelled(&block_on(cancelled)));
    works(&pool, 2);
    pool.join().unwrap();
}

pub(crate) fn of_a_pool_that_ends() {
    let ends: [fn(Pool); 2] = [|pool| pool.terminate(), drop];
    for end in ends {
        let pool = Pool::new(2).unwrap();
        let gates = [Gate::new("future 0"), Gate::new("future 1")];
        let mut results: Vec<_> =
            gates.iter().map(|gate| pool.apply_async(Gate::pass, gate.argument()).unwrap()).collect();
        let _open = gates.each_ref().map(Gate::arrive);
        results.extend((0..20).map(|_| pool.apply_async(|| (), ()).unwrap()));
        let waiting = Arc::new(AtomicUsize::new(0));
        let polled = waiting.clone();
        let waits = thread::spawn(move || {
            let mut all = pin!(all(results));
            block_on(std::future::poll_fn(|context| {
                let outcome = all.as_mut().poll(context);
                polled.fetch_add(1, Ordering::SeqCst);
                outcome
            }))
        });
        until(|| waiting.load(Ordering::SeqCst) > 0);
        end(pool);
        assert!(waits.join().unwrap().iter().all(is_cancelled));
    }
}
