//! Why not all of many items were put or got.

use crate::channel::{RecvError, SendError};
use procession_core::Error;
use std::fmt;

/// Why not all of [many items](super::Queue::put_many) were put.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error} (after {put} items that were put)")]
#[non_exhaustive]
pub struct PutManyError {
    /// How many were put: the first ones.
    pub put: usize,
    /// Why the next one wasn't.
    pub error: SendError,
}

/// Why [many items](super::Queue::get_many) were not got, or not all of those that were taken out.
#[derive(Clone, thiserror::Error)]
#[error("{error}")]
#[non_exhaustive]
pub struct GetManyError<T> {
    /// Those that came before.
    pub items: Vec<T>,
    /// Why the next one wasn't got.
    pub error: RecvError,
    /// The bytes of those that were taken out after it.
    pub rest: Vec<Vec<u8>>,
}

impl<T> fmt::Debug for GetManyError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("GetManyError");
        out.field("items", &self.items.len()).field("error", &self.error).field("rest", &self.rest).finish()
    }
}

impl From<PutManyError> for Error {
    fn from(error: PutManyError) -> Error {
        error.error.into()
    }
}

impl<T> From<GetManyError<T>> for Error {
    fn from(error: GetManyError<T>) -> Error {
        error.error.into()
    }
}
