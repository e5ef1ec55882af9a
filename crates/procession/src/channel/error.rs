//! Why a message was not sent, or not received.

use procession_core::{Error, ErrorKind};

/// Why a message was not sent. The message is still the caller's: it was only lent.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Nobody can receive it: every process that had the other side dropped it, exited or was killed.
    #[doc(alias = "BrokenPipeError")]
    #[error("nobody has the receiving side any more: every process that had it dropped it or ended")]
    Disconnected,
    /// The queue has been closed.
    #[error("the queue has been closed")]
    Closed,
    /// It can't be encoded, or there is no memory for it, or the channel can't be used here.
    #[error("{0}")]
    Failed(Error),
}

/// Why no message was received.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The end of the stream: every process that had the other side dropped it, exited or was killed, and all that they sent has been
    /// received.
    #[doc(alias = "EOFError")]
    #[error("the end of the stream: every process that had the sending side dropped it or ended")]
    Disconnected,
    /// The queue has been closed, and all that was put into it has been taken.
    #[error("the queue has been closed, and is empty")]
    Closed,
    /// The message is no value of the type that is received. It has been taken out.
    #[error("{error}")]
    Undecodable {
        /// What is wrong with it.
        error: Error,
        /// Its bytes.
        message: Vec<u8>,
    },
    /// There is no memory for it, or the channel can't be used here.
    #[error("{0}")]
    Failed(Error),
}

impl From<Error> for SendError {
    fn from(error: Error) -> SendError {
        match error.kind() {
            ErrorKind::Disconnected => SendError::Disconnected,
            ErrorKind::Closed => SendError::Closed,
            _ => SendError::Failed(error),
        }
    }
}

impl From<Error> for RecvError {
    fn from(error: Error) -> RecvError {
        match error.kind() {
            ErrorKind::Disconnected => RecvError::Disconnected,
            ErrorKind::Closed => RecvError::Closed,
            _ => RecvError::Failed(error),
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Error {
        match error {
            SendError::Disconnected => Error::new(ErrorKind::Disconnected, error.to_string()),
            SendError::Closed => Error::new(ErrorKind::Closed, error.to_string()),
            SendError::Failed(error) => error,
        }
    }
}

impl From<RecvError> for Error {
    fn from(error: RecvError) -> Error {
        match error {
            RecvError::Disconnected => Error::new(ErrorKind::Disconnected, error.to_string()),
            RecvError::Closed => Error::new(ErrorKind::Closed, error.to_string()),
            RecvError::Undecodable { error, .. } | RecvError::Failed(error) => error,
        }
    }
}
