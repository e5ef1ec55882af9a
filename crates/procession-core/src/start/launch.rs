//! Launching: the starter's side.

use super::{
    attributes::Own,
    call::{CallParts, CallRecord},
    entry::test_entry,
    exit::Exit,
    function::{FunctionId, Verdict},
    method::{StartMethod, default_method},
    order::Order,
    token::Token,
};
use crate::{
    arena::{Arena, Handle},
    error::{Error, ErrorKind, Result},
    family::{self, Child, Started},
    members::{Owner, SLOTS},
    recovery,
    references::Parcel,
    select::Source,
    sys::{affinity::Processors, clock::Deadline, environment::Environment, spawn::Stream, stdio},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{Mode, OFlags},
    process::Signal,
};
use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a new process is to be.
pub struct Launch<'a> {
    /// What it runs.
    pub function: FunctionId,
    /// The argument of that function.
    pub argument: &'a Parcel,
    /// What it's called: in `ps` (the first 15 bytes), and in messages.
    pub name: &'a str,
    /// Ended at the root's exit, instead of waited for.
    pub daemon: bool,
    /// Killed when its handle is dropped, or when who has the handle dies.
    pub kill_on_drop: bool,
    /// How it's started; `None` for this process's default.
    pub method: Option<StartMethod>,
    /// Its nice value, most bytes of private memory (RLIMIT_DATA) and processors; `None` for this thread's.
    pub nice: Option<i32>,
    /// See `nice`.
    pub memory_limit: Option<u64>,
    /// See `nice`: a set of bits, processor 0 first.
    pub processors: Option<Processors>,
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
    pub fn new(function: FunctionId, argument: &'a Parcel) -> Launch<'a> {
        Launch {
            function,
            argument,
            name: "",
            daemon: false,
            kill_on_drop: false,
            method: None,
            nice: None,
            memory_limit: None,
            processors: None,
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
    /// Not initialised, forked; start failed; out of memory; invalid argument; unsupported in a member that acts for
    /// another user than its family.
    pub fn start(mut self) -> Result<Running> {
        let family = family::current()?;
        let arena = &family.arena;
        let mut method = match self.method.unwrap_or_else(default_method) {
            // The harness has threads.
            StartMethod::ForkServer if test_entry().is_some() => StartMethod::Spawn,
            method => method,
        };
        let environment = environment(self.clear_environment, std::mem::take(&mut self.environment))?;
        let is_root = family.root.is_some();
        let directory = match self.directory(is_root && method == StartMethod::Spawn) {
            // One that this process came into and may not open: executed from here, the new one starts there as well.
            Err(_) if is_root && self.current_dir.is_none() => {
                method = StartMethod::Spawn;
                None
            }
            directory => directory?,
        };
        // What this process executes itself inherits all that isn't changed; others are told.
        let inherits = method == StartMethod::Spawn && is_root;
        let changes = self.nice.is_some() || self.memory_limit.is_some() || self.processors.is_some();
        let own = if inherits && !changes { None } else { Some(Own::current()?) };
        let attributes = own.as_ref().map(|own| {
            let mut attributes = own.attributes.clone();
            attributes.ask(self.nice, self.memory_limit, self.processors);
            attributes
        });
        let stdio = [0, 1, 2].map(|number: usize| match &self.stdio[number] {
            Some(fd) => Stream::From(fd.as_fd()),
            None if inherits => Stream::Keep,
            None => stdio::own(number),
        });
        let parts = CallParts {
            name: self.name,
            attributes: attributes.as_ref(),
            environment: &environment,
            argument: self.argument,
        };
        let owner = reserve(arena)?;
        let call =
            CallRecord::create(arena, owner, self.function, parts).inspect_err(|_| give_up(arena, owner))?;
        if let Some(before_start) = self.before_start {
            before_start(owner);
        }
        let order = Order {
            owner,
            call,
            starter: arena.me(),
            method,
            daemon: self.daemon,
            kill_on_drop: self.kill_on_drop,
            stdio,
            directory: directory.as_ref().map(|fd| fd.as_fd()),
            own: own.as_ref(),
        };
        let process = match &family.root {
            Some(root) => root.start(arena, &order).map(Process::Child),
            None => family::ask(family, &order).map(Process::Started),
        };
        let kill_on_drop = self.kill_on_drop;
        match process {
            Ok(process) => Ok(Running { arena, owner, call, process, kill_on_drop }),
            Err(e) => {
                CallRecord::withdraw(arena, call, owner);
                CallRecord::release(arena, call, owner);
                give_up(arena, owner);
                Err(e)
            }
        }
    }

    /// Where the process is to start; `None` where it inherits that.
    fn directory(&self, inherits: bool) -> Result<Option<OwnedFd>> {
        match &self.current_dir {
            Some(directory) => open_directory(directory).map(Some),
            None if inherits => Ok(None),
            None => open_directory(Path::new(".")).map(Some),
        }
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).and_then(stdio::above_stdio).map_err(|e| {
        let (path, e) = (path.display(), std::io::Error::from(e));
        Error::new(ErrorKind::StartFailed, format!("a process can't start in the directory {path}: {e}"))
    })
}

fn environment(clear: bool, changes: Vec<(OsString, Option<OsString>)>) -> Result<Environment> {
    let is_changed = |name: &OsStr| changes.iter().any(|(changed, _)| changed == name);
    let mut environment = if clear {
        Environment::default()
    } else {
        Environment::current(|name| !Token::is_variable(name) && !is_changed(name))
    };
    for (i, (name, value)) in changes.iter().enumerate() {
        let Some(value) = value else { continue };
        if changes[i + 1..].iter().any(|(later, _)| later == name) {
            continue;
        }
        if name.as_bytes().contains(&0) || value.as_bytes().contains(&0) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("the environment variable {name:?} has a nul byte in it"),
            ));
        }
        environment.push(name.clone(), value);
    }
    Ok(environment)
}

fn reserve(arena: &Arena) -> Result<Owner> {
    // After those whose handles were dropped before they ended, nobody else does.
    recovery::try_sweep(arena);
    let reserve = || arena.members().reserve(arena.new_member_generation(), arena.me().tag());
    let owner = reserve().or_else(|| {
        recovery::sweep(arena);
        reserve()
    });
    let full =
        || Error::new(ErrorKind::StartFailed, format!("the family has {SLOTS} processes, which is the most"));
    owner.ok_or_else(full)
}

/// Ends the life of a member that never came to be.
fn give_up(arena: &Arena, owner: Owner) {
    recovery::give_up(arena, owner, arena.me());
    recovery::try_sweep(arena);
}

/// A process that was started.
///
/// Dropping it lets the process run on, unless it's to be killed then; nobody hears of its result.
#[derive(Debug)]
pub struct Running {
    arena: &'static Arena,
    owner: Owner,
    call: Handle,
    process: Process,
    kill_on_drop: bool,
}

#[derive(Debug)]
enum Process {
    /// Of this process, which is the root.
    Child(Arc<Child>),
    /// Of the root, which started it for this process.
    Started(Started),
}

impl Running {
    /// The process id, for people and for tools; to send signals use `signal`.
    pub fn pid(&self) -> u32 {
        match &self.process {
            Process::Child(child) => child.pid,
            Process::Started(started) => started.pid,
        }
    }

    /// Who it is in the family.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Waits for its end; `None` when the deadline came first.
    pub fn wait(&self, deadline: Deadline) -> Option<Exit> {
        // In a plain fork it's the original's.
        let family = family::current().ok()?;
        match (&self.process, &family.root) {
            (Process::Child(child), Some(root)) => root.children.wait(child, self.arena, deadline),
            _ => CallRecord::wait(self.arena, self.call, deadline),
        }
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        match &self.process {
            Process::Child(child) => child.settle(self.arena),
            Process::Started(_) => CallRecord::exit(self.arena, self.call),
        }
    }

    /// Ready once it has ended.
    ///
    /// # Errors
    ///
    /// Corrupted.
    pub fn source(&self) -> Result<Source<'_>> {
        let ended = CallRecord::ended(self.arena, self.call)?;
        Ok(Source::new(ended, || self.exit().is_some()))
    }

    /// Sends a signal; nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        family::current()?;
        let sent = match &self.process {
            Process::Child(child) => child.signal(signal),
            Process::Started(started) => started.signal(signal),
        };
        sent.map_err(|e| Error::system("could not send a signal", e))
    }

    /// What the function gave, if it came to that; `None` if the process ended otherwise. It can be taken once, after
    /// the end.
    ///
    /// # Errors
    ///
    /// Corrupted when the process wrote what no member writes.
    pub fn take_result(&self) -> Result<Option<(Verdict, Parcel)>> {
        family::current()?;
        CallRecord::take_result(self.arena, self.call, self.owner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if family::current().is_err() {
            return;
        }
        if self.kill_on_drop {
            let _ = self.signal(Signal::KILL);
        }
        let has_ended = self.exit().is_some();
        CallRecord::release(self.arena, self.call, self.owner);
        // After an end that was seen, the slot is free for the next, unless somebody sweeps just now.
        if has_ended {
            recovery::try_sweep(self.arena);
        }
    }
}
