//! Rings of bytes: between one producer and one consumer (`spsc`), or with any number on each side (`locked`). `README.md` has the
//! protocols and their kill table.
//!
//! The cursors (`cursor`) are checked in the model; the frames (`frame`) are bytes, checked when they are read.

mod cursor;
mod data;
mod frame;
mod held;
mod locked;
mod progress;
mod spsc;
#[cfg(all(test, not(loom)))]
mod tests;

pub(crate) use cursor::Ring;
pub(crate) use data::Data;
pub(crate) use frame::{FRAME_HEADER, Frame, Frames, SKIP, cut_off, frame_space, header, parse_header};
pub(crate) use held::{Consuming, Producing};
pub(crate) use locked::LockedRing;
pub(crate) use progress::Load;
pub(crate) use spsc::{Consumer, Producer, snapshot};
