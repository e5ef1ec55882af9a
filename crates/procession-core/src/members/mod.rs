//! Membership: the process table, and who is alive. See `README.md` for the life cycle and its kill table.

mod owner;
mod slot;
mod table;

pub(crate) use owner::Tag;
pub use owner::{Owner, SLOTS};
pub(crate) use slot::{Slot, State};
pub(crate) use table::Table;
