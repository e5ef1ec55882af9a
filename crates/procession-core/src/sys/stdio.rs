//! This process's standard streams.

use crate::sys::spawn::Stream;
use rustix::{fd::BorrowedFd, io::fcntl_getfd, stdio};

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
