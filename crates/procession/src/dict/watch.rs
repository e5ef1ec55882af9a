//! Waiting for a change.

use super::Dict;
use procession_core::{Deadline, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Borrow, time::Duration};

/// Waiting for changes, without polling.
///
/// # Errors
///
/// Those of [`get`](Dict::get).
impl<K: Serialize + DeserializeOwned + 'static, V: Serialize + DeserializeOwned + 'static> Dict<K, V> {
    /// Waits until the key's value is such as `predicate` wants it, for at most `timeout`: whether it was.
    ///
    /// Whoever changes the value wakes this thread, and `predicate` is asked again. It may be another value by the time at which this
    /// returns.
    pub fn wait_for<Q>(
        &self,
        key: &Q,
        mut predicate: impl FnMut(Option<&V>) -> bool,
        timeout: Duration,
    ) -> Result<bool>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let mut bytes = Vec::new();
        super::encode_key(key, &mut bytes)?;
        self.inner.wait_for(&bytes, Deadline::after(timeout), || Ok(predicate(self.get(key)?.as_ref())))
    }
}

/// Waiting for any change.
///
/// # Errors
///
/// Those of [`insert`](Dict::insert).
impl<K, V> Dict<K, V> {
    /// A number that is higher after each change of any entry, whoever made it. (By how much says nothing.)
    pub fn changes(&self) -> Result<u64> {
        self.inner.changes()
    }

    /// Waits until [`changes`](Dict::changes) is another number than `since`, for at most `timeout`: what it is then, or `None`.
    pub fn wait_for_change(&self, since: u64, timeout: Duration) -> Result<Option<u64>> {
        self.inner.wait_for_change(since, Deadline::after(timeout))
    }
}
