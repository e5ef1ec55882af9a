//! Maps: entries of a key and a value, of any size, shared by any number of processes. `README.md` has the protocol and its kill
//! table.
//!
//! A map is a growing number of shards. Each has a lock, which who changes something takes, and a page with its entries, which anybody
//! reads without. A change is one store.

mod build;
mod cell;
mod dispose;
mod entry;
mod grow;
mod locked;
#[allow(clippy::module_inception, reason = "the map itself")]
mod map;
mod page;
mod record;
mod shape;
mod shard;
mod transaction;
mod watch;
mod whole;

pub(crate) use build::Load;
pub(crate) use cell::{Cell, NewCell, UNIT};
pub use entry::Entry;
pub use map::Map;
pub(crate) use page::Torn;
pub(crate) use record::MapRecord;
pub use transaction::{Change, Transaction};
pub use whole::Item;

use foldhash::quality::FixedState;
use std::hash::{BuildHasher, Hasher};

/// A key, and its hash in this map.
#[derive(Debug)]
pub(crate) struct Key<'k> {
    bytes: &'k [u8],
    whole: u64,
    /// What places it: the high half.
    hash: u32,
}

impl<'k> Key<'k> {
    #[inline]
    fn new(bytes: &'k [u8], seed: u64) -> Key<'k> {
        let mut hasher = FixedState::with_seed(seed).build_hasher();
        hasher.write(bytes);
        let whole = hasher.finish();
        Key { bytes, whole, hash: (whole >> 32) as u32 }
    }

    /// Of what is found otherwise.
    pub(crate) fn none() -> &'static Key<'static> {
        &Key { bytes: &[], whole: 0, hash: 0 }
    }
}

/// Tells maps with keys and values of different types apart.
pub fn signature<K, V>() -> u64 {
    crate::objects::signature::<(K, V)>()
}
