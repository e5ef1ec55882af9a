//! The only place with raw system calls. Each file wraps one kernel facility, safely, and knows nothing of the library.

pub(crate) mod barrier;
pub(crate) mod byte_lock;
pub(crate) mod clock;
pub(crate) mod futex;
pub(crate) mod image;
pub(crate) mod lifeline;
pub(crate) mod mapping;
pub(crate) mod pidfd;
pub(crate) mod sentinel;
pub(crate) mod spawn;
