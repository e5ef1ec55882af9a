//! Changing one entry.

use super::{
    Dict,
    bytes::{decode, encode, encode_key, with_buffers},
};
use crate::Integer;
use procession_core::{Result, Share, map::Entry};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Borrow, sync::Arc};

/// Changing one entry, at once and wholly.
///
/// # Errors
///
/// All of these; nothing is changed then.
///
/// - [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
/// - [`is_deadlock`](procession_core::Error::is_deadlock): in a closure that changes this dictionary.
/// - Those of [`get`](Dict::get). (What `insert` replaces or `remove` removes and can't be decoded is gone nevertheless.)
impl<K: Serialize + DeserializeOwned + 'static, V: Serialize + DeserializeOwned + 'static> Dict<K, V> {
    /// Sets the key's value: what it was before, if there was one.
    ///
    /// A new key is the last one in the order of [`items`](Dict::items); one that is there stays where it is.
    #[inline]
    pub fn insert<Q>(&self, key: &Q, value: &V) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.put(key, value, |key, value, shares, before| self.inner.insert(key, value, shares, Some(before)))
    }

    /// Sets the value of a key that is there: what it was before. `None`: there is no such key, and nothing is done.
    pub fn swap<Q>(&self, key: &Q, value: &V) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.put(key, value, |key, value, shares, before| self.inner.replace(key, value, shares, before))
    }

    /// `put` is given the key's and the value's bytes and handles, and where to append what the value was before.
    #[inline]
    fn put<Q>(
        &self,
        key: &Q,
        value: &V,
        put: impl FnOnce(&[u8], &[u8], &[Arc<Share>], &mut Vec<u8>) -> Result<Option<Vec<Arc<Share>>>>,
    ) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        with_buffers(|bytes, before| {
            encode_key(key, bytes)?;
            let len = bytes.len();
            let shares = encode(value, bytes)?;
            let (key, value) = bytes.split_at(len);
            match put(key, value, &shares, before)? {
                Some(shares) => decode(before, &shares).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Removes the key: what its value was.
    #[doc(alias = "pop")]
    pub fn remove<Q>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        with_buffers(|bytes, before| {
            encode_key(key, bytes)?;
            match self.inner.remove(bytes, before)? {
                Some(shares) => decode(before, &shares).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Changes the value of a key that is there, and gives what `f` gives. `None`: there is no such key.
    ///
    /// Nobody else changes it meanwhile; who reads it sees what it was before until it's done. If `f` panics the value stays as it
    /// was, the panic goes on, and the dictionary can be used.
    #[inline]
    pub fn update<Q, R>(&self, key: &Q, f: impl FnOnce(&mut V) -> R) -> Result<Option<R>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.change(key, |value, entry, buffer| {
            let Some(mut value) = value else { return Ok(None) };
            let result = f(&mut value);
            set(entry, &value, buffer)?;
            Ok(Some(result))
        })
    }

    /// Changes the key's value, which is `default` if there is none yet; gives what `f` gives.
    #[inline]
    pub fn update_or_insert<Q, R>(&self, key: &Q, default: V, f: impl FnOnce(&mut V) -> R) -> Result<R>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.change(key, |value, entry, buffer| {
            let mut value = value.unwrap_or(default);
            let result = f(&mut value);
            set(entry, &value, buffer)?;
            Ok(result)
        })
    }

    /// The key's value, which is set to this one first if there is none.
    #[doc(alias = "setdefault")]
    pub fn get_or_insert<Q>(&self, key: &Q, value: V) -> Result<V>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.get_or_insert_with(key, || value)
    }

    /// The key's value, which is set to what `make` gives first if there is none. Of all processes that try at once, one calls `make`.
    pub fn get_or_insert_with<Q>(&self, key: &Q, make: impl FnOnce() -> V) -> Result<V>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        if let Some(value) = self.get(key)? {
            return Ok(value);
        }
        self.change(key, |value, entry, buffer| match value {
            Some(value) => Ok(value),
            None => {
                let value = make();
                set(entry, &value, buffer)?;
                Ok(value)
            }
        })
    }

    /// Sets the key's value to `new` if it's `current`: what it was before. Otherwise what it is, as an error, or `None` if there is no
    /// such key.
    pub fn compare_exchange<Q>(&self, key: &Q, current: &V, new: &V) -> Result<Result<V, Option<V>>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        V: PartialEq,
    {
        self.change(key, |value, entry, buffer| match value {
            Some(value) if value == *current => {
                set(entry, new, buffer)?;
                Ok(Ok(value))
            }
            other => Ok(Err(other)),
        })
    }

    /// Adds to the key's value, wrapping around: what it was before. `None`: there is no such key.
    pub fn fetch_add<Q>(&self, key: &Q, other: V) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
        V: Integer,
    {
        self.update(key, |value| {
            let before = *value;
            *value = value.wrapping_sum(other);
            before
        })
    }

    /// Runs `f` with the key's value, its entry, which nobody else changes meanwhile, and an empty buffer.
    #[inline]
    fn change<Q, R>(
        &self,
        key: &Q,
        f: impl FnOnce(Option<V>, Entry<'_>, &mut Vec<u8>) -> Result<R>,
    ) -> Result<R>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        with_buffers(|bytes, buffer| {
            encode_key(key, bytes)?;
            let entry = self.inner.entry(bytes)?;
            let value = match entry.get(buffer)? {
                Some(shares) => Some(decode(buffer, &shares)?),
                None => None,
            };
            buffer.clear();
            f(value, entry, buffer)
        })
    }
}

/// Sets the entry's value.
#[inline]
fn set<V: Serialize + 'static>(entry: Entry<'_>, value: &V, buffer: &mut Vec<u8>) -> Result<()> {
    let shares = encode(value, buffer)?;
    entry.set(buffer, &shares)
}
