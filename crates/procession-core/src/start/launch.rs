//! Launching: the starter's side.

use super::{
    call::CallRecord,
    entry::test_entry,
    exit::Exit,
    function::{FunctionId, Verdict},
    token::Token,
};
use crate::{
    arena::{Arena, Handle},
    error::{Error, ErrorKind, Result},
    family::{self, Child, Root},
    members::{Owner, SLOTS},
    recovery,
    sys::{clock::Deadline, pidfd::Pidfd, spawn},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    process::Signal,
};
use std::{
    ffi::{CString, OsString},
    fs::File,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// A process that has not reached `init()` after this long is killed, and the start has failed.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What a new process is to be.
pub struct Launch<'a> {
    /// What it runs.
    pub function: FunctionId,
    /// The argument of that function.
    pub argument: &'a [u8],
    /// What it's called: in `ps` (the first 15 bytes), and in messages.
    pub name: &'a str,
    /// Ended at the root's exit, instead of waited for.
    pub daemon: bool,
    /// Changes to the environment, in order: a value, or none to remove it.
    pub environment: Vec<(OsString, Option<OsString>)>,
    /// Whether to begin with an empty environment.
    pub clear_environment: bool,
    /// The directory it starts in; `None` for this process's.
    pub current_dir: Option<PathBuf>,
    /// Standard input, output and error; `None` for this process's.
    pub stdio: [Option<OwnedFd>; 3],
    /// Called with the new process's identity before it starts.
    pub before_start: Option<&'a dyn Fn(Owner)>,
}

impl std::fmt::Debug for Launch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch")
            .field("name", &self.name)
            .field("function", &self.function)
            .finish_non_exhaustive()
    }
}

impl<'a> Launch<'a> {
    /// A process that runs `function` with `argument` and inherits everything else.
    pub fn new(function: FunctionId, argument: &'a [u8]) -> Launch<'a> {
        Launch {
            function,
            argument,
            name: "",
            daemon: false,
            environment: Vec::new(),
            clear_environment: false,
            current_dir: None,
            stdio: [None, None, None],
            before_start: None,
        }
    }

    /// Starts the process, and returns without waiting until it runs.
    ///
    /// # Errors
    ///
    /// Not initialised, forked; unsupported in a process that isn't the root; start failed; out of memory.
    pub fn start(self) -> Result<Running> {
        let family = family::current()?;
        let arena = &family.arena;
        let Some(root) = &family.root else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "only the root of a family starts processes; this is one of its members",
            ));
        };
        let owner = reserve(arena)?;
        let call = match CallRecord::create(arena, owner, self.function, self.name, self.argument) {
            Ok(call) => call,
            Err(e) => {
                give_up(arena, owner);
                return Err(e);
            }
        };
        if let Some(before_start) = self.before_start {
            before_start(owner);
        }
        match self.execute(arena, root, owner, call) {
            Ok(child) => Ok(Running { arena, call, child }),
            Err(e) => {
                CallRecord::release(arena, call, owner);
                give_up(arena, owner);
                Err(e)
            }
        }
    }

    fn execute(self, arena: &Arena, root: &Root, owner: Owner, call: Handle) -> Result<Arc<Child>> {
        let nul =
            |_| Error::new(ErrorKind::InvalidArgument, "the environment or directory has a nul byte in it");
        let mut token = Token::new(arena.file(), root.lifeline(), owner, call);
        token.depth = root.depth;
        let mut stdio = self.stdio;
        let harness_stdout;
        let mut inherit = vec![arena.file(), root.lifeline()];
        let own_arguments: Vec<CString>;
        let arguments = match test_entry() {
            Some(arguments) => {
                let stdout = match stdio[1].take() {
                    Some(stdout) => Ok(stdout),
                    None => rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3),
                };
                harness_stdout = stdout.and_then(|fd| rustix::io::fcntl_dupfd_cloexec(&fd, 3));
                if let Ok(stdout) = &harness_stdout {
                    token.stdout = Some(rustix::fd::AsRawFd::as_raw_fd(stdout));
                    inherit.push(stdout.as_fd());
                    stdio[1] = File::options().write(true).open("/dev/null").ok().map(OwnedFd::from);
                }
                arguments
            }
            None => {
                own_arguments = std::env::args_os()
                    .map(|argument| CString::new(argument.into_vec()).expect("arguments are C strings"))
                    .collect();
                &own_arguments
            }
        };
        let environment = environment(self.clear_environment, self.environment, &token)?;
        let current_dir =
            self.current_dir.map(|dir| CString::new(dir.into_os_string().into_vec())).transpose();
        let current_dir = current_dir.map_err(nul)?;
        let pid = spawn::spawn(&spawn::Program {
            arguments,
            environment: &environment,
            current_dir: current_dir.as_deref(),
            stdio: [0, 1, 2].map(|i: usize| stdio[i].as_ref().map(|fd| fd.as_fd())),
            inherit: &inherit,
        })
        .map_err(|e| Error::new(ErrorKind::StartFailed, format!("could not start the process: {e}")))?;
        let watched = Pidfd::of_child(pid).map_err(std::io::Error::from).and_then(|pidfd| {
            let due = Deadline::after(START_TIMEOUT);
            root.children.add(arena, Child::new(owner, pid, pidfd, self.daemon, due))
        });
        watched.map_err(|e| {
            spawn::abandon(pid);
            Error::new(ErrorKind::StartFailed, format!("could not watch the new process: {e}"))
        })
    }
}

fn environment(
    clear: bool,
    changes: Vec<(OsString, Option<OsString>)>,
    token: &Token,
) -> Result<Vec<CString>> {
    let mut variables: Vec<(OsString, OsString)> =
        if clear { Vec::new() } else { std::env::vars_os().collect() };
    variables
        .retain(|(name, _)| !Token::is_variable(name) && !changes.iter().any(|(changed, _)| changed == name));
    for (i, (name, value)) in changes.iter().enumerate() {
        if let Some(value) = value
            && !changes[i + 1..].iter().any(|(later, _)| later == name)
        {
            variables.push((name.clone(), value.clone()));
        }
    }
    let lines = variables.into_iter().map(|(name, value)| {
        let mut line = name.into_vec();
        line.push(b'=');
        line.extend_from_slice(value.as_bytes());
        CString::new(line)
            .map_err(|_| Error::new(ErrorKind::InvalidArgument, "an environment variable has a nul byte"))
    });
    let mut lines: Vec<CString> = lines.collect::<Result<_>>()?;
    lines.push(CString::new(token.to_variable()).expect("digits and colons"));
    Ok(lines)
}

fn reserve(arena: &Arena) -> Result<Owner> {
    // After those whose handles were dropped before they ended, nobody else does.
    recovery::sweep(arena);
    let owner = arena.members().reserve(arena.new_member_generation(), arena.me().tag());
    let full =
        || Error::new(ErrorKind::StartFailed, format!("the family has {SLOTS} processes, which is the most"));
    owner.ok_or_else(full)
}

/// Ends the life of a member that never came to be.
fn give_up(arena: &Arena, owner: Owner) {
    recovery::mark_dead(arena, owner);
    recovery::sweep(arena);
}

/// A process that was started.
///
/// Dropping it lets the process run on; nobody hears of its result then.
#[derive(Debug)]
pub struct Running {
    arena: &'static Arena,
    call: Handle,
    child: Arc<Child>,
}

impl Running {
    /// The process id, for people and for tools; to send signals use `signal`.
    pub fn pid(&self) -> u32 {
        self.child.pid
    }

    /// Who it is in the family.
    pub fn owner(&self) -> Owner {
        self.child.owner
    }

    /// Waits for its end; `None` when the deadline came first.
    pub fn wait(&self, deadline: Deadline) -> Option<Exit> {
        // Without a root this is a plain fork, whose parent's child it is.
        let children =
            family::current().ok().and_then(|family| family.root.as_ref()).map(|root| &root.children)?;
        children.wait(&self.child, self.arena, deadline)
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        self.child.settle(self.arena)
    }

    /// Sends a signal; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        family::current()?;
        self.child.signal(signal).map_err(|e| Error::system("could not send a signal", e))
    }

    /// What the function gave, if it came to that; `None` if the process ended otherwise. It can be taken once, after
    /// the end.
    ///
    /// # Errors
    ///
    /// Corrupted when the process wrote what no member writes.
    pub fn take_result(&self) -> Result<Option<(Verdict, Vec<u8>)>> {
        family::current()?;
        CallRecord::take_result(self.arena, self.call, self.child.owner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Ok(family) = family::current() else { return };
        CallRecord::release(&family.arena, self.call, self.child.owner);
        // After an end that was seen, the slot is free for the next at once.
        if self.child.settle(self.arena).is_some() {
            recovery::sweep(&family.arena);
        }
    }
}
