//! Keys and values as bytes, and back.

use crate::{channel::wire, codec};
use procession_core::{Error, ErrorKind, Result, Share};
use serde::{Serialize, de::DeserializeOwned};
use std::{any::type_name, cell::Cell, sync::Arc};

thread_local! {
    /// Kept from call to call: for a key, with a value behind it, and for a value that is found.
    static BUFFERS: Cell<[Vec<u8>; 2]> = const { Cell::new([Vec::new(), Vec::new()]) };
}

/// Larger ones aren't kept.
const KEPT: usize = 64 << 10;

/// Runs `f` with two empty buffers.
#[inline(always)]
pub(crate) fn with_buffers<R>(f: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>) -> R) -> R {
    // `f` runs code of the user's, which may come here as well: then it finds others.
    // A thread that is ending has none.
    let [mut first, mut second] = BUFFERS.try_with(Cell::take).unwrap_or_default();
    first.clear();
    second.clear();
    let result = f(&mut first, &mut second);
    if first.capacity() <= KEPT && second.capacity() <= KEPT {
        let _ = BUFFERS.try_with(|buffers| buffers.set([first, second]));
    }
    result
}

/// Appends the key's bytes.
#[inline]
pub(crate) fn encode_key<Q: Serialize + ?Sized>(key: &Q, bytes: &mut Vec<u8>) -> Result<()> {
    if codec::encode(key, bytes)?.is_empty() { Ok(()) } else { Err(handle_in_key::<Q>()) }
}

/// The key that the bytes are. (Those of a value may be in another form: see `wire`.)
pub(crate) fn decode_key<K: DeserializeOwned>(bytes: &[u8]) -> Result<K> {
    codec::decode(bytes, &[])
}

#[cold]
fn handle_in_key<Q: ?Sized>() -> Error {
    let name = type_name::<Q>();
    Error::new(ErrorKind::Codec, format!("a key of type {name} has a handle in it: only values can have any"))
}

/// Appends the value's bytes, and gives the handles in it.
#[inline]
pub(crate) fn encode<V: Serialize + 'static>(value: &V, bytes: &mut Vec<u8>) -> Result<Vec<Arc<Share>>> {
    wire::append(value, bytes)
}

/// The value that the bytes are.
#[inline(always)]
pub(crate) fn decode<V: DeserializeOwned + 'static>(bytes: &[u8], shares: &[Arc<Share>]) -> Result<V> {
    match wire::plain_value(bytes) {
        Some(value) => value.map_err(Error::from),
        None => codec::decode(bytes, shares),
    }
}
