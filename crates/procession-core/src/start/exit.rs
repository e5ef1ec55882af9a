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
    /// As a word: never 0.
    ///
    /// | bits | meaning |
    /// |---|---|
    /// | 0 | always set |
    /// | 1, 2 | `attached`, `overdue` |
    /// | 3, 4 | there is an exit code, a signal |
    /// | 5 | a core was left |
    /// | 32..64 | the code or signal |
    pub fn to_bits(self) -> u64 {
        let ExitStatus { code, signal, core } = self.status;
        let flags = [true, self.attached, self.overdue, code.is_some(), signal.is_some(), core];
        let flags = flags.iter().enumerate().fold(0, |bits, (i, flag)| bits | u64::from(*flag) << i);
        flags | u64::from(code.or(signal).unwrap_or(0) as u32) << 32
    }

    /// What the number stands for; nothing for 0.
    pub fn from_bits(bits: u64) -> Option<Exit> {
        let flag = |i: u32| bits >> i & 1 != 0;
        let value = (bits >> 32) as i32;
        let status = ExitStatus {
            code: flag(3).then_some(value),
            signal: (flag(4) && !flag(3)).then_some(value),
            core: flag(5),
        };
        flag(0).then_some(Exit { status, attached: flag(1), overdue: flag(2) })
    }

    /// Whether the program itself is at fault: it ended, or did not come to `init()` in time, without anybody's doing.
    /// A process that a signal ended before it got there says nothing about the program.
    pub fn is_failed_start(&self) -> bool {
        !self.attached && (self.overdue || self.status.signal().is_none())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_exit_survives_its_word() {
        let signalled = |signal, core| ExitStatus::new(Ended::Signalled { signal, core });
        for status in [
            ExitStatus::exited(0),
            ExitStatus::exited(255),
            signalled(9, false),
            signalled(11, true),
            ExitStatus::new(Ended::Unknown),
        ] {
            for (attached, overdue) in [(false, false), (true, false), (false, true)] {
                let exit = Exit { status, attached, overdue };
                assert_eq!(Exit::from_bits(exit.to_bits()), Some(exit));
            }
        }
        assert_eq!(Exit::from_bits(0), None);
    }
}
