//! Sending, by whatever end.

use super::{
    ends::{Queue, Sender, Tasks},
    frame::{INLINE, LENT},
    push::{Frame, Pushed},
    record::End,
    stream::Stream,
};
use crate::{
    atomic::Ordering::Relaxed,
    error::{Error, ErrorKind, Result},
    message::Draft,
    objects::block_on,
    references::{Lookout, Share, Shared},
    select::Source,
    sys::{barrier, clock::Deadline},
};
use std::sync::{Arc, Mutex};

#[cold]
pub(super) fn disconnected() -> Error {
    Error::new(
        ErrorKind::Disconnected,
        "the other side of the channel has gone: every process that had it dropped it or ended",
    )
}

#[cold]
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the queue has been closed")
}

/// What senders do, of whichever kind.
impl Stream {
    /// Why nothing can be sent, if that's so.
    #[inline]
    pub(super) fn refusal(&self) -> Option<Error> {
        if let Some(error) = self.shut_down() {
            Some(error)
        } else if !self.is_received() {
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
    pub(super) fn send_frames<E: End + 'static>(
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
            Pushed::Full | Pushed::Busy => 0,
            Pushed::Closed => return Err(closed()),
        };
        *sent += count;
        let all = if count == frames.len() {
            Ok(true)
        } else {
            self.send_rest(end, &frames[count..], sent, deadline)
        };
        // A full fence, after the lock was released: either who took away the last receiver sees the message, or it's seen here
        // that nobody will receive it. And so with who frees what is in it, once its manager has ended.
        barrier::after_locked();
        if !self.is_received() || self.is_shut_down() {
            self.discard();
        }
        all
    }

    #[cold]
    fn send_rest<E: End + 'static>(
        &self,
        end: &Shared<E>,
        frames: &[Frame<'_>],
        sent: &mut usize,
        deadline: Deadline,
    ) -> Result<bool> {
        let ring = &self.record.ring;
        let (mut lookout, mut seen, mut count) = (Lookout::new(), None, 0);
        let waited = block_on(end, ring.departures(), deadline, || {
            lookout.look(self.arena);
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
                // Nothing is known then: when this thread wakes, it tries again.
                Ok(Pushed::Busy) => {}
                Ok(Pushed::Closed) => return Some(Err(closed())),
                Err(e) => return Some(Err(e)),
            }
            (count == frames.len()).then_some(Ok(()))
        });
        *sent += count;
        if count == frames.len() {
            // What has been committed is whose who receives it, whatever ended meanwhile.
            return Ok(true);
        }
        waited?.transpose().map(|all| all.is_some())
    }

    /// Sends a message; false when the deadline passed first.
    #[inline]
    pub(super) fn send<E: End + 'static>(
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
            self.record.carries_handles.store(1, Relaxed);
        }
        self.send_draft(end, Draft::with_bytes(self.arena, bytes, shares)?, deadline)
            .map(|left| left.is_none())
    }

    /// Sends a message that has been made; gives it back when the deadline passed first.
    pub(super) fn send_draft<E: End + 'static>(
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

    pub(super) fn send_many<E: End + 'static>(
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

    /// Ready when there may be room, or nobody can receive any more.
    pub(super) fn departure(&self) -> Source<'_> {
        let (lookout, taken) = (Mutex::new(Lookout::new()), self.record.ring.taken());
        Source::new(self.record.ring.departures(), move || {
            lookout.lock().unwrap_or_else(|e| e.into_inner()).look(self.arena);
            self.record.ring.taken() != taken || self.refusal().is_some()
        })
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

sends!(Sender, Queue);

macro_rules! have_room {
    ($($name:ident),*) => {
        $(
            impl $name {
                /// Ready when there may be room for what there was none for when this was asked, or the stream has ended.
                pub fn room(&self) -> Source<'_> {
                    self.stream.departure()
                }
            }
        )*
    };
}

have_room!(Sender, Queue, Tasks);

impl Sender {
    /// Room for a message of `len` bytes, to be written in place.
    pub fn reserve(&self, len: usize) -> Result<Reservation<'_>> {
        self.shared.checked()?;
        let place = if len <= self.stream.longest_inline() {
            InPlace::Inline(vec![0; len])
        } else {
            InPlace::Outside(Draft::new(self.stream.arena, len, &[])?)
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
