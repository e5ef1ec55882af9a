//! Why a task or a process gave no value.

use crate::{PanicInfo, codec};
use procession_core::{
    Error, ErrorKind, Share,
    start::{ExitStatus, Verdict},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Why a function that ran in another process gave no value.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// It panicked.
    #[error("the task panicked: {0}")]
    Panicked(PanicInfo),
    /// Its process ended: killed, crashed, or because the function itself called exit.
    #[doc(alias = "BrokenProcessPool")]
    #[error("the process died while it ran the task: {0}")]
    Died(ExitStatus),
    /// It ran longer than it may, and its process was killed.
    #[doc(alias = "TimeoutError")]
    #[error("the task ran longer than it may")]
    TimedOut,
    /// It needed more memory than its process may have (see [`memory_limit`](crate::PoolBuilder::memory_limit)), which ended its process.
    #[error("the task needed more memory than its process may have")]
    OutOfMemory,
    /// It was taken back before it had run to its end: its pool was terminated, or somebody cancelled it.
    #[error("the task was cancelled")]
    Cancelled,
    /// Its arguments or its value could not be encoded or decoded; the text names the type.
    #[doc(alias = "PicklingError")]
    #[doc(alias = "MaybeEncodingError")]
    #[error("{0}")]
    Codec(Error),
    /// It never ran: the pool was closed, or no process could be started, or memory was short.
    #[error("{0}")]
    Failed(Error),
}

impl From<Error> for TaskError {
    fn from(error: Error) -> TaskError {
        if error.is_codec() { TaskError::Codec(error) } else { TaskError::Failed(error) }
    }
}

impl From<TaskError> for Error {
    fn from(error: TaskError) -> Error {
        match error {
            TaskError::Codec(error) | TaskError::Failed(error) => error,
            TaskError::TimedOut => Error::new(ErrorKind::TimedOut, error.to_string()),
            error => Error::new(ErrorKind::TaskFailed, error.to_string()),
        }
    }
}

/// What a function's verdict, bytes and handles mean.
#[inline]
pub(crate) fn outcome<R: DeserializeOwned>(
    verdict: Verdict,
    bytes: &[u8],
    shares: &[Arc<Share>],
) -> Result<R, TaskError> {
    if verdict == Verdict::Value { Ok(codec::decode(bytes, shares)?) } else { Err(failure(verdict, bytes)) }
}

#[cold]
fn failure(verdict: Verdict, bytes: &[u8]) -> TaskError {
    match verdict {
        Verdict::Panicked => match codec::decode(bytes, &[]) {
            Ok(info) => TaskError::Panicked(info),
            Err(error) => TaskError::Codec(error),
        },
        _ => TaskError::from(Error::decode(bytes)),
    }
}
