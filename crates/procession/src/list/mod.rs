//! Lists.

use crate::{
    dict::bytes::{decode, encode, with_buffers},
    travel,
};
use procession_core::{
    Deadline, Result,
    list::{List as Inner, signature},
    objects::Statistics,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::{fmt, marker::PhantomData, time::Duration};

/// A list that any number of processes share, each of whose operations is atomic.
///
/// Values are `serde` values of any size, which may have handles in them. To get one value takes no lock, unless it has handles in it;
/// to get all does. Changes are made one after the other. [`push`](List::push), [`pop`](List::pop) and [`set`](List::set) take the same
/// time however long the list is, but to find a value by its number takes some nanoseconds for each thousand that stand before it; to
/// insert or remove one in the middle copies some kilobytes.
///
/// A handle is cheap to clone, and travels like any other; the list ends with the last of them.
///
/// # Process death
///
/// A process that is killed in the middle of an operation has done it wholly or not at all, and nobody notices. A process that has
/// been stopped in the middle of a change doesn't keep others from reading single values without handles. Who wants all values, one
/// with handles, or to change the list waits until it goes on.
///
/// # Deadlocks
///
/// While a closure of [`update`](List::update) runs, its thread can read single values without handles, but neither change the list
/// otherwise nor ask for all of it: that is an error ([`is_deadlock`](procession_core::Error::is_deadlock)).
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{List, Process};
///
/// fn work(log: List<String>, n: u32) {
///     log.push(&format!("process {n} was here")).unwrap();
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let log = List::new()?;
///     let processes: Vec<_> =
///         (0..5).map(|n| Process::spawn(work, (log.clone(), n))).collect::<Result<_, _>>()?;
///     for process in processes {
///         process.join()?;
///     }
///     assert_eq!(log.len()?, 5);
///     for line in log.iter()? {
///         println!("{line}");
///     }
///     Ok(())
/// }
/// ```
#[doc(alias = "ShareableList")]
pub struct List<T> {
    inner: Inner,
    value: PhantomData<fn(T) -> T>,
}

impl<T> List<T> {
    /// A list without values.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new() -> Result<List<T>> {
        Ok(List { inner: Inner::new(signature::<T>())?, value: PhantomData })
    }

    /// How many values there are.
    ///
    /// # Errors
    ///
    /// Those of [`get`](List::get).
    pub fn len(&self) -> Result<usize> {
        self.inner.len()
    }

    /// Whether there are no values.
    ///
    /// # Errors
    ///
    /// Those of [`get`](List::get).
    pub fn is_empty(&self) -> Result<bool> {
        self.inner.is_empty()
    }

    /// Exchanges the values of two numbers.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](procession_core::Error::is_invalid_argument) if there is no such number; those of
    /// [`push`](List::push).
    pub fn swap(&self, a: usize, b: usize) -> Result<()> {
        self.inner.swap(a, b)
    }

    /// Removes all values from this number on, at once. Nothing happens if there are fewer.
    ///
    /// # Errors
    ///
    /// Those of [`push`](List::push).
    pub fn truncate(&self, len: usize) -> Result<()> {
        self.inner.truncate(len)
    }

    /// Removes all values at once.
    ///
    /// # Errors
    ///
    /// Those of [`push`](List::push).
    pub fn clear(&self) -> Result<()> {
        self.truncate(0)
    }

    /// A number that is higher after each change, whoever made it. (By how much says nothing.)
    ///
    /// # Errors
    ///
    /// Those of [`get`](List::get).
    pub fn changes(&self) -> Result<u64> {
        self.inner.changes()
    }

    /// Waits until [`changes`](List::changes) is another number than `since`, for at most `timeout`: what it is then, or `None`.
    ///
    /// # Errors
    ///
    /// Those of [`get`](List::get).
    pub fn wait_for_change(&self, since: u64, timeout: Duration) -> Result<Option<u64>> {
        self.inner.wait_for_change(since, Deadline::after(timeout))
    }

    /// Who is changing it, and who waits for that.
    pub fn statistics(&self) -> Statistics {
        self.inner.statistics()
    }
}

/// Reading. No lock is taken, but for all values together, and for those with handles in them.
///
/// # Errors
///
/// All of these:
///
/// - [`is_closed`](procession_core::Error::is_closed): the manager that made it has ended.
/// - [`is_codec`](procession_core::Error::is_codec): a value can't be decoded.
/// - [`is_corrupted`](procession_core::Error::is_corrupted), [`is_forked`](procession_core::Error::is_forked).
/// - [`is_deadlock`](procession_core::Error::is_deadlock): where the lock is taken, in a closure of [`update`](List::update).
impl<T: Serialize + DeserializeOwned + 'static> List<T> {
    /// The value of this number, counted from 0. `None`: there are fewer.
    #[inline]
    pub fn get(&self, index: usize) -> Result<Option<T>> {
        with_buffers(|bytes, _| match self.inner.get(index, bytes)? {
            Some(shares) => decode(bytes, &shares).map(Some),
            None => Ok(None),
        })
    }

    /// All values as they were at one moment, in their order.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.inner.items()?.iter().map(|(bytes, shares)| decode(bytes, shares)).collect()
    }

    /// All values as they were at one moment, in their order, one by one.
    pub fn iter(&self) -> Result<std::vec::IntoIter<T>> {
        Ok(self.to_vec()?.into_iter())
    }
}

/// Changing, at once and wholly.
///
/// # Errors
///
/// All of these; nothing is changed then.
///
/// - [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
/// - [`is_deadlock`](procession_core::Error::is_deadlock): in a closure that changes this list.
/// - Those of [`get`](List::get). (What is taken or replaced and can't be decoded is gone nevertheless.)
impl<T: Serialize + DeserializeOwned + 'static> List<T> {
    /// Adds a value at the end.
    #[doc(alias = "append")]
    #[inline]
    pub fn push(&self, value: &T) -> Result<()> {
        with_buffers(|bytes, _| {
            let shares = encode(value, bytes)?;
            self.inner.push(bytes, &shares)
        })
    }

    /// Takes the value at the end. `None`: there is none.
    pub fn pop(&self) -> Result<Option<T>> {
        with_buffers(|bytes, _| match self.inner.pop(bytes)? {
            Some(shares) => decode(bytes, &shares).map(Some),
            None => Ok(None),
        })
    }

    /// Sets the value of this number: what it was before. `None`: there is no such number, and nothing is done.
    pub fn set(&self, index: usize, value: &T) -> Result<Option<T>> {
        with_buffers(|bytes, before| {
            let shares = encode(value, bytes)?;
            match self.inner.set(index, bytes, &shares, before)? {
                Some(shares) => decode(before, &shares).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Puts a value before the one of this number, or at the end. [`is_invalid_argument`](procession_core::Error::is_invalid_argument) if
    /// there are fewer.
    pub fn insert(&self, index: usize, value: &T) -> Result<()> {
        with_buffers(|bytes, _| {
            let shares = encode(value, bytes)?;
            self.inner.insert(index, bytes, &shares)
        })
    }

    /// Takes the value of this number; those behind it move up. `None`: there is no such number.
    pub fn remove(&self, index: usize) -> Result<Option<T>> {
        with_buffers(|bytes, _| match self.inner.remove(index, bytes)? {
            Some(shares) => decode(bytes, &shares).map(Some),
            None => Ok(None),
        })
    }

    /// Changes the value of this number, and gives what `f` gives. `None`: there is no such number.
    ///
    /// Nobody else changes the list meanwhile; who reads it sees what it was before until it's done. If `f` panics the value stays as it
    /// was, the panic goes on, and the list can be used.
    pub fn update<R>(&self, index: usize, f: impl FnOnce(&mut T) -> R) -> Result<Option<R>> {
        with_buffers(|bytes, _| {
            let Some(place) = self.inner.place(index)? else { return Ok(None) };
            let shares = place.get(bytes)?;
            let mut value = decode(bytes, &shares)?;
            let result = f(&mut value);
            bytes.clear();
            let shares = encode(&value, bytes)?;
            place.set(bytes, &shares)?;
            Ok(Some(result))
        })
    }

    /// Adds all of these at the end, at once: nobody sees some of them without the others.
    pub fn extend(&self, values: impl IntoIterator<Item = T>) -> Result<()> {
        let (mut bytes, mut encoded) = (Vec::new(), Vec::new());
        for value in values {
            let start = bytes.len();
            let shares = encode(&value, &mut bytes)?;
            encoded.push((start..bytes.len(), shares));
        }
        self.inner.extend(&encoded, &bytes)
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> List<T> {
        List { inner: self.inner.clone(), value: PhantomData }
    }
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<T> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::send(self.inner.share(), serializer)
    }
}

impl<'de, T> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let make = |share| Inner::from_share(share, signature::<T>());
        Ok(List { inner: travel::receive(deserializer, make)?, value: PhantomData })
    }
}
