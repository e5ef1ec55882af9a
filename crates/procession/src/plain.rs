//! Plain data that travels as its bytes.

use crate::Pod;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

/// Plain data that travels as it lies in memory, and not number by number as `serde` would have it: several times as fast, for an
/// array or a structure of numbers.
///
/// Anywhere in a message, an argument or a result. (Vectors of numbers that are a whole message travel like this anyway.)
///
/// ```
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::{Plain, channel};
///
/// let (sender, receiver) = channel::<Plain<[f64; 8]>>()?;
/// sender.send(&Plain([0.5; 8]))?;
/// assert_eq!(receiver.recv()?[7], 0.5);
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plain<T>(pub T);

impl<T> Plain<T> {
    /// The data.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Plain<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Plain<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Plain<T> {
    fn from(data: T) -> Plain<T> {
        Plain(data)
    }
}

impl<T: Pod> Serialize for Plain<T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytemuck::bytes_of(&self.0))
    }
}

impl<'de, T: Pod> Deserialize<'de> for Plain<T> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Plain<T>, D::Error> {
        deserializer.deserialize_bytes(Bytes(PhantomData))
    }
}

struct Bytes<T>(PhantomData<T>);

impl<T: Pod> de::Visitor<'_> for Bytes<T> {
    type Value = Plain<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", size_of::<T>())
    }

    #[inline]
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Plain<T>, E> {
        let data = bytemuck::try_pod_read_unaligned(bytes);
        data.map(Plain).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn travels_as_its_bytes() {
        let value = (Plain([1.5_f32, -2.0]), vec![Plain(7_u64)], "text".to_string());
        let mut bytes = Vec::new();
        codec::encode(&value, &mut bytes).unwrap();
        assert_eq!(bytes.len(), 1 + 8 + 1 + 1 + 8 + 5);
        assert_eq!(codec::decode::<(Plain<[f32; 2]>, Vec<Plain<u64>>, String)>(&bytes, &[]).unwrap(), value);
        assert!(codec::decode::<Plain<[f32; 3]>>(&bytes[..9], &[]).is_err(), "of another length");
    }
}
