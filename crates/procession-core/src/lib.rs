//! The engine room of [`procession`](https://docs.rs/procession): shared memory, waiting, membership, recovery after
//! deaths, and starting processes. Programs use that crate; this one knows bytes only, and promises no stability.
//!
//! Everything here follows nine laws (CONTRIBUTING.md), of which the first is: the word that takes a resource names its
//! owner, in one compare-and-swap. So whatever a process was doing when it was killed, the survivors can tell what it had.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("procession works on 64-bit Linux only: it needs futexes, memfd and pidfds");

mod arena;
mod atomic;
mod bytes;
mod error;
mod family;
mod members;
mod message;
mod recovery;
mod references;
mod ring;
mod sync;
mod sys;
mod variants;
mod wait;

#[cfg_attr(
    not(any(feature = "kill-points", loom)),
    allow(unused_macros, reason = "the points are empty then")
)]
pub mod kill_point;
pub mod list;
pub mod manager;
pub mod map;
pub mod objects;
pub mod pool;
pub mod select;
pub mod start;
pub mod stream;

pub use arena::{Audit, Handle};
pub use error::{Error, ErrorKind, Result};
pub use members::{Owner, SLOTS};
pub use references::{Parcel, Share};
pub use rustix::process::Signal;
pub use sys::clock::{Deadline, now};

/// Whether this process may use its family's objects. In a root this makes the family, if there is none yet.
///
/// # Errors
///
/// Not initialised, forked; and whatever keeps a new family from being made.
#[inline]
pub fn check() -> Result<()> {
    family::current().map(|_| ())
}

/// Who this process is in its family. For tests and for diagnosis.
///
/// # Errors
///
/// Those of [`check`].
pub fn me() -> Result<Owner> {
    Ok(family::current()?.arena.me())
}

/// Walks the whole arena and says what is there; see [`Audit`]. For tests and for diagnosis.
///
/// # Errors
///
/// Not initialised, forked.
pub fn audit() -> Result<Audit> {
    Ok(recovery::audit(&family::current()?.arena))
}

/// Frees what dead members held, now instead of when their slots are needed. For tests and for diagnosis.
///
/// # Errors
///
/// Not initialised, forked.
pub fn sweep() -> Result<()> {
    let arena = &family::current()?.arena;
    arena.follow_suspicion();
    recovery::sweep(arena);
    Ok(())
}
