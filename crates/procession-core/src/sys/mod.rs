//! What the kernel offers, wrapped: one facility in each file, which knows nothing of families.

pub(crate) mod affinity;
pub(crate) mod barrier;
pub(crate) mod byte_lock;
pub(crate) mod clock;
pub(crate) mod clone;
pub(crate) mod environment;
pub(crate) mod futex;
pub(crate) mod identity;
pub(crate) mod image;
pub(crate) mod lifeline;
pub(crate) mod mapping;
pub(crate) mod pidfd;
pub(crate) mod register;
pub(crate) mod scheduling;
pub(crate) mod sentinel;
pub(crate) mod signals;
pub(crate) mod socket;
pub(crate) mod spawn;
pub(crate) mod status;
pub(crate) mod stdio;
