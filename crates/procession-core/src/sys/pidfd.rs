//! A process by descriptor: no other process can take its place, as can happen to a number.

use crate::sys::clock::Deadline;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fd::{AsFd, BorrowedFd, OwnedFd},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid},
};

/// How a process ended, as the kernel tells its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exited(i32),
    Signalled {
        signal: i32,
        core: bool,
    },
    /// Reaped by somebody else, or by the kernel because SIGCHLD is ignored.
    Unknown,
}

/// An open process descriptor; none for a child that was reaped by somebody else before it could be opened, and so has
/// certainly ended.
#[derive(Debug)]
pub(crate) struct Pidfd(Option<OwnedFd>);

impl Pidfd {
    /// Of any process.
    pub(crate) fn open(pid: u32) -> rustix::io::Result<Pidfd> {
        let pid = Pid::from_raw(pid as i32).ok_or(Errno::SRCH)?;
        pidfd_open(pid, PidfdFlags::empty()).map(|fd| Pidfd(Some(fd)))
    }

    /// Of a child that this process has just started.
    pub(crate) fn of_child(pid: u32) -> rustix::io::Result<Pidfd> {
        let pidfd = match Pidfd::open(pid) {
            Err(Errno::SRCH) => return Ok(Pidfd(None)),
            pidfd => pidfd?,
        };
        // If it was reaped already, the number may be a stranger's by now: then this isn't our child.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match pidfd.0.as_ref().map(|fd| waitid(WaitId::PidFd(fd.as_fd()), look)) {
            Some(Err(Errno::CHILD)) => Ok(Pidfd(None)),
            _ => Ok(pidfd),
        }
    }

    /// One that was handed to this process; none where there was none to hand on.
    pub(crate) fn of_another(fd: Option<OwnedFd>) -> Pidfd {
        Pidfd(fd)
    }

    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(|fd| fd.as_fd())
    }

    /// Sends a signal; nothing happens if it has ended, which is what a signal is for.
    pub(crate) fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        match self.0.as_ref().map_or(Ok(()), |fd| pidfd_send_signal(fd, signal)) {
            Err(Errno::SRCH) => Ok(()),
            sent => sent,
        }
    }

    /// Waits until the process has ended; false when the deadline came first.
    pub(crate) fn wait_ended(&self, deadline: Deadline) -> bool {
        let Some(fd) = &self.0 else { return true };
        loop {
            let time = deadline.timespec_left();
            let mut set = [PollFd::new(fd, PollFlags::IN)];
            match poll(&mut set, time.as_ref()) {
                Ok(0) if deadline.has_passed() => return false,
                Ok(0) | Err(Errno::INTR | Errno::NOMEM) => {}
                Ok(_) => return true,
                // Nothing else can happen to a descriptor that we own.
                Err(_) => return true,
            }
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.wait_ended(Deadline::PASSED)
    }

    /// How a child ended, if it has. Its number is nobody else's until it's reaped.
    pub(crate) fn status(&self) -> Option<Ended> {
        let Some(fd) = self.fd() else { return Some(Ended::Unknown) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            return match waitid(WaitId::PidFd(fd), options) {
                Ok(None) => None,
                Ok(Some(status)) => Some(match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Ended::Exited(code),
                    (_, Some(signal)) => Ended::Signalled { signal, core: status.dumped() },
                    _ => Ended::Unknown,
                }),
                Err(Errno::INTR) => continue,
                // ECHILD: somebody else reaped it, or it reaps itself; it may still be running in the latter case.
                Err(_) => self.has_ended().then_some(Ended::Unknown),
            };
        }
    }

    /// Lets the kernel forget a child that has ended.
    pub(crate) fn reap(&self) {
        if let Some(fd) = self.fd() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            while matches!(waitid(WaitId::PidFd(fd), options), Err(Errno::INTR)) {}
        }
    }
}
