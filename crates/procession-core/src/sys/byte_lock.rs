//! One byte of a file, locked for as long as this process lives: the kernel's own word on who is alive.
//!
//! The lock is released by the kernel at the process's death, whatever kills it; a plain `fork` does not inherit it.
//! LMDB watches its readers in the same way. Like every POSIX record lock it is also released when the process closes
//! any descriptor of the file, so an unlocked byte alone does not prove a death (see `members::table`).

use rustix::fd::{AsRawFd, BorrowedFd};
use std::io;

fn request(byte: u64, kind: libc::c_int) -> libc::flock {
    libc::flock { l_type: kind as _, l_whence: libc::SEEK_SET as _, l_start: byte as _, l_len: 1, l_pid: 0 }
}

/// Locks the byte until this process ends.
pub(crate) fn hold(file: BorrowedFd<'_>, byte: u64) -> io::Result<()> {
    let lock = request(byte, libc::F_WRLCK);
    // SAFETY: bounds: the kernel reads one `flock`, which is ours. Aliasing: read only. Lifetime: for the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const lock) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether another process holds the byte. (The caller's own lock is not seen: a process knows that it lives.)
pub(crate) fn is_held(file: BorrowedFd<'_>, byte: u64) -> io::Result<bool> {
    let mut lock = request(byte, libc::F_WRLCK);
    // SAFETY: bounds: the kernel reads and writes one `flock`. Aliasing: exclusively ours. Lifetime: for the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) } {
        0 => Ok(lock.l_type != libc::F_UNLCK as libc::c_short),
        _ => Err(io::Error::last_os_error()),
    }
}
