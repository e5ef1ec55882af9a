//! A pool's thread for the requests of other processes.

use super::{
    batch::{BatchBuilder, Kind},
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
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// A request on its way: the arguments and then the function's name; the last of its handles is for the reply. One without bytes asks
/// for nothing: it's answered by being let go.
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
        let replies = Request::expect_reply(&mut request)?;
        Ok((request, replies))
    }

    fn expect_reply(request: &mut Parcel) -> Result<stream::Receiver> {
        let limits = Limits { messages: None, ring: Some(REPLY), bulk: None };
        let (sender, receiver) = stream::channel(signature::<Replies>(), limits)?;
        request.shares.push(sender.share().clone());
        Ok(receiver)
    }
}

/// The thread, and how to reach it.
pub(super) struct Requests {
    sender: stream::Sender,
    ending: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Requests {
    pub(super) fn start(engine: &Arc<Engine>) -> Result<Requests> {
        let limits = Limits { messages: None, ring: Some(64 << 10), bulk: None };
        let (sender, receiver) = stream::channel(signature::<Request>(), limits)?;
        let ending = Arc::new(AtomicBool::new(false));
        let (weak, ends) = (Arc::downgrade(engine), ending.clone());
        let thread = thread::Builder::new()
            .name(format!("{}-requests", engine.settings.name))
            .spawn(move || serve(&weak, &receiver, &ends))
            .map_err(|e| Error::new(ErrorKind::System, format!("could not start the request thread: {e}")))?;
        Ok(Requests { sender, ending, thread })
    }

    pub(super) fn handle(&self) -> PoolHandle {
        PoolHandle { inner: self.sender.clone() }
    }

    /// Waits until everything that was sent before has been submitted.
    pub(super) fn flush(&self) {
        let mut marker = Parcel::default();
        if let Ok(replies) = Request::expect_reply(&mut marker)
            && self.sender.send(&[], &marker.shares, Deadline::NEVER).is_ok()
        {
            drop(marker);
            // The end of the stream.
            let _ = replies.poll(Deadline::NEVER);
        }
    }

    /// Ends the thread.
    pub(super) fn end(self) {
        self.ending.store(true, Ordering::Release);
        // Whatever it waits for, it wakes.
        let _ = self.sender.send(&[], &[], Deadline::NEVER);
        // It catches nothing, but it has nothing to panic with either.
        let _ = self.thread.join();
    }
}

/// The thread's life.
fn serve(engine: &Weak<Engine>, requests: &stream::Receiver, ending: &AtomicBool) {
    let mut bytes = Vec::new();
    while !ending.load(Ordering::Acquire) {
        bytes.clear();
        // What is no message of ours is an error of that message alone.
        match requests.receive(&mut bytes, Deadline::NEVER) {
            Ok(Some(Received::Message(message))) => {
                let Some(engine) = engine.upgrade() else { return };
                if let Ok(bytes) = message.to_vec() {
                    submit(&engine, Parcel { bytes, shares: message.shares().to_vec() });
                }
            }
            Ok(_) => {}
            Err(e) if e.is_corrupted() => {}
            Err(_) => return,
        }
    }
}

fn submit(engine: &Engine, mut request: Parcel) {
    let Some(at) = request.bytes.len().checked_sub(FUNCTION) else { return };
    let Some(sender) = request.shares.pop() else { return };
    let Ok(sender) = stream::Sender::from_share(sender, signature::<Replies>()) else { return };
    let mut submit = || {
        let function = FunctionId::parse(&request.bytes.split_off(at))?;
        let limits = engine.settings.limits;
        let sink = Arc::new(Answer(sender.clone()));
        let kind = Kind { function, name: "a task of another process", limits, sink };
        let mut batch = BatchBuilder::new(limits);
        batch.push_encoded(std::mem::take(&mut request))?;
        engine.submit_at_once(batch.build(kind, 0))
    };
    if let Err(e) = submit() {
        reply::send(&sender, Err(e.into()));
    }
}
