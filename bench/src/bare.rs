//! The least that a forkserver can be, for comparison: a copy of this program, executed once, with one thread, that forks
//! when it's told to, waits for the child and reports its status. It hands on no descriptors, directory or environment, and
//! no value comes back; it shares no memory with anybody.

use crate::measure::Result;
use std::{
    io::{Read, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Child, Command},
};

/// With this argument the program is the server.
pub(crate) const SERVER: &str = "bare-server";

/// What each child exits with.
const STATUS: u8 = 42;

/// The handle of the server.
pub(crate) struct Bare {
    socket: UnixStream,
    server: Child,
}

impl Bare {
    pub(crate) fn start() -> Result<Bare> {
        let (socket, theirs) = UnixStream::pair()?;
        let server =
            Command::new(std::env::current_exe()?).arg(SERVER).stdin(OwnedFd::from(theirs)).spawn()?;
        Ok(Bare { socket, server })
    }

    /// Has so many processes started; their ends are reported one by one.
    pub(crate) fn ask(&mut self, count: usize) -> Result<()> {
        Ok(self.socket.write_all(&vec![0; count])?)
    }

    /// The status of one that has ended.
    pub(crate) fn report(&mut self) -> Result<u8> {
        let mut status = [0];
        self.socket.read_exact(&mut status)?;
        Ok(status[0])
    }

    pub(crate) fn start_and_join(&mut self) -> Result<()> {
        self.ask(1)?;
        crate::measure::same(self.report()?, STATUS)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The server: ends with its socket, which is its standard input.
pub(crate) fn serve() {
    // SAFETY: bounds: descriptor 0 is the socket that this process was started with. Aliasing: nobody else uses it.
    // Lifetime: owned from here on.
    let mut socket = UnixStream::from(unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(0) });
    let mut running = 0_usize;
    let mut orders = [0; 64];
    loop {
        let mut set = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: bounds: one record, which is ours. Aliasing: ours alone. Lifetime: for the call.
        let has_orders = running == 0 || unsafe { libc::poll(&raw mut set, 1, 0) } == 1;
        if has_orders {
            let Ok(count @ 1..) = socket.read(&mut orders) else { return };
            for _ in 0..count {
                // SAFETY: bounds: no memory is passed. Aliasing: the child has its own. Lifetime: this process has one
                // thread, and the child exits at once.
                if unsafe { libc::fork() } == 0 {
                    // SAFETY: as above.
                    unsafe { libc::_exit(STATUS.into()) };
                }
            }
            running += count;
        }
        let mut options = if has_orders && running > 1 { libc::WNOHANG } else { 0 };
        loop {
            let mut status = 0;
            // SAFETY: bounds: one number is written, which is ours. Aliasing: ours alone. Lifetime: for the call.
            if running == 0 || unsafe { libc::waitpid(-1, &raw mut status, options) } <= 0 {
                break;
            }
            running -= 1;
            if socket.write_all(&[libc::WEXITSTATUS(status) as u8]).is_err() {
                return;
            }
            options = libc::WNOHANG;
        }
    }
}
