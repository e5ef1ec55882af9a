//! A pool's thread for the requests of other processes.

use super::{
    batch::{BatchBuilder, Kind},
    callbacks::join,
    engine::Engine,
    handle::PoolHandle,
    reply::{self, Answer},
};
use crate::codec;
use procession_core::{
    Deadline, Error, ErrorKind, Parcel, Result,
    start::FunctionId,
    stream::{self, Limits, Received, signature},
};
use serde::Serialize;
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// A request on its way: the arguments and then the function's name; the last of its handles is for the reply.
pub(super) struct Request;

/// What comes back.
struct Replies;

const FUNCTION: usize = 16;

/// Bytes in the ring of a stream for one reply; a larger one lies elsewhere.
const REPLY: usize = 256;

impl Request {
    /// The message, and where its reply will come.
    pub(super) fn message<A: Serialize>(
        function: FunctionId,
        args: &A,
    ) -> Result<(Parcel, stream::Receiver)> {
        let mut request = codec::pack(args)?;
        request.bytes.extend_from_slice(&function.to_bytes());
        let limits = Limits { messages: None, ring: Some(REPLY), bulk: None };
        let (sender, replies) = stream::channel(signature::<Replies>(), limits)?;
        request.shares.push(sender.share().clone());
        Ok((request, replies))
    }
}

/// The thread, and how to reach it.
pub(super) struct Requests {
    sender: stream::Sender,
    shared: Arc<Shared>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

/// What the thread shares with those who wait for it.
#[derive(Default)]
struct Shared {
    ending: AtomicBool,
    /// Held from the receipt of a request until it's submitted.
    turn: Mutex<()>,
    done: Condvar,
}

/// The thread isn't woken through the stream if another process that is stopped keeps it from that; then it looks so often.
const LOOK: Duration = Duration::from_millis(500);

/// After no memory for a request, or a wrong word in the stream.
const PAUSE: Duration = Duration::from_millis(20);

/// A stream that gives nothing but errors so often in a row is broken.
const MOST_ERRORS: u32 = 500;

impl Requests {
    pub(super) fn start(engine: &Arc<Engine>) -> Result<Requests> {
        let limits = Limits { messages: None, ring: Some(64 << 10), bulk: None };
        let (sender, receiver) = stream::channel(signature::<Request>(), limits)?;
        let shared = Arc::<Shared>::default();
        let (weak, of_thread) = (Arc::downgrade(engine), shared.clone());
        let thread = thread::Builder::new()
            .name(format!("{}-requests", engine.settings.name))
            .spawn(move || of_thread.serve(&weak, &receiver))
            .map_err(|e| Error::new(ErrorKind::System, format!("could not start the request thread: {e}")))?;
        Ok(Requests { sender, shared, thread: Mutex::new(Some(thread)) })
    }

    pub(super) fn handle(&self) -> PoolHandle {
        PoolHandle { inner: self.sender.clone() }
    }

    /// Waits until everything that was sent before has been submitted. Without sending anything: another process may be stopped while it
    /// sends.
    pub(super) fn flush(&self) {
        // A waker that the thread itself runs may join the pool.
        if self.is_this_thread() {
            return;
        }
        let mut turn = self.shared.lock();
        while !self.sender.is_empty() && !self.has_ended() {
            turn = self.shared.done.wait_timeout(turn, PAUSE).unwrap_or_else(|e| e.into_inner()).0;
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.thread().as_ref().is_none_or(thread::JoinHandle::is_finished)
    }

    fn is_this_thread(&self) -> bool {
        self.thread().as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id())
    }

    fn thread(&self) -> MutexGuard<'_, Option<thread::JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Ends the thread.
    pub(super) fn end(&self) {
        self.shared.ending.store(true, Ordering::Release);
        // To wake it, if that's possible.
        let _ = self.sender.send(&[], &[], Deadline::PASSED);
        let thread = self.thread().take();
        if let Some(thread) = thread {
            join(thread);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The thread's life.
    fn serve(&self, engine: &Weak<Engine>, requests: &stream::Receiver) {
        let mut errors = 0;
        while !self.ending.load(Ordering::Acquire) && errors < MOST_ERRORS {
            let there = requests.poll(Deadline::after(LOOK));
            let turn = self.lock();
            let served = there.and_then(|there| if there { serve_one(engine, requests) } else { Ok(()) });
            drop(turn);
            self.done.notify_all();
            match served {
                Ok(()) => errors = 0,
                Err(e) if matches!(e.kind(), ErrorKind::OutOfMemory | ErrorKind::Corrupted) => {
                    errors += 1;
                    thread::sleep(PAUSE);
                }
                Err(_) => return,
            }
        }
    }
}

fn serve_one(engine: &Weak<Engine>, requests: &stream::Receiver) -> Result<()> {
    // What is no message of ours is passed over.
    if let Some(Received::Message(message)) = requests.receive(&mut Vec::new(), Deadline::PASSED)?
        && let Some(engine) = engine.upgrade()
    {
        submit(&engine, Parcel { bytes: message.to_vec()?, shares: message.shares().to_vec() });
    }
    Ok(())
}

fn submit(engine: &Engine, mut request: Parcel) {
    let Some(at) = request.bytes.len().checked_sub(FUNCTION) else { return };
    let Some(sender) = request.shares.pop() else { return };
    let Ok(sender) = stream::Sender::from_share(sender, signature::<Replies>()) else { return };
    let mut submit = || {
        let function = FunctionId::parse(&request.bytes.split_off(at))?;
        let limits = engine.settings.limits;
        let sink = Arc::new(Answer::new(sender.clone(), engine.callbacks.clone()));
        let kind = Kind { function, name: "a task of another process", limits, requested: true, sink };
        let mut batch = BatchBuilder::new(limits);
        batch.push_encoded(std::mem::take(&mut request))?;
        engine.submit_at_once(batch.build(kind, 0))
    };
    match submit() {
        // It has to know that somebody waits for the result as soon as it's there.
        Ok(()) => engine.wake_dispatcher(),
        Err(e) => reply::send(&sender, Err(e.into())),
    }
}
