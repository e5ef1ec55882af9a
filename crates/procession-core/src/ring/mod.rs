//! A ring of bytes between one producer and one consumer. `README.md` has the protocol and its kill table.
//!
//! The cursors (`cursor`) are checked in the model; the frames (`frame`) are bytes, checked when they are read.

mod cursor;
mod data;
mod frame;
mod spsc;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use cursor::Ring;
pub(crate) use data::Data;
pub(crate) use frame::{Frame, Frames};
pub(crate) use spsc::{Consumer, Producer, snapshot};
