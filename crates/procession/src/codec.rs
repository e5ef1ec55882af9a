//! How values become bytes: postcard, with errors that name the type.

use crate::travel;
use procession_core::{Error, ErrorKind, Parcel, Result, Share};
use serde::{Serialize, de::DeserializeOwned};
use std::{any::type_name, sync::Arc};

/// Appends the value's bytes to `out`, which is left as it was if that fails, and gives the handles in it.
#[inline]
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<Vec<Arc<Share>>> {
    let start = out.len();
    let message = travel::Outgoing::begin();
    match postcard::serialize_with_flavor(value, Append(out)) {
        Ok(()) => Ok(message.finish()),
        Err(e) => {
            out.truncate(start);
            Err(failed("encode", type_name::<T>(), e))
        }
    }
}

/// The value as a message of its own.
pub(crate) fn pack<T: Serialize>(value: &T) -> Result<Parcel> {
    let mut bytes = Vec::new();
    let shares = encode(value, &mut bytes)?;
    Ok(Parcel { bytes, shares })
}

/// The value that the bytes hold, all of them, with these handles in it.
#[inline(always)]
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8], shares: &[Arc<Share>]) -> Result<T> {
    if shares.is_empty() { take(bytes) } else { travel::receiving(shares, || take(bytes)) }
}

/// The value that the bytes begin with, which has no handles in it, and the bytes after it.
pub(crate) fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8])> {
    postcard::take_from_bytes(bytes).map_err(|e| failed("decode", type_name::<T>(), e))
}

#[inline(always)]
fn take<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(failed("decode", type_name::<T>(), "there are bytes left over")),
        Err(e) => Err(failed("decode", type_name::<T>(), e)),
    }
}

#[cold]
fn failed(what: &str, name: &str, why: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Codec, format!("could not {what} a value of type {name}: {why}"))
}

/// Of a 64-bit number.
const LONGEST_VARINT: usize = 10;

/// Appends to a vector that the caller keeps.
struct Append<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        // A varint was written byte by byte a moment ago: reading it in wider pieces would wait for those writes. (Also
        // measured, and slower: a match on the length with one `extend_from_slice` each.)
        if bytes.len() <= LONGEST_VARINT {
            self.0.reserve(LONGEST_VARINT);
            bytes.iter().for_each(|byte| self.0.push(*byte));
        } else {
            self.0.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn values_survive(value: (u64, String, Vec<Option<i8>>, BTreeMap<String, f64>)) {
            let mut bytes = vec![7];
            encode(&value, &mut bytes).unwrap();
            prop_assert_eq!(decode::<(u64, String, Vec<Option<i8>>, BTreeMap<String, f64>)>(&bytes[1..], &[]).unwrap(), value);
        }

        #[test]
        fn wrong_bytes_are_an_error_or_a_value(bytes: Vec<u8>) {
            let _ = decode::<(u32, String, Vec<bool>)>(&bytes, &[]);
        }
    }

    #[test]
    fn errors_name_the_type_and_lose_nothing() {
        struct Stubborn;
        impl Serialize for Stubborn {
            fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        let mut out = vec![1, 2];
        let e = encode(&(5u8, Stubborn), &mut out).unwrap_err();
        assert!(e.is_codec() && e.to_string().contains("Stubborn"), "{e}");
        assert_eq!(out, [1, 2]);
        let e = decode::<u8>(&[1, 2], &[]).unwrap_err();
        assert!(e.is_codec() && e.to_string().contains("u8"), "{e}");
    }
}
