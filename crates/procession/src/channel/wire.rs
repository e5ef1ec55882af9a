//! Messages of streams: values as bytes, and back.

use super::RecvError;
use crate::codec;
use procession_core::{Error, ErrorKind, Result, Share, stream::Received};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    any::{Any, type_name},
    cell::Cell,
    sync::Arc,
};

thread_local! {
    /// Kept from message to message.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A larger one isn't kept.
const KEPT: usize = 64 << 10;

/// Runs `f` with an empty buffer.
#[inline]
pub(crate) fn with_buffer<R>(f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // Taken out: `f` may run a value's own code, which may come here as well. A thread that is ending has none.
    let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let result = f(&mut buffer);
    if buffer.capacity() <= KEPT {
        let _ = BUFFER.try_with(|kept| kept.set(buffer));
    }
    result
}

/// Runs `f` with the value's bytes and the handles in it.
#[inline]
pub(crate) fn encoded<T: Serialize + 'static, R>(
    value: &T,
    f: impl FnOnce(&[u8], &[Arc<Share>]) -> Result<R>,
) -> Result<R> {
    match plain_bytes(value) {
        Some(bytes) => f(bytes, &[]),
        None => with_buffer(|buffer| {
            let shares = codec::encode(value, buffer)?;
            f(buffer, &shares)
        }),
    }
}

/// Appends the value's bytes, and gives the handles in it.
pub(crate) fn append<T: Serialize + 'static>(value: &T, bytes: &mut Vec<u8>) -> Result<Vec<Arc<Share>>> {
    match plain_bytes(value) {
        Some(plain) => {
            bytes.extend_from_slice(plain);
            Ok(Vec::new())
        }
        None => codec::encode(value, bytes),
    }
}

/// The value of a message: a short one is in the buffer.
#[inline]
pub(crate) fn decoded<T: DeserializeOwned + 'static>(
    received: Received,
    buffer: &[u8],
) -> Result<T, RecvError> {
    match received {
        Received::Inline => decode(buffer, &[]),
        Received::Message(message) => {
            // Copied, since it's checked while it's read; but plain bytes needn't be checked.
            if let Some(value) = plain_value(&message) {
                return value;
            }
            decode(&message.to_vec()?, message.shares())
        }
    }
}

/// The value that the bytes are.
#[inline]
pub(crate) fn decode<T: DeserializeOwned + 'static>(
    bytes: &[u8],
    shares: &[Arc<Share>],
) -> Result<T, RecvError> {
    if let Some(value) = plain_value(bytes) {
        return value;
    }
    codec::decode(bytes, shares).map_err(|error| undecodable(error, bytes))
}

#[cold]
fn undecodable(error: Error, bytes: &[u8]) -> RecvError {
    RecvError::Undecodable { error, message: bytes.to_vec() }
}

/// Vectors of plain numbers travel as they lie in memory. Which of them a `T` is, is known when it's compiled.
macro_rules! plain_vectors {
    ($($number:ty),*) => {
        #[inline]
        fn plain_bytes<T: 'static>(value: &T) -> Option<&[u8]> {
            let value: &dyn Any = value;
            $(
                if let Some(numbers) = value.downcast_ref::<Vec<$number>>() {
                    return Some(bytemuck::cast_slice(numbers));
                }
            )*
            None
        }

        /// The value, if it's such a vector.
        #[inline]
        pub(crate) fn plain_value<T: 'static>(bytes: &[u8]) -> Option<Result<T, RecvError>> {
            let mut value: Option<T> = None;
            $(
                if let Some(value) = (&mut value as &mut dyn Any).downcast_mut::<Option<Vec<$number>>>() {
                    if bytes.len() % size_of::<$number>() != 0 {
                        return Some(Err(cut_off::<$number>(bytes)));
                    }
                    *value = Some(bytemuck::pod_collect_to_vec(bytes));
                }
            )*
            value.map(Ok)
        }
    };
}

plain_vectors!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, usize, isize, f32, f64);

#[cold]
fn cut_off<T>(bytes: &[u8]) -> RecvError {
    let text = format!("{} bytes are no whole number of {}", bytes.len(), type_name::<T>());
    undecodable(Error::new(ErrorKind::Codec, text), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_numbers_travel_as_they_are() {
        let value = vec![1.5_f64, -2.0];
        encoded(&value, |bytes, shares| {
            assert_eq!((bytes.len(), shares.len()), (16, 0));
            assert_eq!(decode::<Vec<f64>>(bytes, &[]).unwrap(), value);
            let e = decode::<Vec<f64>>(&bytes[1..], &[]).unwrap_err();
            assert!(matches!(e, RecvError::Undecodable { message, .. } if message == bytes[1..]));
            Ok(())
        })
        .unwrap();
        assert_eq!(decode::<Vec<u8>>(&[1, 2, 3], &[]).unwrap(), [1, 2, 3]);
    }

    #[test]
    fn what_cannot_be_decoded_is_given_back() {
        let e = decode::<bool>(&[7], &[]).unwrap_err();
        assert!(
            matches!(&e, RecvError::Undecodable { error, message } if error.is_codec() && message == &[7]),
            "{e}"
        );
    }
}
