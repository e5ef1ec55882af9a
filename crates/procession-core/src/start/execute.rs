//! Executing the program anew: as a member, or as the forkserver.

use super::{
    call::CallRecord,
    entry::test_entry,
    order::Order,
    token::{Role, Token},
};
use crate::{
    arena::Arena,
    error::{Error, ErrorKind, Result},
    family::Root,
    sys::{
        environment::Environment,
        register::Register,
        spawn::{self, Program, Stream},
    },
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::{ffi::CString, fs::File, io, os::unix::ffi::OsStringExt, time::Duration};

/// What was executed and has not reached `init()` after this long is killed, and the start has failed.
pub(crate) const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The command line of new processes: the program's own, or what brings the test harness to `init()`.
fn arguments() -> Vec<CString> {
    match test_entry() {
        Some(arguments) => arguments.to_vec(),
        None => std::env::args_os()
            .map(|argument| CString::new(argument.into_vec()).expect("arguments are C strings"))
            .collect(),
    }
}

/// Executes the program as the member that the order names: its process id.
pub(crate) fn execute(arena: &Arena, root: &Root, order: &Order<'_>) -> Result<u32> {
    let failed =
        |e: io::Error| Error::new(ErrorKind::StartFailed, format!("could not start the process: {e}"));
    let mut stdio = order.stdio;
    let mut inherit = vec![arena.file(), root.lifeline(), root.requests()];
    let (real_stdout, null);
    if test_entry().is_some() {
        // The harness writes to standard output before `init()`; the real one is given back there.
        real_stdout = match stdio[1] {
            Stream::Closed => None,
            Stream::Keep => Some(rustix::stdio::stdout()),
            Stream::From(fd) => Some(fd),
        };
        null = null_device().map_err(failed)?;
        if let Some(stdout) = real_stdout {
            inherit.push(stdout);
            stdio[1] = Stream::From(null.as_fd());
        }
    }
    let role = Role::Member { owner: order.owner, call: order.call };
    let token = Token::new(arena.file(), inherit.len(), role, root.depth);
    let mut environment = CallRecord::environment(arena, order.call)?;
    environment.push_line(token.to_variable().as_bytes());
    spawn::spawn(&Program {
        arguments: &arguments(),
        environment: &environment,
        directory: order.directory,
        stdio,
        inherit: &inherit,
    })
    .map_err(failed)
}

/// Executes the program as the forkserver.
pub(super) fn execute_server(
    arena: &Arena,
    root: &Root,
    socket: BorrowedFd<'_>,
    register: &Register,
) -> io::Result<u32> {
    let register = register.file().ok_or(io::ErrorKind::InvalidInput)?;
    let inherit = [arena.file(), root.lifeline(), root.requests(), socket, register];
    let token = Token::new(arena.file(), inherit.len(), Role::Server, root.depth);
    let mut environment = Environment::current(|name| !Token::is_variable(name));
    environment.push_line(token.to_variable().as_bytes());
    // It must keep nobody's streams open, nor the directory of this moment busy.
    let null = null_device()?;
    let directory = OwnedFd::from(File::open("/")?);
    spawn::spawn(&Program {
        arguments: &arguments(),
        environment: &environment,
        directory: Some(directory.as_fd()),
        stdio: [Stream::From(null.as_fd()); 3],
        inherit: &inherit,
    })
}

fn null_device() -> io::Result<OwnedFd> {
    File::options().read(true).write(true).open("/dev/null").map(OwnedFd::from)
}
