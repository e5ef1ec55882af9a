//! Streams: messages from any number of processes to any number of processes. `README.md` has the protocol and its kill table.
//!
//! A stream is a ring with a lock on each side. Channels, pipes, queues and queues of tasks are faces of it.

mod ends;
mod lease;
mod message;
mod record;
#[allow(clippy::module_inception, reason = "the stream itself")]
mod stream;

pub use ends::{Lease, Limits, Queue, Received, Receiver, Reservation, Sender, Tasks, channel};
pub use message::Message;

/// Tells streams with messages of different types apart.
pub fn signature<T>() -> u64 {
    crate::objects::signature::<T>()
}
pub(crate) use record::{QueueRecord, ReceiverRecord, SenderRecord, StreamRecord, TasksRecord, dispose};
