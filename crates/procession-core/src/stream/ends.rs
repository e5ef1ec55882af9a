//! The ends of a stream: what travels, and what one can do with it.

use super::{
    lease::Leased,
    message::{Draft, INLINE, LENT, Message},
    record::{
        End, LARGEST, Place, QueueRecord, ReceiverRecord, SMALLEST, SenderRecord, StreamRecord, TasksRecord,
    },
    stream::{Frame, Lookout, Popped, Pushed, Stream},
};
use crate::{
    arena::{Arena, Block, Handle, Stable},
    atomic::Ordering::{Acquire, Relaxed, Release},
    error::{Error, ErrorKind, Result},
    family,
    objects::{block_on, handle},
    references::{Share, Shared},
    select::{Pollable, Source},
    sync::EventCount,
    sys::{barrier, clock::Deadline},
};
use rustix::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

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

/// What was received.
#[derive(Debug)]
pub enum Received {
    /// The bytes were appended to the buffer. There are no handles in them.
    Inline,
    /// A message that is long or has handles in it.
    Message(Message),
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
    Stream::new(shared.checked()?, offset)
}

macro_rules! ends {
    ($($(#[$doc:meta])* $name:ident = $record:ident),*) => {
        $(
            $(#[$doc])*
            pub struct $name {
                shared: Shared<$record>,
                stream: Stream,
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
                    self.stream.record().ring.messages() as usize
                }

                /// Whether there are none.
                pub fn is_empty(&self) -> bool {
                    self.stream.record().ring.is_empty()
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

#[cold]
fn disconnected() -> Error {
    Error::new(
        ErrorKind::Disconnected,
        "the other side of the channel has gone: every process that had it dropped it or ended",
    )
}

#[cold]
fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the queue has been closed")
}

/// What senders do, of whichever kind.
impl Stream {
    /// Why nothing can be sent, if that's so.
    #[inline]
    fn refusal(&self) -> Option<Error> {
        if !self.is_received() {
            Some(disconnected())
        } else if self.is_closed() {
            Some(closed())
        } else {
            None
        }
    }

    /// Sends frames, waiting for room: true if all of them were sent before the deadline. How many were is added to `sent`, also if
    /// there's an error.
    #[inline]
    fn send_frames<E: End + 'static>(
        &self,
        end: &Shared<E>,
        frames: &[Frame<'_>],
        sent: &mut usize,
        deadline: Deadline,
    ) -> Result<bool> {
        end.checked()?;
        if !self.is_received() {
            return Err(disconnected());
        }
        let count = match self.push(frames, deadline)? {
            Pushed::Some(count) => count,
            Pushed::Full => 0,
            Pushed::Closed => return Err(closed()),
        };
        *sent += count;
        let all = count == frames.len() || self.send_rest(end, &frames[count..], sent, deadline)?;
        // A full fence, after the lock was released: either who took away the last receiver sees the message, or it's seen here
        // that nobody will receive it.
        barrier::after_locked();
        if !self.is_received() {
            self.discard();
        }
        Ok(all)
    }

    #[cold]
    fn send_rest<E: End + 'static>(
        &self,
        end: &Shared<E>,
        frames: &[Frame<'_>],
        sent: &mut usize,
        deadline: Deadline,
    ) -> Result<bool> {
        let ring = &self.record().ring;
        let (mut lookout, mut seen, mut count) = (Lookout::new(), None, 0);
        let all = block_on(end, ring.departures(), deadline, || {
            lookout.look(self.arena());
            if let Some(refusal) = self.refusal() {
                return Some(Err(refusal));
            }
            // As long as nothing is taken, there's no more room than there was.
            let taken = ring.taken();
            if seen == Some(taken) {
                return None;
            }
            match self.push(&frames[count..], Deadline::PASSED) {
                Ok(Pushed::Some(more)) => count += more,
                Ok(Pushed::Full) => seen = Some(taken),
                Ok(Pushed::Closed) => return Some(Err(closed())),
                Err(e) => return Some(Err(e)),
            }
            (count == frames.len()).then_some(Ok(()))
        });
        *sent += count;
        all.transpose().map(|all| all.is_some())
    }

    /// Sends a message; false when the deadline passed first.
    #[inline]
    fn send<E: End + 'static>(
        &self,
        end: &Shared<E>,
        bytes: &[u8],
        shares: &[Arc<Share>],
        deadline: Deadline,
    ) -> Result<bool> {
        if bytes.len() <= self.longest_inline() && shares.is_empty() {
            let frame = Frame { kind: INLINE, payload: bytes, bulk: 0 };
            return self.send_frames(end, &[frame], &mut 0, deadline);
        }
        end.checked()?;
        // Before there's anything to take back.
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        if !shares.is_empty() {
            self.record().carries_handles.store(1, Relaxed);
        }
        self.send_draft(end, Draft::with_bytes(self.arena(), bytes, shares)?, deadline)
            .map(|left| left.is_none())
    }

    /// Sends a message that has been made; gives it back when the deadline passed first.
    fn send_draft<E: End + 'static>(
        &self,
        end: &Shared<E>,
        draft: Draft,
        deadline: Deadline,
    ) -> Result<Option<Draft>> {
        let lent = draft.lent();
        let frame = Frame { kind: LENT, payload: &lent.to_bytes(), bulk: lent.len };
        if !self.send_frames(end, &[frame], &mut 0, deadline)? {
            return Ok(Some(draft));
        }
        draft.sent();
        Ok(None)
    }
}

/// What receivers do, of whichever kind.
impl Stream {
    /// Why nothing will come any more, if that's so.
    fn end_of_stream(&self) -> Option<Error> {
        if !self.is_sent() {
            Some(disconnected())
        } else if self.is_closed() {
            Some(closed())
        } else {
            None
        }
    }

    /// Waits until `look` gives something, or the stream has ended; `None` when the deadline passed first.
    #[cold]
    fn wait_for<E: End + 'static, R>(
        &self,
        end: &Shared<E>,
        change: &EventCount,
        deadline: Deadline,
        mut look: impl FnMut() -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        let mut lookout = Lookout::new();
        let found = block_on(end, change, deadline, || {
            let found = look().transpose();
            if found.is_some() {
                return found;
            }
            lookout.look(self.arena());
            let error = self.end_of_stream()?;
            if self.may_come_back() {
                return None;
            }
            // What came before the end.
            Some(look().transpose().unwrap_or(Err(error)))
        });
        found.transpose()
    }

    /// Receives a message; `None` when the deadline passed first.
    #[inline]
    fn receive<E: End + 'static>(
        &self,
        end: &Shared<E>,
        out: &mut Vec<u8>,
        deadline: Deadline,
    ) -> Result<Option<Received>> {
        end.checked()?;
        let popped = match self.pop(out, deadline)? {
            None => self.wait_for(end, self.record().ring.arrivals(), deadline, || {
                if self.record().ring.is_empty() { Ok(None) } else { self.pop(out, Deadline::PASSED) }
            })?,
            popped => popped,
        };
        self.refresh()?;
        Ok(popped.map(|popped| match popped {
            Popped::Inline => Received::Inline,
            Popped::Lent(message) => Received::Message(message),
        }))
    }

    /// After something was taken, or wasn't there: for who polls.
    #[inline]
    fn refresh(&self) -> Result<()> {
        self.pollable().get().map_or(Ok(()), |pollable| pollable.refresh(&self.arrival()))
    }

    /// A descriptor that is readable when there is something to receive, or the stream has ended.
    fn fd(&self) -> Result<BorrowedFd<'_>> {
        if let Some(pollable) = self.pollable().get() {
            return Ok(pollable.fd());
        }
        let made = Pollable::new()?;
        let pollable = self.pollable().get_or_init(|| made);
        pollable.refresh(&self.arrival())?;
        Ok(pollable.fd())
    }

    /// Waits until there is something to receive, or the stream has ended: whether that was before the deadline.
    fn poll<E: End + 'static>(&self, end: &Shared<E>, deadline: Deadline) -> Result<bool> {
        end.checked()?;
        let ring = &self.record().ring;
        let ready = || Ok((!ring.is_empty()).then_some(()));
        let found = match self.wait_for(end, ring.arrivals(), deadline, ready) {
            Ok(found) => found.is_some(),
            Err(e) if e.kind() == ErrorKind::Disconnected || e.kind() == ErrorKind::Closed => true,
            Err(e) => return Err(e),
        };
        // This thread may have been woken in the place of one that would have taken the message.
        ring.arrivals().notify_one();
        Ok(found)
    }
}

macro_rules! sends {
    ($($name:ident),*) => {
        $(
            impl $name {
                /// Sends a message; false when the deadline passed first.
                #[inline]
                pub fn send(&self, bytes: &[u8], shares: &[Arc<Share>], deadline: Deadline) -> Result<bool> {
                    self.stream.send(&self.shared, bytes, shares, deadline)
                }

                /// Ready when there may be room for what there was none for when this was asked, or the stream has ended.
                pub fn room(&self) -> Source<'_> {
                    self.stream.departure()
                }

                /// Sends messages without handles, which lie in `bytes` one after the other, each up to the next of the `ends`.
                /// True if all were sent before the deadline; how many were is added to `sent`, also if there's an error.
                pub fn send_many(
                    &self,
                    bytes: &[u8],
                    ends: &[usize],
                    sent: &mut usize,
                    deadline: Deadline,
                ) -> Result<bool> {
                    self.stream.send_many(&self.shared, bytes, ends, sent, deadline)
                }
            }
        )*
    };
}

macro_rules! receives {
    ($($name:ident),*) => {
        $(
            impl $name {
                /// Receives a message: a short one is appended to `out`. `None` when the deadline passed first.
                #[inline]
                pub fn receive(&self, out: &mut Vec<u8>, deadline: Deadline) -> Result<Option<Received>> {
                    self.stream.receive(&self.shared, out, deadline)
                }

                /// Receives up to `most` short messages that are there: their bytes are appended to `out`, and where each of them
                /// ends to `ends`. Doesn't wait.
                pub fn receive_many(&self, most: usize, out: &mut Vec<u8>, ends: &mut Vec<usize>) -> Result<()> {
                    self.shared.checked()?;
                    self.stream.pop_many(most, out, ends, Deadline::PASSED)?;
                    self.stream.refresh()
                }

                /// Ready when there is something to receive, or the stream has ended.
                pub fn source(&self) -> Source<'_> {
                    self.stream.arrival()
                }

                /// A descriptor that is readable when there is something to receive, or the stream has ended.
                pub fn fd(&self) -> Result<BorrowedFd<'_>> {
                    self.shared.checked()?;
                    self.stream.fd()
                }

                /// Waits until there is something to receive, or the stream has ended: whether that was before the deadline.
                pub fn poll(&self, deadline: Deadline) -> Result<bool> {
                    self.stream.poll(&self.shared, deadline)
                }
            }
        )*
    };
}

sends!(Sender, Queue);
receives!(Receiver, Queue);

impl Stream {
    fn send_many<E: End + 'static>(
        &self,
        end: &Shared<E>,
        bytes: &[u8],
        ends: &[usize],
        sent: &mut usize,
        deadline: Deadline,
    ) -> Result<bool> {
        let (mut frames, mut start) = (Vec::with_capacity(ends.len()), 0);
        for (i, message_end) in ends.iter().enumerate() {
            let payload = bytes.get(start..*message_end).expect("ends are in order");
            start = *message_end;
            let is_long = payload.len() > self.longest_inline();
            if !is_long {
                frames.push(Frame { kind: INLINE, payload, bulk: 0 });
            }
            if (is_long || i + 1 == ends.len()) && !frames.is_empty() {
                if !self.send_frames(end, &frames, sent, deadline)? {
                    return Ok(false);
                }
                frames.clear();
            }
            if is_long {
                if !self.send(end, payload, &[], deadline)? {
                    return Ok(false);
                }
                *sent += 1;
            }
        }
        Ok(true)
    }
}

impl Queue {
    /// Nothing can be sent from now on. What has been sent is still received.
    pub fn close(&self) -> Result<()> {
        self.shared.checked()?;
        self.stream.close()
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        self.stream.is_closed()
    }

    /// How many messages there may be; `None`: as many as there is memory for.
    pub fn limit(&self) -> Option<usize> {
        self.stream.limit()
    }
}

impl Stream {
    fn limit(&self) -> Option<usize> {
        let most = self.record().most_messages.load(Relaxed);
        (most < i32::MAX as u64).then_some(most as usize)
    }
}

impl Sender {
    /// Room for a message of `len` bytes, to be written in place.
    pub fn reserve(&self, len: usize) -> Result<Reservation<'_>> {
        self.shared.checked()?;
        let place = if len <= self.stream.longest_inline() {
            InPlace::Inline(vec![0; len])
        } else {
            InPlace::Outside(Draft::new(self.stream.arena(), len, &[])?)
        };
        Ok(Reservation { sender: self, place })
    }
}

/// A message that is being written: short ones in private memory, long ones where they are received.
#[derive(Debug)]
pub struct Reservation<'a> {
    sender: &'a Sender,
    place: InPlace,
}

#[derive(Debug)]
enum InPlace {
    Inline(Vec<u8>),
    Outside(Draft),
}

impl<'a> Reservation<'a> {
    /// Sends it; gives it back when the deadline passed first.
    pub fn send(self, deadline: Deadline) -> Result<Option<Reservation<'a>>> {
        let Reservation { sender, place } = self;
        let left = match place {
            InPlace::Inline(bytes) => {
                (!sender.send(&bytes, &[], deadline)?).then_some(InPlace::Inline(bytes))
            }
            InPlace::Outside(draft) => {
                sender.stream.send_draft(&sender.shared, draft, deadline)?.map(InPlace::Outside)
            }
        };
        Ok(left.map(|place| Reservation { sender, place }))
    }
}

impl std::ops::Deref for Reservation<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.place {
            InPlace::Inline(bytes) => bytes,
            InPlace::Outside(draft) => draft.as_slice(),
        }
    }
}

impl std::ops::DerefMut for Reservation<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.place {
            InPlace::Inline(bytes) => bytes,
            InPlace::Outside(draft) => draft.as_slice_mut(),
        }
    }
}

impl Stream {
    /// Ready when there is something to receive, or the stream has ended.
    fn arrival(&self) -> Source<'_> {
        let lookout = Mutex::new(Lookout::new());
        Source::new(self.record().ring.arrivals(), move || {
            if !self.record().ring.is_empty() {
                return true;
            }
            lookout.lock().unwrap_or_else(|e| e.into_inner()).look(self.arena());
            self.end_of_stream().is_some() && !self.may_come_back() || self.has_returned()
        })
    }

    /// Ready when there may be room, or nobody can receive any more.
    fn departure(&self) -> Source<'_> {
        let (lookout, taken) = (Mutex::new(Lookout::new()), self.record().ring.taken());
        Source::new(self.record().ring.departures(), move || {
            lookout.lock().unwrap_or_else(|e| e.into_inner()).look(self.arena());
            self.record().ring.taken() != taken || self.refusal().is_some()
        })
    }
}

impl Tasks {
    /// Ready when there may be room for what there was none for when this was asked, or the stream has ended.
    pub fn room(&self) -> Source<'_> {
        self.stream.departure()
    }

    /// Ready when there is something to take, or nothing will come any more.
    pub fn source(&self) -> Source<'_> {
        self.stream.arrival()
    }

    /// A descriptor that is readable when there is something to take, or nothing will come any more.
    pub fn fd(&self) -> Result<BorrowedFd<'_>> {
        self.shared.checked()?;
        self.stream.fd()
    }

    /// Sends a message; false when the deadline passed first.
    pub fn send(&self, bytes: &[u8], shares: &[Arc<Share>], deadline: Deadline) -> Result<bool> {
        self.shared.checked()?;
        if let Some(refusal) = self.stream.refusal() {
            return Err(refusal);
        }
        if !shares.is_empty() {
            self.stream.record().carries_handles.store(1, Relaxed);
        }
        // Never in the ring: it stays where it is until it's finished.
        let draft = Draft::with_bytes(self.stream.arena(), bytes, shares)?;
        Ok(self.stream.send_draft(&self.shared, draft, deadline)?.is_none())
    }

    /// Takes a message; `None` when the deadline passed first.
    pub fn lease(&self, deadline: Deadline) -> Result<Option<Lease>> {
        self.shared.checked()?;
        let leased = match self.stream.lease(deadline)? {
            None => {
                self.stream.wait_for(&self.shared, self.stream.record().ring.arrivals(), deadline, || {
                    self.stream.lease(deadline)
                })?
            }
            leased => leased,
        };
        self.stream.refresh()?;
        leased
            .transpose()
            .map(|leased| leased.map(|leased| Lease { tasks: self.clone(), leased: Some(leased) }))
    }

    /// How many messages were put and are neither done nor lost.
    pub fn unfinished(&self) -> Result<usize> {
        self.shared.checked()?;
        self.stream.unfinished()
    }

    /// How many were lost: their consumers died, or gave them back, once too often.
    pub fn lost(&self) -> u64 {
        self.stream.lost()
    }

    /// Waits until nothing is unfinished: whether that was before the deadline.
    pub fn join(&self, deadline: Deadline) -> Result<bool> {
        self.shared.checked()?;
        let finished = || match self.stream.unfinished() {
            Ok(0) => Some(Ok(())),
            Ok(_) => None,
            Err(e) => Some(Err(e)),
        };
        let done =
            finished().or_else(|| block_on(&self.shared, &self.stream.record().done, deadline, finished));
        done.transpose().map(|done| done.is_some())
    }

    /// Nothing can be sent from now on. What has been sent is still received.
    pub fn close(&self) -> Result<()> {
        self.shared.checked()?;
        self.stream.close()
    }

    /// Whether it has been closed.
    pub fn is_closed(&self) -> bool {
        self.stream.is_closed()
    }

    /// How many messages there may be; `None`: as many as there is memory for.
    pub fn limit(&self) -> Option<usize> {
        self.stream.limit()
    }
}

/// A message that this process has taken from [`Tasks`] and not finished. Given back when it's dropped.
#[derive(Debug)]
pub struct Lease {
    tasks: Tasks,
    /// `None` once it's finished.
    leased: Option<Leased>,
}

impl Lease {
    /// The message, and the handles in it.
    pub fn message(&self) -> (&[u8], &[Arc<Share>]) {
        self.leased.as_ref().map_or((&[], &[]), |leased| (&leased.bytes, &leased.shares))
    }

    /// It's done; or it's lost, since nobody can do it.
    pub fn finish(mut self, is_done: bool) -> Result<()> {
        self.tasks.shared.checked()?;
        match self.leased.take() {
            Some(leased) => self.tasks.stream.finish(leased.index, is_done),
            None => Ok(()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(leased) = self.leased.take()
            && family::current().is_ok()
        {
            // Wrong words in shared memory don't make a drop fail.
            let _ = self.tasks.stream.give_back(leased.index);
        }
    }
}
