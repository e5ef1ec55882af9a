//! Which processors a thread may run on.

use std::io;

/// A set of the first 1024 processors: bit `n % 64` of word `n / 64`.
pub(crate) type Processors = [u64; 16];

/// The calling thread's; fails on a machine with more processors than that.
pub(crate) fn current() -> io::Result<Processors> {
    let mut set: Processors = [0; 16];
    // SAFETY: bounds: the kernel writes at most the length that it's told. Aliasing: ours alone. Lifetime: for the call.
    match unsafe { libc::sched_getaffinity(0, size_of::<Processors>(), set.as_mut_ptr().cast()) } {
        0 => Ok(set),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Restricts the calling thread to the set.
pub(crate) fn set(set: &Processors) -> io::Result<()> {
    // SAFETY: bounds: the kernel reads the length that it's told. Aliasing: read only. Lifetime: for the call.
    match unsafe { libc::sched_setaffinity(0, size_of::<Processors>(), set.as_ptr().cast()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
