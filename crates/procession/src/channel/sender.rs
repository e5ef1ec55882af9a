//! The end of a channel into which messages go.

use super::{SendError, wire};
use crate::{handles::stream_end, selector::until_ready};
use procession_core::{Deadline, stream};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    time::Duration,
};

/// The end of a [`channel`](super::channel()) into which messages go.
///
/// Any number of clones can send, in any number of threads and processes, without a lock. It travels like any other handle: as an
/// argument, as a result, in a message of another channel. When the last one is gone, the receivers see the end of the stream.
///
/// # Process death
///
/// A message that was sent is received, whoever sent it and whatever became of that process. A process that is killed while it
/// sends has sent the message or not; nobody waits for it.
pub struct Sender<T> {
    inner: stream::Sender,
    item: PhantomData<fn(T)>,
}

stream_end!(Sender, stream::Sender);

/// Sending.
///
/// # Errors
///
/// All of these:
///
/// - [`SendError::Disconnected`]: nobody can receive it any more.
/// - [`SendError::Failed`]: it can't be encoded ([`is_codec`](procession_core::Error::is_codec)); there is no memory for it
///   ([`is_out_of_memory`](procession_core::Error::is_out_of_memory)); this is a plain fork
///   ([`is_forked`](procession_core::Error::is_forked)).
///
/// The channel stays usable.
impl<T: Serialize + DeserializeOwned + 'static> Sender<T> {
    /// Sends a message. Waits while the channel is full, until somebody receives; or until nobody can any more.
    ///
    /// Vectors of numbers travel as they lie in memory, others as `serde` sees them. A message may be of any size up to that of the
    /// family's memory.
    #[inline]
    pub fn send(&self, message: &T) -> Result<(), SendError> {
        self.send_until(message, Deadline::NEVER).map(|_| ())
    }

    /// Sends a message if there is room now: whether it was sent.
    #[inline]
    pub fn try_send(&self, message: &T) -> Result<bool, SendError> {
        self.send_until(message, Deadline::PASSED)
    }

    /// Sends a message, waiting for room for at most `timeout`: whether it was sent.
    pub fn send_timeout(&self, message: &T, timeout: Duration) -> Result<bool, SendError> {
        self.send_until(message, Deadline::after(timeout))
    }

    /// Sends a message, in any runtime for futures: as [`send`](Sender::send), but nothing is blocked while the channel is full.
    pub async fn send_async(&self, message: &T) -> Result<(), SendError> {
        until_ready(|| self.inner.room(), || Ok(self.try_send(message)?.then_some(()))).await
    }

    #[inline]
    fn send_until(&self, message: &T, deadline: Deadline) -> Result<bool, SendError> {
        let sent = wire::encoded(message, |bytes, shares| self.inner.send(bytes, shares, deadline))?;
        Ok(sent)
    }
}

/// Sending bytes as they are, to be received by [`recv_bytes`](super::Receiver::recv_bytes) or
/// [`recv_in_place`](super::Receiver::recv_in_place).
///
/// # Errors
///
/// As for values, but that there's nothing to encode.
impl<T> Sender<T> {
    /// Sends bytes. Waits while the channel is full.
    #[inline]
    pub fn send_bytes(&self, message: &[u8]) -> Result<(), SendError> {
        self.inner.send(message, &[], Deadline::NEVER)?;
        Ok(())
    }

    /// Sends bytes if there is room now: whether they were sent.
    pub fn try_send_bytes(&self, message: &[u8]) -> Result<bool, SendError> {
        Ok(self.inner.send(message, &[], Deadline::PASSED)?)
    }

    /// Sends bytes, waiting for room for at most `timeout`: whether they were sent.
    pub fn send_bytes_timeout(&self, message: &[u8], timeout: Duration) -> Result<bool, SendError> {
        Ok(self.inner.send(message, &[], Deadline::after(timeout))?)
    }

    /// Room for a message of `len` bytes, to be written in place and then [committed](Reservation::commit). A long one is
    /// received where it was written, without having been copied. What is in it at first is of no meaning.
    ///
    /// ```standalone_crate
    /// # fn main() -> procession::Result<()> {
    /// # procession::init();
    /// let (sender, receiver) = procession::channel::<Vec<u8>>()?;
    /// let mut message = sender.reserve(1 << 20)?;
    /// message.fill(7);
    /// message.commit()?;
    /// assert!(receiver.recv_in_place()?.iter().all(|byte| *byte == 7));
    /// # Ok(()) }
    /// ```
    pub fn reserve(&self, len: usize) -> Result<Reservation<'_>, SendError> {
        Ok(Reservation { inner: self.inner.reserve(len)? })
    }
}

/// A message that is being written in place; see [`reserve`](Sender::reserve). Dropped, it's not sent.
///
/// # Process death
///
/// If its process dies before the [`commit`](Reservation::commit), nothing was sent, and nobody waits for it.
#[must_use = "a reservation that isn't committed isn't sent"]
pub struct Reservation<'a> {
    inner: stream::Reservation<'a>,
}

impl<'a> Reservation<'a> {
    /// Sends it. Waits while the channel is full.
    ///
    /// # Errors
    ///
    /// Those of [`send_bytes`](Sender::send_bytes).
    pub fn commit(self) -> Result<(), SendError> {
        self.inner.send(Deadline::NEVER)?;
        Ok(())
    }

    /// Sends it if there is room now; otherwise gives it back.
    ///
    /// # Errors
    ///
    /// Those of [`send_bytes`](Sender::send_bytes).
    pub fn try_commit(self) -> Result<Option<Reservation<'a>>, SendError> {
        Ok(self.inner.send(Deadline::PASSED)?.map(|inner| Reservation { inner }))
    }
}

impl Deref for Reservation<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.inner
    }
}

impl DerefMut for Reservation<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.inner
    }
}

impl fmt::Debug for Reservation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("len", &self.len()).finish_non_exhaustive()
    }
}
