//! One side of a pipe: it sends and receives.

use super::{Message, Receiver, RecvError, Reservation, SendError, Sender, receiver::Iter};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::Duration;

/// One side of a [`pipe`](super::pipe): what is sent on one side is received on the other.
///
/// As a [`Sender`] and a [`Receiver`] in one; [`split`](Connection::split) gives them.
///
/// # Process death
///
/// That of a [`Sender`] and a [`Receiver`].
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Connection<S: 'static, R: 'static = S> {
    sender: Sender<S>,
    receiver: Receiver<R>,
}

impl<S: 'static, R: 'static> Connection<S, R> {
    pub(super) fn new(sender: Sender<S>, receiver: Receiver<R>) -> Connection<S, R> {
        Connection { sender, receiver }
    }

    /// The end for sending and the one for receiving, as separate handles.
    pub fn split(self) -> (Sender<S>, Receiver<R>) {
        (self.sender, self.receiver)
    }

    /// The end for sending; its [`len`](Sender::len) and [`statistics`](Sender::statistics) are of what goes that way.
    pub fn sender(&self) -> &Sender<S> {
        &self.sender
    }

    /// The end for receiving; its [`len`](Receiver::len) and [`statistics`](Receiver::statistics) are of what comes this way.
    pub fn receiver(&self) -> &Receiver<R> {
        &self.receiver
    }

    /// As [`Sender::send_bytes`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn send_bytes(&self, message: &[u8]) -> Result<(), SendError> {
        self.sender.send_bytes(message)
    }

    /// As [`Sender::try_send_bytes`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn try_send_bytes(&self, message: &[u8]) -> Result<bool, SendError> {
        self.sender.try_send_bytes(message)
    }

    /// As [`Sender::send_bytes_timeout`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn send_bytes_timeout(&self, message: &[u8], timeout: Duration) -> Result<bool, SendError> {
        self.sender.send_bytes_timeout(message, timeout)
    }

    /// As [`Sender::reserve`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn reserve(&self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.sender.reserve(len)
    }

    /// As [`Receiver::recv_bytes`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn recv_bytes(&self) -> Result<Vec<u8>, RecvError> {
        self.receiver.recv_bytes()
    }

    /// As [`Receiver::try_recv_bytes`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn try_recv_bytes(&self) -> Result<Option<Vec<u8>>, RecvError> {
        self.receiver.try_recv_bytes()
    }

    /// As [`Receiver::recv_bytes_timeout`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn recv_bytes_timeout(&self, timeout: Duration) -> Result<Option<Vec<u8>>, RecvError> {
        self.receiver.recv_bytes_timeout(timeout)
    }

    /// As [`Receiver::recv_bytes_into`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn recv_bytes_into(&self, bytes: &mut Vec<u8>) -> Result<usize, RecvError> {
        self.receiver.recv_bytes_into(bytes)
    }

    /// As [`Receiver::recv_in_place`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn recv_in_place(&self) -> Result<Message, RecvError> {
        self.receiver.recv_in_place()
    }

    /// As [`Receiver::as_fd`].
    ///
    /// # Errors
    ///
    /// The same.
    #[doc(alias = "fileno")]
    pub fn as_fd(&self) -> procession_core::Result<std::os::fd::BorrowedFd<'_>> {
        self.receiver.as_fd()
    }

    /// As [`Receiver::poll`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn poll(&self, timeout: Duration) -> procession_core::Result<bool> {
        self.receiver.poll(timeout)
    }
}

/// Sending, as [`Sender`] does.
///
/// # Errors
///
/// Those of [`Sender::send`].
impl<S: Serialize + DeserializeOwned + 'static, R: 'static> Connection<S, R> {
    /// As [`Sender::send`].
    #[inline]
    pub fn send(&self, message: &S) -> Result<(), SendError> {
        self.sender.send(message)
    }

    /// As [`Sender::try_send`].
    pub fn try_send(&self, message: &S) -> Result<bool, SendError> {
        self.sender.try_send(message)
    }

    /// As [`Sender::send_async`].
    pub async fn send_async(&self, message: &S) -> Result<(), SendError> {
        self.sender.send_async(message).await
    }

    /// As [`Sender::send_timeout`].
    pub fn send_timeout(&self, message: &S, timeout: Duration) -> Result<bool, SendError> {
        self.sender.send_timeout(message, timeout)
    }
}

/// Receiving, as [`Receiver`] does.
///
/// # Errors
///
/// Those of [`Receiver::recv`].
impl<S: 'static, R: Serialize + DeserializeOwned + 'static> Connection<S, R> {
    /// As [`Receiver::recv`].
    #[inline]
    pub fn recv(&self) -> Result<R, RecvError> {
        self.receiver.recv()
    }

    /// As [`Receiver::try_recv`].
    pub fn try_recv(&self) -> Result<Option<R>, RecvError> {
        self.receiver.try_recv()
    }

    /// As [`Receiver::recv_async`].
    pub async fn recv_async(&self) -> Result<R, RecvError> {
        self.receiver.recv_async().await
    }

    /// As [`Receiver::recv_timeout`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Option<R>, RecvError> {
        self.receiver.recv_timeout(timeout)
    }

    /// As [`Receiver::iter`].
    pub fn iter(&self) -> Iter<'_, R> {
        self.receiver.iter()
    }
}

impl<'a, S: 'static, R: Serialize + DeserializeOwned + 'static> IntoIterator for &'a Connection<S, R> {
    type Item = R;
    type IntoIter = Iter<'a, R>;
    fn into_iter(self) -> Iter<'a, R> {
        self.iter()
    }
}

impl<S: 'static, R: 'static> Clone for Connection<S, R> {
    fn clone(&self) -> Connection<S, R> {
        Connection { sender: self.sender.clone(), receiver: self.receiver.clone() }
    }
}

impl<S: 'static, R: 'static> std::fmt::Debug for Connection<S, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("sender", &self.sender).field("receiver", &self.receiver).finish()
    }
}
