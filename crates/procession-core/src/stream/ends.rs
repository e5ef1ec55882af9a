//! The ends of a stream: what travels.

use super::{
    record::{
        End, LARGEST, Place, QueueRecord, ReceiverRecord, SMALLEST, SenderRecord, StreamRecord, TasksRecord,
    },
    stream::Stream,
};
use crate::{
    arena::{Arena, Block, Handle, Stable},
    atomic::Ordering::{Acquire, Relaxed, Release},
    error::Result,
    family,
    objects::handle,
    references::{Share, Shared},
};
use std::sync::Arc;

/// How much a stream holds.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many messages; `None`: as many as there is memory for.
    pub messages: Option<usize>,
    /// So many bytes of messages in the ring, which grows up to that; made a power of two. `None`: as many as there is memory for.
    pub ring: Option<usize>,
    /// So many bytes of messages that lie outside of the ring; one is always let in. `None`: as many as there is memory for.
    pub bulk: Option<usize>,
}

/// Makes the stream's record and bytes, and with `make` the ends: the senders' and the receivers'.
fn create<T>(
    limits: Limits,
    redeliver: u32,
    make: impl FnOnce(u64) -> Result<(T, [Handle; 2])>,
) -> Result<T> {
    let arena = &family::current()?.arena;
    let block = arena.alloc_stable(Stable::Stream)?;
    let made = (|| {
        let record: &StreamRecord = arena.record(block)?;
        // First of all: if this process is killed, the record is freed with the bytes that it names.
        record.place.store(Place::NOWHERE.0, Relaxed);
        record.leases.reset(redeliver);
        let data = arena.alloc(SMALLEST)?;
        record.place.store(Place::new(data, SMALLEST, Place::NOWHERE).0, Release);
        record.ring.reset();
        let within = |limit: Option<usize>, most: u64| limit.map_or(most, |limit| (limit as u64).min(most));
        record.most_messages.store(within(limits.messages, i32::MAX as u64), Relaxed);
        let ring = within(limits.ring, LARGEST as u64).max(SMALLEST as u64).next_power_of_two();
        record.most_bytes.store(ring, Relaxed);
        record.most_bulk.store(within(limits.bulk, u64::MAX), Relaxed);
        record.closed.store(0, Relaxed);
        record.carries_handles.store(0, Relaxed);
        let (made, [senders, receivers]) = make(block.offset())?;
        record.senders.set(senders);
        record.receivers.set(receivers);
        Ok(made)
    })();
    match &made {
        Ok(_) => {
            arena.publish::<StreamRecord>(block);
        }
        Err(_) => abandon(arena, block),
    }
    made
}

#[cold]
fn abandon(arena: &Arena, block: Block<'_>) {
    if let Ok(record) = arena.record::<StreamRecord>(block) {
        super::record::dispose(arena, block, record, block.state());
    }
}

fn end<E: End + 'static>(offset: u64, signature: u64) -> Result<Shared<E>> {
    Shared::create(size_of::<E>(), signature, |end: &E, _| {
        end.record().stream.store(offset, Release);
        Ok(())
    })
}

fn stream_of<E: End + 'static>(shared: &Shared<E>) -> Result<Stream> {
    let offset = shared.get().record().stream.load(Acquire);
    Stream::new(&family::current()?.arena, offset, shared.ward())
}

macro_rules! ends {
    ($($(#[$doc:meta])* $name:ident = $record:ident),*) => {
        $(
            $(#[$doc])*
            pub struct $name {
                pub(super) shared: Shared<$record>,
                pub(super) stream: Stream,
            }

            handle!($name, stream);

            impl $name {
                /// What has travelled.
                pub fn from_share(share: Arc<Share>, signature: u64) -> Result<$name> {
                    $name::new(Shared::from_share(share, signature)?)
                }

                fn new(shared: Shared<$record>) -> Result<$name> {
                    let stream = stream_of(&shared)?;
                    Ok($name { shared, stream })
                }

                /// How many messages there are.
                pub fn len(&self) -> usize {
                    self.stream.record.ring.messages() as usize
                }

                /// Whether there are none.
                pub fn is_empty(&self) -> bool {
                    self.stream.record.ring.is_empty()
                }

                fn details(&self) -> [(&'static str, u64); 1] {
                    [("messages", self.len() as u64)]
                }
            }
        )*
    };
}

ends! {
    /// The end of a channel into which messages go.
    Sender = SenderRecord,
    /// The end of a channel out of which messages come.
    Receiver = ReceiverRecord,
    /// Both ends of a stream in one.
    Queue = QueueRecord,
    /// A queue whose messages are finished after they were taken.
    Tasks = TasksRecord
}

/// A stream with two ends.
pub fn channel(signature: u64, limits: Limits) -> Result<(Sender, Receiver)> {
    let (sender, receiver) = create(limits, 0, |offset| {
        let sender = end::<SenderRecord>(offset, signature)?;
        let receiver = end::<ReceiverRecord>(offset, signature)?;
        let names = [sender.share().target(), receiver.share().target()];
        Ok(((sender, receiver), names))
    })?;
    Ok((Sender::new(sender)?, Receiver::new(receiver)?))
}

/// A stream with both ends in one.
fn both<E: End + 'static>(signature: u64, limits: Limits, redeliver: u32) -> Result<Shared<E>> {
    create(limits, redeliver, |offset| {
        let both = end::<E>(offset, signature)?;
        let name = both.share().target();
        Ok((both, [name; 2]))
    })
}

impl Queue {
    /// An empty queue.
    pub fn create(signature: u64, limits: Limits) -> Result<Queue> {
        Queue::new(both(signature, limits, 0)?)
    }
}

impl Tasks {
    /// An empty queue. What a dead consumer had is given to others `redeliver` times.
    pub fn create(signature: u64, limits: Limits, redeliver: u32) -> Result<Tasks> {
        Tasks::new(both(signature, limits, redeliver)?)
    }
}

macro_rules! closes {
    ($($name:ident),*) => {
        $(
            impl $name {
                /// Nothing can be sent from now on. What has been sent is still received.
                pub fn close(&self) -> Result<()> {
                    self.shared.checked()?;
                    self.stream.close()
                }

                /// Whether it has been closed, or its manager has ended.
                pub fn is_closed(&self) -> bool {
                    self.stream.is_closed() || self.stream.is_shut_down()
                }

                /// How many messages there may be; `None`: as many as there is memory for.
                pub fn limit(&self) -> Option<usize> {
                    self.stream.limit()
                }
            }
        )*
    };
}

closes!(Queue, Tasks);

impl Stream {
    fn limit(&self) -> Option<usize> {
        let most = self.record.most_messages.load(Relaxed);
        (most < i32::MAX as u64).then_some(most as usize)
    }
}
