//! The outcome of a task on its way to another process.

use super::{
    callbacks::Callbacks,
    sink::{Later, Part, Sink},
};
use crate::{TaskError, error};
use procession_core::{
    Deadline, Error, ErrorKind, Parcel,
    start::{Exit, Verdict},
    stream::{self, Received},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What kind of outcome it is, as the first byte says; a verdict, if the task was run to its end.
const DIED: u8 = 16;
const TIMED_OUT: u8 = 17;
const OUT_OF_MEMORY: u8 = 18;
const CANCELLED: u8 = 19;
const FAILED: u8 = 20;

/// What arrived.
#[derive(Debug)]
pub(super) struct Reply(Result<Parcel, Error>);

impl Reply {
    /// `None` when the deadline passed first. An error counts as a reply as well: there won't be another.
    pub(super) fn receive(replies: &stream::Receiver, deadline: Deadline) -> Option<Reply> {
        let mut bytes = Vec::new();
        let received = match replies.receive(&mut bytes, deadline) {
            Ok(received) => received?,
            Err(e) if e.kind() == ErrorKind::Disconnected => return Some(Reply(Err(pool_ended()))),
            Err(e) => return Some(Reply(Err(e))),
        };
        Some(Reply(match received {
            Received::Inline => Ok(Parcel { bytes, shares: Vec::new() }),
            Received::Message(message) => {
                message.to_vec().map(|bytes| Parcel { bytes, shares: message.shares().to_vec() })
            }
        }))
    }

    pub(super) fn decode<R: DeserializeOwned>(&self) -> Result<R, TaskError> {
        let Parcel { bytes, shares } = self.0.as_ref().map_err(|e| TaskError::from(e.clone()))?;
        let wrong = || TaskError::Failed(Error::new(ErrorKind::Corrupted, "a reply that no pool sends"));
        let (kind, bytes) = bytes.split_first().ok_or_else(wrong)?;
        if let Some(verdict) = Verdict::from_bits(*kind) {
            return error::outcome(verdict, bytes, shares);
        }
        Err(match *kind {
            DIED => {
                let bits = bytes.try_into().map(u64::from_le_bytes).map_err(|_| wrong())?;
                TaskError::Died(Exit::from_bits(bits).ok_or_else(wrong)?.status)
            }
            TIMED_OUT => TaskError::TimedOut,
            OUT_OF_MEMORY => TaskError::OutOfMemory,
            CANCELLED => TaskError::Cancelled,
            _ => TaskError::from(Error::decode(bytes)),
        })
    }
}

pub(super) fn pool_ended() -> Error {
    Error::new(ErrorKind::Closed, "the pool has ended")
}

/// Sends the outcome of one task to whoever asked for it, who waits for it: so the dispatcher has to receive each result as it comes.
pub(super) struct Answer {
    sender: stream::Sender,
    callbacks: Arc<Callbacks>,
}

impl Answer {
    pub(super) fn new(sender: stream::Sender, callbacks: Arc<Callbacks>) -> Answer {
        callbacks.want(true);
        Answer { sender, callbacks }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.callbacks.want(false);
    }
}

impl Sink for Answer {
    fn deliver(&self, _first: usize, part: Part, later: &mut Vec<Later>) {
        let sender = self.sender.clone();
        later.push(Box::new(move || send(&sender, part.single())));
    }
}

/// There's always room for the one reply. If there is no memory for it, that is the reply; if not even for that, the other side sees the
/// end of the stream. And nobody may be there any more.
pub(super) fn send(sender: &stream::Sender, outcome: Result<(Verdict, Parcel), TaskError>) {
    let (kind, Parcel { bytes, shares }) = match outcome {
        Ok((verdict, parcel)) => (verdict as u8, parcel),
        Err(error) => failure(error),
    };
    let message = [&[kind], bytes.as_slice()].concat();
    if let Err(e) = sender.send(&message, &shares, Deadline::PASSED)
        && e.is_out_of_memory()
    {
        let (kind, Parcel { bytes, .. }) = failure(TaskError::Failed(e));
        let _ = sender.send(&[&[kind], bytes.as_slice()].concat(), &[], Deadline::PASSED);
    }
}

fn failure(error: TaskError) -> (u8, Parcel) {
    let mut parcel = Parcel::default();
    let kind = match error {
        TaskError::Died(status) => {
            let exit = Exit { status, attached: true, overdue: false };
            parcel.bytes.extend_from_slice(&exit.to_bits().to_le_bytes());
            DIED
        }
        TaskError::TimedOut => TIMED_OUT,
        TaskError::OutOfMemory => OUT_OF_MEMORY,
        TaskError::Cancelled => CANCELLED,
        error => {
            Error::from(error).encode(&mut parcel.bytes);
            FAILED
        }
    };
    (kind, parcel)
}
