//! The token: how a new process learns that it is one, and of what family. One environment variable.

use crate::{arena::Handle, members::Owner};
use rustix::{
    fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    fs::{FileType, fstat},
    io::{FdFlags, fcntl_getfd, fcntl_setfd},
};
use std::ffi::OsStr;

/// The environment variable. It stays set in a member, and so reaches programs that the member starts by other means;
/// they hold none of the descriptors, and the inode tells them so.
const VARIABLE: &str = "PROCESSION_CHILD";

/// How many families may be nested in each other (a member that starts a program that is the root of a family of its
/// own). A chain longer than this is a program that starts itself over and over.
pub(crate) const MAX_DEPTH: u32 = 16;

/// What a new process must know to find its family.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) arena: i32,
    /// The arena file's inode: tells a real token from one that was left in the environment.
    pub(crate) inode: u64,
    pub(crate) lifeline: i32,
    /// The real standard output, where the test harness's is turned away until `init()`.
    pub(crate) stdout: Option<i32>,
    pub(crate) member: Owner,
    pub(crate) call: Handle,
    pub(crate) depth: u32,
    /// The starter's process id: a child of that process is meant, whatever has become of the descriptors.
    pub(crate) starter: u32,
}

impl Token {
    pub(crate) fn new(arena: BorrowedFd<'_>, lifeline: BorrowedFd<'_>, member: Owner, call: Handle) -> Token {
        let inode = fstat(arena).map_or(0, |stat| stat.st_ino);
        let (arena, lifeline) = (arena.as_raw_fd(), lifeline.as_raw_fd());
        Token { arena, inode, lifeline, stdout: None, member, call, depth: 0, starter: std::process::id() }
    }

    /// As a line for the environment.
    pub(crate) fn to_variable(&self) -> String {
        format!(
            "{VARIABLE}=1:{}:{}:{}:{}:{}:{}:{}:{}:{}",
            self.arena,
            self.inode,
            self.lifeline,
            self.stdout.unwrap_or(-1),
            self.member.to_bits(),
            self.call.offset,
            self.call.generation,
            self.depth,
            self.starter,
        )
    }

    /// Whether a line of the environment is a token.
    pub(crate) fn is_variable(name: &OsStr) -> bool {
        name == VARIABLE
    }

    /// The token in this process's environment, whether or not it's meant for this process.
    pub(crate) fn from_environment() -> Option<Token> {
        Token::parse(&std::env::var(VARIABLE).ok()?)
    }

    fn parse(text: &str) -> Option<Token> {
        let mut fields = text.split(':');
        if fields.next()? != "1" {
            return None;
        }
        let token = Token {
            arena: fields.next()?.parse().ok()?,
            inode: fields.next()?.parse().ok()?,
            lifeline: fields.next()?.parse().ok()?,
            stdout: fields.next()?.parse().ok().filter(|fd| *fd >= 0),
            member: Owner::from_bits(fields.next()?.parse().ok()?)?,
            call: Handle { offset: fields.next()?.parse().ok()?, generation: fields.next()?.parse().ok()? },
            depth: fields.next()?.parse().ok()?,
            starter: fields.next()?.parse().ok()?,
        };
        fields.next().is_none().then_some(token)
    }

    /// Whether this process was started with the token, and by nobody else's environment.
    pub(crate) fn is_from_parent(&self) -> bool {
        rustix::process::getppid().is_some_and(|parent| parent.as_raw_nonzero().get() as u32 == self.starter)
    }

    /// Takes the descriptors that the token names, if it's meant for this process: they must be there, inheritable, and
    /// the first must be the arena.
    pub(crate) fn claim(&self) -> Option<Inherited> {
        let numbers = [Some(self.arena), Some(self.lifeline), self.stdout];
        for fd in numbers.into_iter().flatten() {
            // A member's own descriptors are close-on-exec; only a starter hands on an inheritable one.
            let is_inheritable = fd > 2 && borrowed(fd, |fd| fcntl_getfd(fd)).is_ok_and(|f| f.is_empty());
            if !is_inheritable {
                return None;
            }
        }
        let stat = borrowed(self.arena, |fd| fstat(fd)).ok()?;
        if stat.st_ino != self.inode || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let [arena, lifeline, stdout] = numbers.map(|number| {
            number.map(|fd| {
                let _ = borrowed(fd, |fd| fcntl_setfd(fd, FdFlags::CLOEXEC));
                // SAFETY: bounds: an open descriptor, checked above. Aliasing: the starter opened it in this process for
                // this token alone, and close-on-exec, just set, means that it is claimed only once. Lifetime: owned from
                // here on.
                unsafe { OwnedFd::from_raw_fd(fd) }
            })
        });
        Some(Inherited { arena: arena?, lifeline: lifeline?, stdout })
    }
}

/// The descriptors of a new process.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) arena: OwnedFd,
    pub(crate) lifeline: OwnedFd,
    pub(crate) stdout: Option<OwnedFd>,
}

fn borrowed<R>(fd: i32, f: impl FnOnce(BorrowedFd<'_>) -> R) -> R {
    // SAFETY: bounds: any number may be asked about; the kernel says EBADF to a closed one. Aliasing: only flags are
    // read or set. Lifetime: for the call.
    f(unsafe { BorrowedFd::borrow_raw(fd) })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_environment() {
        let token = Token {
            arena: 5,
            inode: 77,
            lifeline: 6,
            stdout: Some(9),
            member: Owner::new(3, 8).unwrap(),
            call: Handle { offset: 4096, generation: 12 },
            depth: 2,
            starter: 31,
        };
        let line = token.to_variable();
        let (name, value) = line.split_once('=').unwrap();
        assert!(Token::is_variable(OsStr::new(name)));
        assert_eq!(Token::parse(value), Some(token));
        for end in 0..value.len() - 1 {
            let parsed = Token::parse(&value[..end]);
            assert!(parsed.is_none(), "cut to {:?}", &value[..end]);
        }
    }

    #[test]
    fn a_token_that_was_left_in_the_environment_is_nobodys() {
        let token = Token::parse("1:900:77:901:-1:12884901896:4096:12:0:31").unwrap();
        assert!(token.claim().is_none());
    }
}
