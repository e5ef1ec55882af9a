//! What is to be true of every type when it's compiled.

use procession::*;
use std::fmt::Debug;

/// A handle: any thread may have it, and it travels.
fn is_handle<
    T: Send + Sync + Clone + Debug + Unpin + serde::Serialize + serde::de::DeserializeOwned + 'static,
>() {
}

/// What one process has and gives to no other, but any of its threads may have.
fn is_movable<T: Send + Sync + Debug + Unpin + 'static>() {}

/// What is told: it can be kept, compared and printed.
fn is_plain<T: Send + Sync + Clone + Debug + PartialEq + Unpin + 'static>() {}

/// What the thread that has it lets go, and others may look at.
fn is_guard<T: Sync + Debug>() {}

#[allow(dead_code, reason = "to be compiled is all that's asked of it")]
fn every_type() {
    is_handle::<Mutex<u8>>();
    is_handle::<ReentrantMutex<u8>>();
    is_handle::<RwLock<u8>>();
    is_handle::<Semaphore>();
    is_handle::<BoundedSemaphore>();
    is_handle::<Condition>();
    is_handle::<Event>();
    is_handle::<Barrier>();
    is_handle::<Once>();
    is_handle::<OnceValue<u8>>();
    is_handle::<Value<u8>>();
    is_handle::<Array<u8>>();
    is_handle::<Sender<String>>();
    is_handle::<Receiver<String>>();
    is_handle::<Connection<String, u8>>();
    is_handle::<Queue<String>>();
    is_handle::<JoinableQueue<String>>();
    is_handle::<Dict<String, String>>();
    is_handle::<List<String>>();
    is_handle::<Manager>();
    is_handle::<PoolHandle>();

    is_movable::<Process<String>>();
    is_movable::<ProcessBuilder>();
    is_movable::<Stdio>();
    is_movable::<Pool>();
    is_movable::<PoolBuilder>();
    is_movable::<AsyncResult<String>>();
    is_movable::<RemoteResult<String>>();
    is_movable::<JoinableQueueBuilder>();
    is_movable::<Lease<String>>();
    is_movable::<Message>();
    is_movable::<Permit>();
    is_movable::<Error>();
    is_movable::<TaskError>();
    is_movable::<SendError>();
    is_movable::<RecvError>();
    is_movable::<PutManyError>();
    is_movable::<GetManyError<String>>();

    is_plain::<ExitStatus>();
    is_plain::<StartMethod>();
    is_plain::<PanicInfo>();
    is_plain::<PoolSize>();
    is_plain::<PoolStatistics>();
    is_plain::<WorkerStatistics>();
    is_plain::<WorkerState>();
    is_plain::<Statistics>();
    is_plain::<Audit>();
    is_plain::<BarrierWait>();
    is_plain::<worker::Current>();
    is_plain::<family::Waits>();
    is_plain::<family::Wait>();
    is_plain::<family::Party>();
    is_plain::<Plain<u8>>();

    is_guard::<MutexGuard<'_, u8>>();
    is_guard::<ReadGuard<'_, u8>>();
    is_guard::<WriteGuard<'_, u8>>();
    is_guard::<ArrayGuard<'_, u8>>();
    is_guard::<ValueGuard<'_, u8>>();

    fn is_send<T: Send>() {}
    is_send::<Imap<std::ops::Range<u8>, String>>();
    is_send::<Selector<'_>>();
    is_send::<Reservation<'_>>();
    is_send::<Iter<'_, String>>();
    is_send::<TaskOptions<'_>>();
}
