//! The end of a channel out of which messages come.

use super::{RecvError, wire};
use crate::{handles::stream_end, selector::until_ready};
use procession_core::{
    Deadline,
    select::Source,
    stream::{self, Received},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, marker::PhantomData, ops::Deref, os::fd::BorrowedFd, time::Duration};

/// The end of a [`channel`](super::channel()) out of which messages come.
///
/// Any number of clones can receive, in any number of threads and processes, without a lock: each message goes to one of them. It
/// travels like any other handle. When the last one is gone, the senders see that.
///
/// # Process death
///
/// A process that is killed while it waits, or is about to receive, takes nothing with it; one that has received a message has it.
pub struct Receiver<T> {
    inner: stream::Receiver,
    item: PhantomData<fn() -> T>,
}

stream_end!(Receiver, stream::Receiver);

/// Receiving.
///
/// # Errors
///
/// All of these:
///
/// - [`RecvError::Disconnected`]: the end of the stream.
/// - [`RecvError::Undecodable`]: the message isn't a `T`: it was sent as bytes. It has been taken out; the channel stays usable.
/// - [`RecvError::Failed`]: there is no memory for a copy; this is a plain fork ([`is_forked`](procession_core::Error::is_forked)).
impl<T: Serialize + DeserializeOwned + 'static> Receiver<T> {
    /// Receives a message. Waits until there is one, or the end of the stream has come.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        Ok(self.recv_until(Deadline::NEVER)?.expect("a wait without a deadline ends with a message"))
    }

    /// Receives a message if there is one now.
    #[inline]
    pub fn try_recv(&self) -> Result<Option<T>, RecvError> {
        self.recv_until(Deadline::PASSED)
    }

    /// Receives a message, waiting for at most `timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<T>, RecvError> {
        self.recv_until(Deadline::after(timeout))
    }

    /// Receives a message, in any runtime for futures: as [`recv`](Receiver::recv), but nothing is blocked meanwhile.
    pub async fn recv_async(&self) -> Result<T, RecvError> {
        until_ready(|| self.source(), || self.try_recv()).await
    }

    #[inline]
    fn recv_until(&self, deadline: Deadline) -> Result<Option<T>, RecvError> {
        wire::with_buffer(|buffer| match self.inner.receive(buffer, deadline)? {
            Some(received) => wire::decoded(received, buffer).map(Some),
            None => Ok(None),
        })
    }

    /// Messages until the end of the stream. If there's an error of another kind, they end as well, and
    /// [`error`](Iter::error) gives it.
    ///
    /// ```standalone_crate
    /// # fn main() -> procession::Result<()> {
    /// # procession::init();
    /// let (sender, receiver) = procession::channel::<u64>()?;
    /// (0..10).try_for_each(|i| sender.send(&i))?;
    /// drop(sender);
    /// assert_eq!(receiver.iter().sum::<u64>(), 45);
    /// # Ok(()) }
    /// ```
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self, error: None }
    }
}

impl<T> Receiver<T> {
    pub(crate) fn source(&self) -> Source<'_> {
        self.inner.source()
    }

    /// A descriptor for `poll`, `epoll` and the like: readable when there is something to receive, or the end of the stream has come.
    /// When [`try_recv`](Receiver::try_recv) has found nothing, it's readable again when there is more. Nothing is to be read
    /// from it.
    ///
    /// # Errors
    ///
    /// What the system refuses: another descriptor, or a thread. [`is_forked`](procession_core::Error::is_forked).
    #[doc(alias = "fileno")]
    pub fn as_fd(&self) -> procession_core::Result<BorrowedFd<'_>> {
        self.inner.fd()
    }

    /// Receives a message as bytes, however it was sent. Waits until there is one, or the end of the stream has come.
    ///
    /// # Errors
    ///
    /// [`RecvError::Disconnected`], [`RecvError::Failed`].
    #[inline]
    pub fn recv_bytes(&self) -> Result<Vec<u8>, RecvError> {
        Ok(self.recv_bytes_until(Deadline::NEVER)?.expect("a wait without a deadline ends with a message"))
    }

    /// Receives a message as bytes if there is one now.
    ///
    /// # Errors
    ///
    /// Those of [`recv_bytes`](Receiver::recv_bytes).
    pub fn try_recv_bytes(&self) -> Result<Option<Vec<u8>>, RecvError> {
        self.recv_bytes_until(Deadline::PASSED)
    }

    /// Receives a message as bytes, waiting for at most `timeout`.
    ///
    /// # Errors
    ///
    /// Those of [`recv_bytes`](Receiver::recv_bytes).
    pub fn recv_bytes_timeout(&self, timeout: Duration) -> Result<Option<Vec<u8>>, RecvError> {
        self.recv_bytes_until(Deadline::after(timeout))
    }

    #[inline]
    fn recv_bytes_until(&self, deadline: Deadline) -> Result<Option<Vec<u8>>, RecvError> {
        let mut bytes = Vec::new();
        Ok(match self.inner.receive(&mut bytes, deadline)? {
            Some(Received::Message(message)) => Some(message.to_vec()?),
            Some(Received::Inline) => Some(bytes),
            None => None,
        })
    }

    /// Receives a message as bytes, appended to a vector that can be used again and again: how many there were.
    ///
    /// # Errors
    ///
    /// [`RecvError::Disconnected`], [`RecvError::Failed`].
    #[inline]
    pub fn recv_bytes_into(&self, bytes: &mut Vec<u8>) -> Result<usize, RecvError> {
        let before = bytes.len();
        if let Some(Received::Message(message)) = self.inner.receive(bytes, Deadline::NEVER)? {
            bytes.extend_from_slice(&message);
        }
        Ok(bytes.len() - before)
    }

    /// Receives a message as bytes: a long one where it lies, without a copy.
    ///
    /// # Errors
    ///
    /// [`RecvError::Disconnected`], [`RecvError::Failed`].
    pub fn recv_in_place(&self) -> Result<Message, RecvError> {
        let mut bytes = Vec::new();
        Ok(Message(match self.inner.receive(&mut bytes, Deadline::NEVER)? {
            Some(Received::Message(message)) => Place::Shared(message),
            _ => Place::Own(bytes),
        }))
    }

    /// Waits for at most `timeout` until there is something to receive, or the end of the stream: whether there is. Zero looks
    /// without waiting. Takes nothing: where there are other receivers, one of them may be faster.
    ///
    /// # Errors
    ///
    /// [`is_forked`](procession_core::Error::is_forked).
    pub fn poll(&self, timeout: Duration) -> procession_core::Result<bool> {
        self.inner.poll(Deadline::after(timeout))
    }
}

/// Messages until the end of the stream; see [`iter`](Receiver::iter).
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
    error: Option<RecvError>,
}

impl<T> Iter<'_, T> {
    /// What ended it, if that wasn't the end of the stream.
    pub fn error(&self) -> Option<&RecvError> {
        self.error.as_ref()
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self.receiver.recv() {
            Ok(message) => Some(message),
            Err(RecvError::Disconnected) => None,
            Err(error) => {
                self.error = Some(error);
                None
            }
        }
    }
}

impl<'a, T: Serialize + DeserializeOwned + 'static> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;
    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("receiver", self.receiver).field("error", &self.error).finish()
    }
}

/// A message as bytes, where it was received; see [`recv_in_place`](Receiver::recv_in_place). Shared memory that it lies in is freed
/// when it's dropped.
///
/// # Process death
///
/// It's freed as well when its process dies.
pub struct Message(Place);

enum Place {
    Own(Vec<u8>),
    Shared(stream::Message),
}

impl Deref for Message {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Place::Own(bytes) => bytes,
            Place::Shared(message) => message,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("len", &self.len()).finish_non_exhaustive()
    }
}
