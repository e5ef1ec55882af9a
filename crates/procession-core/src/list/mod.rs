//! Lists: values of any size in an order, shared by any number of processes. `README.md` has the protocol and its kill table.
//!
//! A list has a lock, which who changes something takes; reading takes none. Its values are in leaves of some kilobytes, which a root
//! names in their order. A change is one store.

mod change;
mod dispose;
mod leaf;
#[allow(clippy::module_inception, reason = "the list itself")]
mod list;
mod locked;
mod record;
mod root;

pub use change::Place;
pub use list::{Item, List};
pub(crate) use record::ListRecord;

/// Tells lists with values of different types apart.
pub fn signature<T>() -> u64 {
    crate::objects::signature::<T>()
}
