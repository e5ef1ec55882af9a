//! How a process ended.

use crate::sys::pidfd::Ended;
use std::fmt;

/// The exit status of a process: an exit code, a signal, or unknown.
///
/// Unknown means that the process has certainly ended, but something else took its status: the program ignores SIGCHLD,
/// or another part of it waits for any child.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExitStatus {
    code: Option<i32>,
    signal: Option<i32>,
    core: bool,
}

impl ExitStatus {
    /// A process that exited by itself with `code`.
    pub fn exited(code: i32) -> ExitStatus {
        ExitStatus { code: Some(code), signal: None, core: false }
    }

    /// Whether it exited by itself with code 0.
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// The code that it exited with, unless a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.code
    }

    /// The signal that ended it, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.signal
    }

    /// Whether it left a core file.
    pub fn core_dumped(&self) -> bool {
        self.core
    }

    pub(crate) fn new(ended: Ended) -> ExitStatus {
        match ended {
            Ended::Exited(code) => ExitStatus::exited(code),
            Ended::Signalled { signal, core } => ExitStatus { code: None, signal: Some(signal), core },
            Ended::Unknown => ExitStatus { code: None, signal: None, core: false },
        }
    }
}

fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return None,
    })
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => match signal_name(signal) {
                Some(name) => write!(f, "signal {signal} ({name})"),
                None => write!(f, "signal {signal}"),
            },
            (None, None) => f.write_str("unknown exit status"),
        }
    }
}

impl fmt::Debug for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExitStatus({self})")
    }
}

/// The end of a process that was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// What the kernel says.
    pub status: ExitStatus,
    /// Whether it had become a member of the family: it reached `init()`.
    pub attached: bool,
    /// Whether it was killed because it did not reach `init()` in time.
    pub overdue: bool,
}

impl Exit {
    /// Whether the program itself is at fault: it ended, or did not come to `init()` in time, without anybody's doing.
    /// A process that a signal ended before it got there says nothing about the program.
    pub fn is_failed_start(&self) -> bool {
        !self.attached && (self.overdue || self.status.signal().is_none())
    }
}
