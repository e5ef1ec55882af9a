//! Many entries, or all.

use super::{
    Dict,
    bytes::{decode, decode_key, encode, encode_key},
};
use procession_core::{Result, map::Change};
use serde::{Serialize, de::DeserializeOwned};
use std::borrow::Borrow;

/// All entries, or many.
///
/// # Errors
///
/// Those of [`insert`](Dict::insert).
impl<K: Serialize + DeserializeOwned + 'static, V: Serialize + DeserializeOwned + 'static> Dict<K, V> {
    /// All keys as they were at one moment, in the order in which they came.
    pub fn keys(&self) -> Result<Vec<K>> {
        self.inner.items(false)?.iter().map(|item| decode_key(&item.key)).collect()
    }

    /// All values as they were at one moment, in the order in which their keys came.
    pub fn values(&self) -> Result<Vec<V>> {
        self.inner.items(true)?.iter().map(|item| decode(&item.value, &item.shares)).collect()
    }

    /// All keys and values as they were at one moment, in the order in which the keys came.
    ///
    /// While they are copied nobody can change the dictionary.
    pub fn items(&self) -> Result<Vec<(K, V)>> {
        let items = self.inner.items(true)?;
        items.iter().map(|item| Ok((decode_key(&item.key)?, decode(&item.value, &item.shares)?))).collect()
    }

    /// Changes every value, and removes those of which `f` doesn't say `true`. Each entry is changed at once, one after the other; those
    /// that come meanwhile may be seen or not.
    ///
    /// If `f` panics, the one that it was called for stays as it was, and those that weren't seen yet.
    pub fn retain(&self, mut f: impl FnMut(&K, &mut V) -> bool) -> Result<()> {
        let mut before = Vec::new();
        self.inner.visit(|key, bytes, shares| {
            let (key, mut value) = (decode_key(key)?, decode(bytes, shares)?);
            if !f(&key, &mut value) {
                return Ok(Change::Remove);
            }
            before.clear();
            let shares = encode(&value, &mut before)?;
            let is_same = shares.is_empty() && before == bytes;
            Ok(if is_same { Change::Keep } else { Change::Set(before.clone(), shares) })
        })
    }

    /// Inserts each of these. Each for itself: for all or none there is [`transaction`](Dict::transaction).
    pub fn extend<Q>(&self, items: impl IntoIterator<Item = (Q, V)>) -> Result<()>
    where
        K: Borrow<Q>,
        Q: Serialize,
    {
        self.insert_each(items.into_iter().map(|(key, value)| {
            let mut bytes = Vec::new();
            encode_key(&key, &mut bytes)?;
            let len = bytes.len();
            let shares = encode(&value, &mut bytes)?;
            Ok((bytes, len, shares))
        }))
    }

    /// Inserts each of these. Each for itself: for all or none there is [`transaction`](Dict::transaction).
    pub fn insert_many<Q>(&self, items: &[(&Q, &V)]) -> Result<()>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.insert_each(items.iter().map(|(key, value)| {
            let mut bytes = Vec::new();
            encode_key(*key, &mut bytes)?;
            let len = bytes.len();
            let shares = encode(*value, &mut bytes)?;
            Ok((bytes, len, shares))
        }))
    }

    fn insert_each(&self, items: impl Iterator<Item = Result<Encoded>>) -> Result<()> {
        for item in items {
            let (bytes, len, shares) = item?;
            let (key, value) = bytes.split_at(len);
            self.inner.insert(key, value, &shares, None)?;
        }
        Ok(())
    }

    /// The values of these keys, as they were at one moment.
    pub fn get_many<Q>(&self, keys: &[&Q]) -> Result<Vec<Option<V>>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let mut encoded = Vec::with_capacity(keys.len());
        for key in keys {
            let mut bytes = Vec::new();
            encode_key(*key, &mut bytes)?;
            encoded.push(bytes);
        }
        let keys: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        let transaction = self.inner.transaction(&keys)?;
        let mut bytes = Vec::new();
        let mut values = Vec::with_capacity(keys.len());
        for number in 0..keys.len() {
            let start = bytes.len();
            let shares = transaction.get(number, &mut bytes)?;
            values.push(shares.map(|shares| (start..bytes.len(), shares)));
        }
        drop(transaction);
        let decode = |(range, shares): (std::ops::Range<usize>, Vec<_>)| decode(&bytes[range], &shares);
        values.into_iter().map(|value| value.map(decode).transpose()).collect()
    }
}

/// A key, how long it is, the value behind it, and the handles in that.
type Encoded = (Vec<u8>, usize, Vec<std::sync::Arc<procession_core::Share>>);
