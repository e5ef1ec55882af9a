//! What the kernel and the C library offer without types, wrapped: each file has one facility, and knows nothing of families.

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
