//! Dictionaries.

pub(crate) mod bytes;
mod change;
mod view;
mod watch;
mod whole;

pub use view::View;

use crate::travel;
use bytes::{decode, encode_key, with_buffers};
use procession_core::{
    Result,
    map::{Map, signature},
    objects::Statistics,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use std::{borrow::Borrow, fmt, marker::PhantomData};

/// A dictionary that any number of processes share, each of whose operations is atomic.
///
/// Keys and values are `serde` values of any size; the values may have handles in them, also of other dictionaries. Looking up a key
/// takes no lock, unless its value has handles in it; what looks at many entries does. A handle is cheap to clone, and travels like
/// any other; the dictionary ends with the last of them.
///
/// Two keys are the same if they are encoded as the same bytes. A key can be looked up by what its type borrows as (a `String` by a
/// `&str`), as long as that's encoded likewise. What has no order of its own, as a `HashMap`, is no good key.
///
/// # Process death
///
/// A process that is killed in the middle of an operation has done it wholly or not at all, also a [`transaction`](Dict::transaction)
/// or [`clear`](Dict::clear), and nobody notices: what it had locked goes to the next who wants it.
///
/// A process that has been stopped in the middle of a change doesn't keep others from reading single values without handles, unless
/// it's just carrying out a transaction. Who wants all entries, a value with handles, or to change an entry of the same part of the
/// dictionary waits until it goes on.
///
/// # Deadlocks
///
/// While a closure of [`update`](Dict::update), [`retain`](Dict::retain) or [`transaction`](Dict::transaction) runs, its thread can read
/// single values without handles (what it reads is as it was before), but neither change the dictionary otherwise nor ask for all of it:
/// that is an error ([`is_deadlock`](procession_core::Error::is_deadlock)). Who changes one dictionary in the closure of another should
/// always do it in the same order, as with any locks; [`family::waits`](crate::family::waits) tells who waits for whom.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Dict, Process};
///
/// fn work(counts: Dict<String, i64>) {
///     counts.update("count", |n| *n -= 1).unwrap(); // no lock needed
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let counts = Dict::new()?;
///     counts.insert("count", &100)?;
///     let processes: Vec<_> =
///         (0..50).map(|_| Process::spawn(work, (counts.clone(),))).collect::<Result<_, _>>()?;
///     for process in processes {
///         process.join()?;
///     }
///     assert_eq!(counts.get("count")?, Some(50));
///     Ok(())
/// }
/// ```
#[doc(alias = "Namespace")]
pub struct Dict<K, V> {
    inner: Map,
    entry: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Dict<K, V> {
    /// A dictionary without entries.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](procession_core::Error::is_not_initialised),
    /// [`is_out_of_memory`](procession_core::Error::is_out_of_memory).
    pub fn new() -> Result<Dict<K, V>> {
        Ok(Dict { inner: Map::new(signature::<K, V>())?, entry: PhantomData })
    }

    /// How many entries there are, at one moment.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Dict::insert): while others change it, this takes the locks.
    pub fn len(&self) -> Result<usize> {
        self.inner.len()
    }

    /// Whether there are no entries.
    ///
    /// # Errors
    ///
    /// Those of [`len`](Dict::len).
    pub fn is_empty(&self) -> Result<bool> {
        self.inner.is_empty()
    }

    /// Removes all entries at once, and gives their memory back.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Dict::insert).
    pub fn clear(&self) -> Result<()> {
        self.inner.clear()
    }

    /// Who is changing it, and who waits for that.
    pub fn statistics(&self) -> Statistics {
        self.inner.statistics()
    }
}

/// Reading. No lock is taken, but for values with handles in them.
///
/// # Errors
///
/// All of these:
///
/// - [`is_closed`](procession_core::Error::is_closed): the manager that made it has ended.
/// - [`is_codec`](procession_core::Error::is_codec): the key can't be encoded, or has a handle in it; the value can't be decoded.
/// - [`is_corrupted`](procession_core::Error::is_corrupted), [`is_forked`](procession_core::Error::is_forked).
/// - [`is_deadlock`](procession_core::Error::is_deadlock): a value with handles, in a closure that changes this dictionary.
impl<K: Serialize + DeserializeOwned + 'static, V: Serialize + DeserializeOwned + 'static> Dict<K, V> {
    /// The key's value.
    #[inline]
    pub fn get<Q>(&self, key: &Q) -> Result<Option<V>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        with_buffers(|bytes, value| {
            encode_key(key, bytes)?;
            match self.inner.get(bytes, value)? {
                Some(shares) => decode(value, &shares).map(Some),
                None => Ok(None),
            }
        })
    }

    /// Whether there is such a key.
    #[inline]
    #[doc(alias = "contains_key")]
    pub fn contains<Q>(&self, key: &Q) -> Result<bool>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized,
    {
        with_buffers(|bytes, _| {
            encode_key(key, bytes)?;
            self.inner.contains(bytes)
        })
    }
}

impl<K, V> Clone for Dict<K, V> {
    fn clone(&self) -> Dict<K, V> {
        Dict { inner: self.inner.clone(), entry: PhantomData }
    }
}

impl<K, V> fmt::Debug for Dict<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<K, V> Serialize for Dict<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        travel::send(self.inner.share(), serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for Dict<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let make = |share| Map::from_share(share, signature::<K, V>());
        Ok(Dict { inner: travel::receive(deserializer, make)?, entry: PhantomData })
    }
}
