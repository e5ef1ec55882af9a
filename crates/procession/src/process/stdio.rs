//! What a new process's standard streams are.

use procession_core::{Error, ErrorKind, Result};
use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter},
    os::fd::OwnedFd,
    process::{ChildStderr, ChildStdin, ChildStdout},
};

/// What a standard stream of a new process is: like [`std::process::Stdio`], which can't be used here because it
/// doesn't show what it holds.
#[derive(Debug, Default)]
pub struct Stdio(Kind);

#[derive(Debug, Default)]
enum Kind {
    #[default]
    Inherit,
    Null,
    Piped,
    Fd(OwnedFd),
}

impl Stdio {
    /// The same as this process's.
    pub fn inherit() -> Stdio {
        Stdio(Kind::Inherit)
    }

    /// `/dev/null`.
    pub fn null() -> Stdio {
        Stdio(Kind::Null)
    }

    /// A pipe to this process: see [`Process::take_stdout`](crate::Process::take_stdout).
    pub fn piped() -> Stdio {
        Stdio(Kind::Piped)
    }

    /// What the child gets (`None`: it inherits), and this process's end of a pipe.
    pub(super) fn open(self, is_input: bool) -> Result<(Option<OwnedFd>, Option<OwnedFd>)> {
        let failed =
            |e: io::Error| Error::new(ErrorKind::System, format!("could not open a standard stream: {e}"));
        match self.0 {
            Kind::Inherit => Ok((None, None)),
            Kind::Fd(fd) => Ok((Some(fd), None)),
            Kind::Null => {
                let null = File::options().read(true).write(true).open("/dev/null").map_err(failed)?;
                Ok((Some(null.into()), None))
            }
            Kind::Piped => {
                let (reader, writer) = io::pipe().map_err(failed)?;
                let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
                Ok(if is_input { (Some(reader), Some(writer)) } else { (Some(writer), Some(reader)) })
            }
        }
    }
}

macro_rules! from {
    ($($type:ty),*) => {
        $(impl From<$type> for Stdio {
            fn from(stream: $type) -> Stdio {
                Stdio(Kind::Fd(stream.into()))
            }
        })*
    };
}

// What one process writes, another may read: a pipe, or what `take_stdout` and the like gave.
from!(OwnedFd, File, PipeReader, PipeWriter, ChildStdin, ChildStdout, ChildStderr);
