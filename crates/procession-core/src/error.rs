//! The one error of this crate and of `procession`: opaque, cloneable, with predicates.

use crate::variants::with_all;
use std::{fmt, io, sync::Arc};

with_all! {
    /// What kind of thing went wrong. Not part of `procession`'s public face, which offers predicates instead.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[non_exhaustive]
    #[repr(u8)]
    pub enum ErrorKind {
        /// The program did not call `init()` before it used the library.
        NotInitialised,
        /// This process is a plain `fork` of a member, and so is no member itself.
        Forked,
        /// Shared memory holds something that no correct member can have written.
        Corrupted,
        /// The arena cannot grow.
        OutOfMemory,
        /// The platform lacks something that this operation needs.
        Unsupported,
        /// A deadline passed.
        TimedOut,
        /// The object was closed, terminated or freed.
        Closed,
        /// An argument that can never work.
        InvalidArgument,
        /// A process could not be started.
        StartFailed,
        /// The other side runs another build of the program.
        ForeignBuild,
        /// A value could not be encoded or decoded.
        Codec,
        /// A system call failed for a reason that has no kind of its own.
        System,
        /// A task did not give its value.
        TaskFailed,
        /// A thread would wait for itself.
        WouldDeadlock,
        /// Something was released that wasn't held.
        NotHeld,
        /// A barrier was broken.
        BrokenBarrier,
        /// Who held a lock died or panicked.
        Poisoned,
        /// Nobody has the other side of a channel.
        Disconnected,
        /// Tasks were not finished by any of the consumers that had them.
        Lost,
        /// The manager that made the object was shut down.
        ShutDown,
    }
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<io::Error>,
}

/// What can go wrong in this library, except for what has a type of its own (`TaskError`, channel errors).
///
/// One word wide and cheap to clone. The message says what was attempted and what to do about it; the predicates tell
/// apart what a program can act on.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

/// A result with this library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of the given kind.
    #[doc(hidden)]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error(Arc::new(Inner { kind, message: message.into(), source: None }))
    }

    /// A failed system call; `attempt` says what for.
    pub(crate) fn system(attempt: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error::caused(ErrorKind::System, attempt, source)
    }

    /// The same, of a system call without which no process can be started.
    pub(crate) fn start_failed(attempt: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error::caused(ErrorKind::StartFailed, attempt, source)
    }

    fn caused(kind: ErrorKind, attempt: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Error(Arc::new(Inner { kind, message: attempt.into(), source: Some(source.into()) }))
    }

    /// Shared memory that no correct member can have written.
    pub(crate) fn corrupted(what: impl fmt::Display) -> Self {
        Error::new(ErrorKind::Corrupted, format!("shared memory is corrupted: {what}"))
    }

    /// Appends the error's kind and text to bytes that travel to another process.
    #[doc(hidden)]
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.0.kind as u8);
        out.extend_from_slice(self.to_string().as_bytes());
    }

    /// The error that `encode` wrote; the cause has become part of the text.
    #[doc(hidden)]
    pub fn decode(bytes: &[u8]) -> Error {
        let parts = bytes.split_first();
        match parts.and_then(|(kind, text)| Some((ErrorKind::ALL.get(*kind as usize)?, text))) {
            Some((kind, text)) => Error::new(*kind, String::from_utf8_lossy(text)),
            None => Error::corrupted("an error of an unknown kind"),
        }
    }

    /// The kind of this error.
    #[doc(hidden)]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the program forgot to call `init()`.
    pub fn is_not_initialised(&self) -> bool {
        self.0.kind == ErrorKind::NotInitialised
    }

    /// Whether this process is a plain `fork` of a member, which may not use the member's objects.
    pub fn is_forked(&self) -> bool {
        self.0.kind == ErrorKind::Forked
    }

    /// Whether shared memory was found to hold impossible values.
    pub fn is_corrupted(&self) -> bool {
        self.0.kind == ErrorKind::Corrupted
    }

    /// Whether the arena could not grow. Nothing was lost; the operation did not happen.
    pub fn is_out_of_memory(&self) -> bool {
        self.0.kind == ErrorKind::OutOfMemory
    }

    /// Whether the platform lacks what the operation needs.
    pub fn is_unsupported(&self) -> bool {
        self.0.kind == ErrorKind::Unsupported
    }

    /// Whether a task ran longer than it may. (Waiting with a timeout isn't an error when that passes: it gives `None` or `false`.)
    pub fn is_timeout(&self) -> bool {
        self.0.kind == ErrorKind::TimedOut
    }

    /// Whether the object was closed, terminated or freed before, or ended with the manager that made it.
    pub fn is_closed(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Closed | ErrorKind::ShutDown)
    }

    /// Whether an argument was one that can never work.
    pub fn is_invalid_argument(&self) -> bool {
        self.0.kind == ErrorKind::InvalidArgument
    }

    /// Whether a process could not be started, or ended before it reached `init()`.
    pub fn is_start_failed(&self) -> bool {
        self.0.kind == ErrorKind::StartFailed
    }

    /// Whether a task or a process did not give its value: a `TaskError` that `?` made into this.
    pub fn is_task_failed(&self) -> bool {
        matches!(self.0.kind, ErrorKind::TaskFailed | ErrorKind::TimedOut)
    }

    /// Whether the thread asked for a lock that it has already, and would have waited for itself.
    pub fn is_deadlock(&self) -> bool {
        self.0.kind == ErrorKind::WouldDeadlock
    }

    /// Whether something was released that nobody held: a semaphore, too often.
    pub fn is_not_held(&self) -> bool {
        self.0.kind == ErrorKind::NotHeld
    }

    /// Whether a barrier was broken, while one waited there or before.
    #[doc(alias = "BrokenBarrierError")]
    pub fn is_broken_barrier(&self) -> bool {
        self.0.kind == ErrorKind::BrokenBarrier
    }

    /// Whether who held a lock before died or panicked, so that what it protects may be half changed.
    pub fn is_poisoned(&self) -> bool {
        self.0.kind == ErrorKind::Poisoned
    }

    /// Whether nobody has the other side of a channel any more.
    pub fn is_disconnected(&self) -> bool {
        self.0.kind == ErrorKind::Disconnected
    }

    /// Whether items of a joinable queue were lost: the consumers that had them died.
    pub fn is_lost(&self) -> bool {
        self.0.kind == ErrorKind::Lost
    }

    /// Whether a value could not be encoded or decoded.
    #[doc(alias = "PicklingError")]
    pub fn is_codec(&self) -> bool {
        self.0.kind == ErrorKind::Codec
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?}: {self})", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_wide_and_tells_the_cause() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        let e = Error::system("could not map the arena", io::Error::from_raw_os_error(12));
        assert!(e.to_string().starts_with("could not map the arena: "));
        assert!(std::error::Error::source(&e).is_some());
    }

    #[test]
    fn travels_between_processes() {
        for (i, kind) in ErrorKind::ALL.iter().copied().enumerate() {
            assert_eq!(kind as usize, i);
            let mut bytes = Vec::new();
            Error::new(kind, "what happened").encode(&mut bytes);
            let e = Error::decode(&bytes);
            assert_eq!((e.kind(), e.to_string()), (kind, "what happened".to_string()));
        }
        assert!(Error::decode(&[]).is_corrupted() && Error::decode(&[77]).is_corrupted());
    }
}
