//! The lifeline: a pipe whose write end only the root holds. When the root is gone, however it ended, the kernel sends
//! SIGKILL to every process that armed its read end.
//!
//! `F_SETSIG` chooses the signal that an asynchronous descriptor raises, and a pipe raises it when its last writer goes.
//! So a child needs no thread for this, and one busy in user code ends as fast as an idle one. `PR_SET_PDEATHSIG` would
//! follow the *thread* that started the child. Where the kernel refuses, a thread polls the pipe instead.

use crate::sys::stdio::above_stdio;
use rustix::{
    event::{PollFd, PollFlags, poll},
    fd::{AsRawFd, OwnedFd},
    fs::{Mode, OFlags, open},
};
use std::{ffi::CString, io, time::Duration};

/// Creates the pipe: the end that children inherit, and the end that keeps them alive.
pub(crate) fn create() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((above_stdio(reader)?, above_stdio(writer)?))
}

/// The end that is inherited.
#[derive(Debug)]
pub(crate) struct Lifeline {
    inherited: OwnedFd,
    path: CString,
}

/// An end that a process can have for itself. Whom a signal goes to belongs to the open file, which all children share; so
/// the pipe is opened anew.
#[derive(Debug)]
pub(crate) struct Own(OwnedFd);

impl Lifeline {
    pub(crate) fn new(inherited: OwnedFd) -> Lifeline {
        let path = CString::new(format!("/proc/self/fd/{}", inherited.as_raw_fd())).expect("no nul byte");
        Lifeline { inherited, path }
    }

    /// Opens an end: for this process, or for a fork of it that keeps the value.
    pub(crate) fn open(&self) -> io::Result<Own> {
        let own = open(&*self.path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        let own = above_stdio(own)?;
        control(&own, F_SETSIG, libc::SIGKILL)?;
        control(&own, libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK)?;
        Ok(Own(own))
    }
}

impl Own {
    /// Ties this process's life to the root's, for as long as the end is open.
    pub(crate) fn arm(&self) -> io::Result<()> {
        control(&self.0, libc::F_SETOWN, std::process::id() as libc::c_int)?;
        // The root may have ended before that.
        if is_cut(&self.0, Duration::ZERO) {
            end_now();
        }
        Ok(())
    }
}

/// Ties this process's life to the root's, for ever.
pub(crate) fn arm(lifeline: Lifeline) -> io::Result<()> {
    let armed = lifeline.open().and_then(|own| own.arm().map(|()| own));
    if let Ok(own) = armed {
        std::mem::forget(own);
        return Ok(());
    }
    let watched = lifeline.inherited;
    std::thread::Builder::new().name("procession-lifeline".into()).stack_size(64 << 10).spawn(move || {
        while !is_cut(&watched, Duration::from_secs(3600)) {}
        end_now();
    })?;
    Ok(())
}

const F_SETSIG: libc::c_int = 10;

fn control(own: &OwnedFd, command: libc::c_int, argument: libc::c_int) -> io::Result<()> {
    // SAFETY: bounds: these commands take an integer. Aliasing, lifetime: no memory is passed.
    match unsafe { libc::fcntl(own.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn is_cut(pipe: &OwnedFd, timeout: Duration) -> bool {
    let time = rustix::time::Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: 0 };
    let mut set = [PollFd::new(pipe, PollFlags::IN)];
    matches!(poll(&mut set, Some(&time)), Ok(1)) && set[0].revents().contains(PollFlags::HUP)
}

fn end_now() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}
