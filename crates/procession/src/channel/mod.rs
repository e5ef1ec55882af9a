//! Channels and pipes: messages from any number of processes to any number of processes.

mod connection;
mod error;
mod receiver;
mod sender;
pub(crate) mod wire;

pub use connection::Connection;
pub use error::{RecvError, SendError};
pub use receiver::{Iter, Message, Receiver};
pub use sender::{Reservation, Sender};

use procession_core::{
    Error, ErrorKind, Result,
    stream::{self, Limits},
};

/// What a channel holds if nothing else is said: so many bytes of short messages, and so many of long ones.
const RING: usize = 64 << 10;
const BULK: usize = 4 << 20;

/// A channel: what goes into its [`Sender`] comes out of its [`Receiver`], in order, once.
///
/// Both ends can be cloned, and shared by any number of processes without a lock. The end of the stream is seen without a sentinel:
/// when the last sender is gone (dropped, or its process has ended, whatever way), receivers get what was sent and then
/// [`RecvError::Disconnected`]. So an end that a process gave away by a move is gone here.
///
/// It holds 64 KiB of short messages and 4 MiB of long ones; then senders wait. [`channel_with`] makes one that holds more.
///
/// # Process death
///
/// What was sent is received, whoever dies. A process that is killed while it sends or receives has done it or not; the others go
/// on. Ends in messages that nobody received don't keep a stream open: they go with the message.
///
/// # Errors
///
/// [`is_not_initialised`](Error::is_not_initialised), [`is_out_of_memory`](Error::is_out_of_memory).
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Process, Receiver, channel};
///
/// fn sum(numbers: Receiver<u64>) -> u64 {
///     numbers.iter().sum()
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let (sender, receiver) = channel::<u64>()?;
///     let process = Process::spawn(sum, (receiver,))?;
///     (0..100).try_for_each(|i| sender.send(&i))?;
///     drop(sender);
///     assert_eq!(process.join()?, 4950);
///     Ok(())
/// }
/// ```
pub fn channel<T: 'static>() -> Result<(Sender<T>, Receiver<T>)> {
    with_limits(Limits { messages: None, ring: Some(RING), bulk: Some(BULK) })
}

/// A [`channel`] that holds `bytes` of short messages, and 64 times as many of long ones (those of more than 4 KiB, or an eighth of
/// `bytes`).
///
/// # Errors
///
/// [`is_invalid_argument`](Error::is_invalid_argument): no bytes. Otherwise those of [`channel`].
pub fn channel_with<T: 'static>(bytes: usize) -> Result<(Sender<T>, Receiver<T>)> {
    if bytes == 0 {
        let text = "a channel that holds no bytes: nothing could ever be sent";
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    with_limits(Limits { messages: None, ring: Some(bytes), bulk: Some(bytes.saturating_mul(BULK / RING)) })
}

fn with_limits<T: 'static>(limits: Limits) -> Result<(Sender<T>, Receiver<T>)> {
    let (sender, receiver) = stream::channel(stream::signature::<T>(), limits)?;
    Ok((Sender::new(sender), Receiver::new(receiver)))
}

/// A pipe: two [`Connection`]s, each of which receives what is sent on the other.
///
/// # Process death
///
/// That of two [channels](channel).
///
/// # Errors
///
/// Those of [`channel`].
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Connection, Process, pipe};
///
/// fn shout(connection: Connection<String>) {
///     for text in &connection {
///         connection.send(&text.to_uppercase()).unwrap();
///     }
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let (ours, theirs) = pipe::<String>()?;
///     let process = Process::spawn(shout, (theirs,))?;
///     ours.send(&"hello".to_string())?;
///     assert_eq!(ours.recv()?, "HELLO");
///     drop(ours); // the end of the stream for the other process
///     process.join()?;
///     Ok(())
/// }
/// ```
#[doc(alias = "Pipe")]
pub fn pipe<T: 'static>() -> Result<(Connection<T>, Connection<T>)> {
    duplex()
}

/// A [`pipe`] with messages of another type in each direction: the first connection sends `S` and receives `R`.
///
/// # Errors
///
/// Those of [`channel`].
pub fn duplex<S: 'static, R: 'static>() -> Result<(Connection<S, R>, Connection<R, S>)> {
    let ((there, arrives), (back, returns)) = (channel()?, channel()?);
    Ok((Connection::new(there, returns), Connection::new(back, arrives)))
}
