//! Transactions.

use super::{
    Dict,
    bytes::{decode, encode, encode_key},
};
use procession_core::{Error, ErrorKind, Result, map::Change};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Borrow, collections::HashMap, fmt, marker::PhantomData};

/// The entries that a [`transaction`](Dict::transaction) is about. What is changed here is changed in the dictionary when the closure
/// has returned.
pub struct View<K, V> {
    numbers: HashMap<Vec<u8>, usize>,
    values: Vec<Slot<V>>,
    is_cancelled: bool,
    key: PhantomData<fn(K)>,
}

struct Slot<V> {
    value: Option<V>,
    was_there: bool,
    is_touched: bool,
}

impl<K, V> fmt::Debug for View<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("keys", &self.values.len()).finish()
    }
}

/// # Panics
///
/// All of these with a key that isn't among those that the transaction was given, or that can't be encoded. Nothing is changed then.
impl<K, V> View<K, V> {
    fn slot<Q>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let mut bytes = Vec::new();
        let encoded = encode_key(key, &mut bytes);
        encoded.unwrap_or_else(|e| panic!("{e}"));
        *self.numbers.get(&bytes).expect("a transaction can use only the keys that it was given")
    }

    /// The key's value.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        self.values[self.slot(key)].value.as_ref()
    }

    /// The key's value, to change it.
    pub fn get_mut<Q>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let number = self.slot(key);
        let slot = &mut self.values[number];
        slot.is_touched = true;
        slot.value.as_mut()
    }

    /// Sets the key's value: what it was before.
    pub fn insert<Q>(&mut self, key: &Q, value: V) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let number = self.slot(key);
        self.values[number].is_touched = true;
        self.values[number].value.replace(value)
    }

    /// Removes the key: what its value was.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let number = self.slot(key);
        self.values[number].is_touched = true;
        self.values[number].value.take()
    }

    /// Nothing is to be changed in the dictionary, whatever was changed here.
    pub fn cancel(&mut self) {
        self.is_cancelled = true;
    }
}

impl<V: Serialize + 'static> Slot<V> {
    fn change(&self) -> Result<Change> {
        Ok(match &self.value {
            _ if !self.is_touched => Change::Keep,
            None if self.was_there => Change::Remove,
            None => Change::Keep,
            Some(value) => {
                let mut bytes = Vec::new();
                let shares = encode(value, &mut bytes)?;
                Change::Set(bytes, shares)
            }
        })
    }
}

impl<K: Serialize + DeserializeOwned + 'static, V: Serialize + DeserializeOwned + 'static> Dict<K, V> {
    /// Changes the values of several keys wholly or not at all, whoever dies meanwhile; gives what `f` gives.
    ///
    /// Nobody sees some of the changes without the others, and nobody else changes these keys meanwhile. If `f` panics or
    /// [cancels](View::cancel), nothing is changed. New keys come in the order in which they are given here.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Dict::insert), and [`is_invalid_argument`](procession_core::Error::is_invalid_argument) if a key is given
    /// twice; nothing is changed then.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> procession::Result<()> {
    /// # procession::init();
    /// use procession::Dict;
    ///
    /// let accounts = Dict::<String, i64>::new()?;
    /// accounts.extend([("egon".to_string(), 100), ("alex".to_string(), 0)])?;
    /// let is_done = accounts.transaction(&["egon", "alex"], |view| {
    ///     *view.get_mut("egon")? -= 30;
    ///     *view.get_mut("alex")? += 30;
    ///     Some(())
    /// })?;
    /// assert!(is_done.is_some());
    /// assert_eq!(accounts.get("alex")?, Some(30));
    /// # Ok(()) }
    /// ```
    pub fn transaction<Q, R>(&self, keys: &[&Q], f: impl FnOnce(&mut View<K, V>) -> R) -> Result<R>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        let mut encoded = Vec::with_capacity(keys.len());
        let mut numbers = HashMap::with_capacity(keys.len());
        for (number, key) in keys.iter().enumerate() {
            let mut bytes = Vec::new();
            encode_key(*key, &mut bytes)?;
            if numbers.insert(bytes.clone(), number).is_some() {
                let text = format!("key number {number} of the transaction is the same as one before it");
                return Err(Error::new(ErrorKind::InvalidArgument, text));
            }
            encoded.push(bytes);
        }
        let keys: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        let transaction = self.inner.transaction(&keys)?;
        let mut buffer = Vec::new();
        let mut values = Vec::with_capacity(keys.len());
        for number in 0..keys.len() {
            buffer.clear();
            let value = match transaction.get(number, &mut buffer)? {
                Some(shares) => Some(decode(&buffer, &shares)?),
                None => None,
            };
            values.push(Slot { was_there: value.is_some(), value, is_touched: false });
        }
        let mut view = View { numbers, values, is_cancelled: false, key: PhantomData };
        let result = f(&mut view);
        if !view.is_cancelled {
            let changes = view.values.iter().map(Slot::change).collect::<Result<Vec<_>>>()?;
            transaction.commit(&changes)?;
        }
        Ok(result)
    }
}
