//! Streams: messages from any number of processes to any number of processes. `README.md` has the protocol and its kill table.
//!
//! A stream is a ring with a lock on each side. Channels, pipes, queues and queues of tasks are faces of it.

mod ends;
mod frame;
mod lease;
mod pop;
mod push;
mod receive;
mod record;
mod send;
#[allow(clippy::module_inception, reason = "the stream itself")]
mod stream;
mod table;
mod tasks;

pub use crate::message::Message;
pub use ends::{Limits, Queue, Receiver, Sender, Tasks, channel};
pub use receive::Received;
pub(crate) use record::{QueueRecord, ReceiverRecord, SenderRecord, StreamRecord, TasksRecord, dispose};
pub use send::Reservation;
pub use tasks::Lease;

/// Tells streams with messages of different types apart.
pub fn signature<T>() -> u64 {
    crate::objects::signature::<T>()
}
