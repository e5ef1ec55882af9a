//! Each of two processes on a processor of its own. Left alone the scheduler now and then puts both on one, and then nothing is
//! measured but how soon it takes turns.

use crate::measure::Result;
use std::{io, mem};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    First,
    Second,
}

/// While this is there, this thread stays on the processor of its side.
pub(crate) struct Pinned {
    before: libc::cpu_set_t,
}

impl Pinned {
    /// The first and the last of those that may be used: neighbours are often two halves of one.
    pub(crate) fn to(side: Side) -> Result<Pinned> {
        // SAFETY: bounds: a value of ours. Aliasing: ours alone. Lifetime: for the call; zeroes are an empty set.
        let mut before: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: bounds: so many bytes are written, which are ours. Aliasing: ours alone. Lifetime: for the call.
        let code = unsafe { libc::sched_getaffinity(0, size_of_val(&before), &raw mut before) };
        if code != 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: bounds: the numbers are within the set. Aliasing: ours alone. Lifetime: for the call.
        let mut usable = (0..libc::CPU_SETSIZE as usize).filter(|n| unsafe { libc::CPU_ISSET(*n, &before) });
        let chosen = match side {
            Side::First => usable.next(),
            Side::Second => usable.next_back(),
        };
        // SAFETY: bounds: a value of ours. Aliasing: ours alone. Lifetime: for the call; zeroes are an empty set.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: bounds: the number is within the set. Aliasing: ours alone. Lifetime: for the call.
        unsafe { libc::CPU_SET(chosen.ok_or("no processor")?, &mut set) };
        put(&set)?;
        Ok(Pinned { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = put(&self.before);
    }
}

fn put(set: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: bounds: so many bytes are read. Aliasing: only read. Lifetime: for the call.
    match unsafe { libc::sched_setaffinity(0, size_of_val(set), set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
