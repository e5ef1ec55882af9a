//! This process's standard streams.

use crate::sys::spawn::Stream;
use rustix::{
    fd::{AsRawFd, BorrowedFd, OwnedFd},
    io::{fcntl_dupfd_cloexec, fcntl_getfd},
    stdio,
};

/// The descriptor, moved out of the way if it has the number of a standard stream: where a program closed one, its number is
/// given to the next descriptor that is opened.
pub(crate) fn above_stdio(fd: OwnedFd) -> rustix::io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { fcntl_dupfd_cloexec(&fd, 3) }
}

/// One of this process's own streams, 0 to 2; `Closed` if it is.
pub(crate) fn own(number: usize) -> Stream<'static> {
    // SAFETY: bounds: any number may be asked about. Aliasing: only a flag is read. Lifetime: standard streams are nobody's
    // to close; one that is closed all the same gives errors.
    let fd = unsafe { BorrowedFd::borrow_raw(number as i32) };
    if fcntl_getfd(fd).is_ok() { Stream::From(fd) } else { Stream::Closed }
}

/// Replaces one of them.
pub(crate) fn replace(number: usize, stream: Stream<'_>) -> rustix::io::Result<()> {
    match (number, stream) {
        (_, Stream::Keep) => Ok(()),
        (0, Stream::From(fd)) => stdio::dup2_stdin(fd),
        (1, Stream::From(fd)) => stdio::dup2_stdout(fd),
        (_, Stream::From(fd)) => stdio::dup2_stderr(fd),
        (number, Stream::Closed) => {
            // SAFETY: bounds: a number, which the kernel checks. Aliasing: the standard streams are used by number only.
            // Lifetime: who uses it later gets an error, as in any program that was started without it.
            unsafe { libc::close(number as i32) };
            Ok(())
        }
    }
}
