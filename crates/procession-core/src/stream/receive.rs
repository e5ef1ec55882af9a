//! Receiving, by whatever end.

use super::{
    ends::{Queue, Receiver, Tasks},
    pop::Popped,
    record::End,
    send::{closed, disconnected},
    stream::Stream,
};
use crate::{
    error::{Error, ErrorKind, Result},
    message::Message,
    objects::block_on,
    references::{Lookout, Shared},
    select::{Pollable, Source},
    sync::EventCount,
    sys::clock::Deadline,
};
use rustix::fd::BorrowedFd;
use std::sync::{Arc, Mutex};

/// What was received.
#[derive(Debug)]
pub enum Received {
    /// The bytes were appended to the buffer. There are no handles in them.
    Inline,
    /// A message that is long or has handles in it.
    Message(Message),
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
    pub(super) fn wait_for<E: End + 'static, R>(
        &self,
        end: &Shared<E>,
        change: &EventCount,
        deadline: Deadline,
        mut look: impl FnMut() -> Result<Option<R>>,
    ) -> Result<Option<R>> {
        let mut lookout = Lookout::new();
        let found = block_on(end, change, deadline, || {
            let found = look().transpose();
            if let Some(found) = found {
                if found.is_err() {
                    // What this thread was woken for may be there still: for another, who has the memory.
                    change.pass_on();
                }
                return Some(found);
            }
            lookout.look(self.arena);
            if let Some(error) = self.shut_down() {
                return Some(Err(error));
            }
            let error = self.end_of_stream()?;
            if self.may_come_back() {
                return None;
            }
            // What came before the end: also if somebody is at it, and it can't be had at this moment.
            match look().transpose() {
                None if !self.record.ring.is_empty() => None,
                found => Some(found.unwrap_or(Err(error))),
            }
        })?;
        found.transpose()
    }

    /// Receives a message; `None` when the deadline passed first.
    #[inline]
    pub(super) fn receive<E: End + 'static>(
        &self,
        end: &Shared<E>,
        out: &mut Vec<u8>,
        deadline: Deadline,
    ) -> Result<Option<Received>> {
        end.checked()?;
        let popped = match self.pop(out, deadline)? {
            None => self.wait_for(end, self.record.ring.arrivals(), deadline, || {
                if self.record.ring.is_empty() { Ok(None) } else { self.pop(out, Deadline::PASSED) }
            })?,
            popped => popped,
        };
        self.refresh();
        Ok(popped.map(|popped| match popped {
            Popped::Inline => Received::Inline,
            Popped::Lent(message) => Received::Message(message),
        }))
    }

    /// After something was taken, or wasn't there: for who polls.
    #[inline]
    pub(super) fn refresh(&self) {
        if let Some(pollable) = self.pollable().get() {
            // If nobody can be had who sets it, it stays set: what was taken isn't lost for that.
            let _ = pollable.refresh(&self.arrival());
        }
    }

    /// A descriptor that is readable when there is something to receive, or the stream has ended.
    pub(super) fn fd(&self) -> Result<BorrowedFd<'_>> {
        if self.pollable().get().is_none() {
            let stream = self.clone();
            let check = Arc::new(move || stream.arrival().is_ready());
            let _ = self.pollable().set(Pollable::new(check)?);
        }
        let pollable = self.pollable().get().expect("just set");
        if !pollable.is_watched() {
            pollable.refresh(&self.arrival())?;
        }
        Ok(pollable.fd())
    }

    /// Waits until there is something to receive, or the stream has ended: whether that was before the deadline.
    pub(super) fn poll<E: End + 'static>(&self, end: &Shared<E>, deadline: Deadline) -> Result<bool> {
        end.checked()?;
        let ring = &self.record.ring;
        let ready = || Ok((!ring.is_empty()).then_some(()));
        let found = match self.wait_for(end, ring.arrivals(), deadline, ready) {
            Ok(found) => found.is_some(),
            Err(e) if e.kind() == ErrorKind::Disconnected || e.kind() == ErrorKind::Closed => true,
            Err(e) => return Err(e),
        };
        // This thread may have been woken in the place of one that would have taken the message.
        ring.arrivals().pass_on();
        Ok(found)
    }

    /// Ready when there is something to receive, or the stream has ended.
    pub(super) fn arrival(&self) -> Source<'_> {
        let lookout = Mutex::new(Lookout::new());
        Source::new(self.record.ring.arrivals(), move || {
            if !self.record.ring.is_empty() {
                return true;
            }
            lookout.lock().unwrap_or_else(|e| e.into_inner()).look(self.arena);
            if self.is_shut_down() {
                return true;
            }
            self.end_of_stream().is_some() && !self.may_come_back() || self.has_returned()
        })
    }
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
                    self.stream.refresh();
                    Ok(())
                }

                /// Waits until there is something to receive, or the stream has ended: whether that was before the deadline.
                pub fn poll(&self, deadline: Deadline) -> Result<bool> {
                    self.stream.poll(&self.shared, deadline)
                }
            }
        )*
    };
}

receives!(Receiver, Queue);

macro_rules! can_be_waited_for {
    ($($name:ident),*) => {
        $(
            impl $name {
                /// Ready when there is something to receive, or the stream has ended.
                pub fn source(&self) -> Source<'_> {
                    self.stream.arrival()
                }

                /// A descriptor that is readable when there is something to receive, or the stream has ended.
                pub fn fd(&self) -> Result<BorrowedFd<'_>> {
                    self.shared.checked()?;
                    self.stream.fd()
                }
            }
        )*
    };
}

can_be_waited_for!(Receiver, Queue, Tasks);
