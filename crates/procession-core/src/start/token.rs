//! The token: how a new process learns that it is one, and of what family. One environment variable.

use crate::{arena::Handle, members::Owner, sys::spawn::FIRST};
use rustix::{
    fd::{BorrowedFd, FromRawFd, OwnedFd},
    fs::{FileType, fstat},
    io::{FdFlags, fcntl_getfd, fcntl_setfd},
};
use std::ffi::OsStr;

/// The environment variable. It stays set in a member, and so reaches programs that the member starts by other means;
/// they hold none of the descriptors, and the inode tells them so.
pub(super) const VARIABLE: &str = "PROCESSION_CHILD";

/// How many families may be nested in each other (a member that starts a program that is the root of a family of its
/// own). A chain longer than this is a program that starts itself over and over.
pub(crate) const MAX_DEPTH: u32 = 16;

/// What a new process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// To join the family as `owner` and run the call.
    Member { owner: Owner, call: Handle },
    /// To be the forkserver.
    Server,
}

/// What a new process must know to find its family.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// The arena file's inode: tells a real token from one that was left in the environment.
    inode: u64,
    /// How many descriptors go with it, from `spawn::FIRST` on.
    descriptors: usize,
    pub(crate) role: Role,
    pub(crate) depth: u32,
    /// The starter's process id: a child of that process is meant, whatever has become of the descriptors.
    starter: u32,
}

impl Token {
    /// For a child of this process that inherits so many descriptors, the first of which is the arena.
    pub(crate) fn new(arena: BorrowedFd<'_>, descriptors: usize, role: Role, depth: u32) -> Token {
        let inode = fstat(arena).map_or(0, |stat| stat.st_ino);
        Token { inode, descriptors, role, depth, starter: std::process::id() }
    }

    /// As a line for the environment.
    pub(crate) fn to_variable(&self) -> String {
        let (owner, call) = match self.role {
            Role::Member { owner, call } => (owner.to_bits(), call),
            Role::Server => (Owner::NOBODY, Handle { offset: 0, generation: 0 }),
        };
        let Handle { offset, generation } = call;
        format!(
            "{VARIABLE}=2:{}:{}:{owner}:{offset}:{generation}:{}:{}",
            self.inode, self.descriptors, self.depth, self.starter,
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

    pub(super) fn parse(text: &str) -> Option<Token> {
        let mut fields = text.split(':');
        if fields.next()? != "2" {
            return None;
        }
        let (inode, descriptors) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let owner: u64 = fields.next()?.parse().ok()?;
        let call = Handle { offset: fields.next()?.parse().ok()?, generation: fields.next()?.parse().ok()? };
        let role = match owner {
            Owner::NOBODY => Role::Server,
            bits => Role::Member { owner: Owner::from_bits(bits)?, call },
        };
        let (depth, starter) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let token = Token { inode, descriptors, role, depth, starter };
        fields.next().is_none().then_some(token)
    }

    /// Whether this process was started with the token, and by nobody else's environment.
    pub(crate) fn is_from_parent(&self) -> bool {
        rustix::process::getppid().is_some_and(|parent| parent.as_raw_nonzero().get() as u32 == self.starter)
    }

    /// Takes the descriptors that go with the token, if it's meant for this process: they must be there, inheritable, and
    /// the first must be the arena.
    pub(crate) fn claim(&self) -> Option<Inherited> {
        if !(3..=5).contains(&self.descriptors) {
            return None;
        }
        let numbers = FIRST..FIRST + self.descriptors as i32;
        // A member's own descriptors are close-on-exec; only a starter hands on an inheritable one.
        let is_inheritable = |fd| borrowed(fd, |fd| fcntl_getfd(fd)).is_ok_and(|flags| flags.is_empty());
        if !numbers.clone().all(is_inheritable) {
            return None;
        }
        let stat = borrowed(FIRST, |fd| fstat(fd)).ok()?;
        if stat.st_ino != self.inode || FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return None;
        }
        let mut owned = numbers.map(|fd| {
            let _ = borrowed(fd, |fd| fcntl_setfd(fd, FdFlags::CLOEXEC));
            // SAFETY: bounds: an open descriptor, checked above. Aliasing: the starter opened it in this process for this
            // token alone, and close-on-exec, just set, means that it is claimed only once. Lifetime: owned from here on.
            unsafe { OwnedFd::from_raw_fd(fd) }
        });
        let mut next = || owned.next();
        let (arena, lifeline, requests) = (next()?, next()?, next()?);
        Some(Inherited { arena, lifeline, requests, others: owned.collect() })
    }
}

/// The descriptors of a new process.
#[derive(Debug)]
pub(crate) struct Inherited {
    pub(crate) arena: OwnedFd,
    pub(crate) lifeline: OwnedFd,
    /// Where to ask the root to start processes.
    pub(crate) requests: OwnedFd,
    /// For a member: the real standard output, where the test harness's is turned away until `init()`. For the server: its
    /// socket, and the register.
    pub(crate) others: Vec<OwnedFd>,
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
        let call = Handle { offset: 4096, generation: 12 };
        for role in [Role::Member { owner: Owner::new(3, 8).unwrap(), call }, Role::Server] {
            let token = Token { inode: 77, descriptors: 4, role, depth: 2, starter: 31 };
            let line = token.to_variable();
            let (name, value) = line.split_once('=').unwrap();
            assert!(Token::is_variable(OsStr::new(name)));
            assert_eq!(Token::parse(value), Some(token));
            for end in 0..value.len() - 1 {
                let parsed = Token::parse(&value[..end]);
                assert!(parsed.is_none(), "cut to {:?}", &value[..end]);
            }
        }
    }

    #[test]
    fn a_token_that_was_left_in_the_environment_is_nobodys() {
        let token = Token::parse("2:1:3:12884901896:4096:12:0:31").unwrap();
        assert!(token.claim().is_none());
    }
}
