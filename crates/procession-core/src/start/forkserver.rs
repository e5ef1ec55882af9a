//! The forkserver as the root sees it: started when it's first needed, replaced when it dies. It always has a spare or two
//! waiting; a start claims one, tells it who it is, and has the server make another.

use super::{execute::execute_server, order::Order};
use crate::{
    arena::Arena,
    error::{Error, Result},
    family::Root,
    sys::{
        clock::Deadline,
        identity::Identity,
        pidfd::Pidfd,
        register::Register,
        socket::{self, Received},
        spawn,
    },
};
use rustix::{
    fd::{AsFd, OwnedFd},
    io::Errno,
    process::Signal,
};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, TryLockError},
    time::Duration,
};

/// A server that has not reached `init()` after this long is killed.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// One that makes no spare for this long is killed: it has nothing to do that could take a thousandth of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many spares wait. One serves starts that come one after the other; with a second one the server is already at work
/// when two come at once.
pub(super) const SPARES: usize = 2;

/// How many servers one start tries, how many spares of each, and how many servers in a row may fail to come up before the
/// family does without.
const ATTEMPTS: u32 = 3;

/// What a server sends: that it's up; a spare (its cell, its process id, and its socket); or why not.
pub(super) const READY: u8 = b'r';
pub(super) const SPARE: u8 = b's';
pub(super) const FAILED: u8 = b'f';

/// How long an announcement of a spare is.
pub(super) const ANNOUNCEMENT: usize = 9;

/// The root's handle of its forkserver, whichever it is at the moment.
#[derive(Debug, Default)]
pub(crate) struct ForkServer(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    server: Option<Arc<Server>>,
    /// How many in a row did not come up.
    failures: u32,
    /// The family does without one.
    given_up: bool,
}

#[derive(Debug)]
struct Server {
    pidfd: Pidfd,
    socket: OwnedFd,
    register: Register,
    /// What it was a copy of when it started.
    identity: Identity,
}

/// A process that a server made.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) pid: u32,
    pub(crate) pidfd: Pidfd,
}

/// Why there is none.
enum Failed {
    /// The server has ended.
    Gone,
    /// It can't fork.
    Refused,
}

impl ForkServer {
    /// Has a spare become the process that the order names; `None` when it must be made in another way.
    pub(crate) fn start(&self, arena: &Arena, root: &Root, order: &Order<'_>) -> Result<Option<Forked>> {
        for _ in 0..ATTEMPTS {
            let Some(server) = self.server(arena, root)? else { return Ok(None) };
            match server.start(order) {
                Ok(forked) => return Ok(Some(forked)),
                Err(Failed::Gone) => self.retire(root, &server),
                Err(Failed::Refused) => return Ok(None),
            }
        }
        Ok(None)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A server that is up and may stand for this process; `None` if the family does without one.
    fn server(&self, arena: &Arena, root: &Root) -> Result<Option<Arc<Server>>> {
        let identity = Identity::current().map_err(|e| Error::system("could not find out who this is", e))?;
        let mut state = self.lock();
        if let Some(server) = &state.server {
            if server.identity == identity {
                return Ok(Some(server.clone()));
            }
            // This process has changed since, and its children must not be what it was.
            retire(&mut state, root);
        }
        while !state.given_up {
            match Server::bring_up(arena, root, identity) {
                Ok(server) => {
                    state.failures = 0;
                    let server = Arc::new(server);
                    root.children.watch_server(server.pidfd.fd()).map_err(|e| {
                        server.end();
                        Error::system("could not watch the forkserver", e)
                    })?;
                    state.server = Some(server.clone());
                    return Ok(Some(server));
                }
                Err(failure) => {
                    state.failures += 1;
                    state.given_up = failure.is_final || state.failures >= ATTEMPTS;
                    if state.given_up {
                        eprintln!(
                            "procession: {}; so each new process executes the program, which takes longer",
                            failure.reason
                        );
                    }
                }
            }
        }
        Ok(None)
    }

    fn retire(&self, root: &Root, server: &Arc<Server>) {
        let mut state = self.lock();
        if state.server.as_ref().is_some_and(|current| Arc::ptr_eq(current, server)) {
            retire(&mut state, root);
        }
    }

    /// The monitor's part, when a server has ended; false when somebody else is at it.
    pub(crate) fn look(&self, root: &Root) -> bool {
        let mut state = match self.0.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(e)) => e.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if state.server.as_ref().is_some_and(|server| server.pidfd.has_ended()) {
            retire(&mut state, root);
        }
        true
    }

    /// At the root's exit.
    pub(crate) fn end(&self, root: &Root) {
        let mut state = self.lock();
        state.given_up = true;
        retire(&mut state, root);
    }
}

/// Ends the server, if there is one.
fn retire(state: &mut State, root: &Root) {
    if let Some(server) = state.server.take() {
        root.children.unwatch_server(server.pidfd.fd());
        server.end();
    }
}

/// Why a server didn't come up.
struct Failure {
    reason: String,
    /// The next one would not either.
    is_final: bool,
}

impl Server {
    fn bring_up(arena: &Arena, root: &Root, identity: Identity) -> std::result::Result<Server, Failure> {
        let failed = |e: io::Error| Failure {
            reason: format!("the forkserver could not be started: {e}"),
            is_final: false,
        };
        let (socket, theirs) = socket::pair(PATIENCE).map_err(|e| failed(e.into()))?;
        let mut register = Register::create().map_err(failed)?;
        socket::set_patience(socket.as_fd(), START_TIMEOUT).map_err(|e| failed(e.into()))?;
        let pid = execute_server(arena, root, theirs.as_fd(), &register).map_err(failed)?;
        drop(theirs);
        register.close_file();
        let pidfd = match Pidfd::of_child(pid) {
            Ok(pidfd) => pidfd,
            Err(e) => {
                spawn::abandon(pid);
                return Err(failed(e.into()));
            }
        };
        let server = Server { pidfd, socket, register, identity };
        match server.greeting() {
            Ok(()) => Ok(server),
            Err(failure) => {
                server.end();
                Err(failure)
            }
        }
    }

    /// Waits until it's up.
    fn greeting(&self) -> std::result::Result<(), Failure> {
        let not = |reason: String, is_final| Err(Failure { reason, is_final });
        let mut text = [0; 256];
        match socket::receive(self.socket.as_fd(), &mut text) {
            Ok((1.., _)) if text[0] == READY => {
                let _ = socket::set_patience(self.socket.as_fd(), PATIENCE);
                Ok(())
            }
            Ok((len @ 1.., _)) => {
                let reason = String::from_utf8_lossy(&text[1..len]);
                not(format!("this program can't be forked: {reason}"), true)
            }
            Err(Errno::AGAIN) => {
                not("the forkserver didn't reach procession::init() in time".to_string(), false)
            }
            _ => not("the forkserver ended before it reached procession::init()".to_string(), false),
        }
    }

    fn start(&self, order: &Order<'_>) -> std::result::Result<Forked, Failed> {
        let (message, descriptors) = order.to_message();
        for _ in 0..ATTEMPTS {
            let mut text = [0; ANNOUNCEMENT];
            let (len, received) = match socket::receive(self.socket.as_fd(), &mut text) {
                Ok((len @ 1.., received)) => (len, received),
                // It has ended, or it's stuck.
                _ => return Err(Failed::Gone),
            };
            let spare = self.claim(&text[..len], received);
            let started = spare.and_then(|(forked, orders)| {
                match socket::send(orders.as_fd(), &message, &descriptors) {
                    Ok(()) => Some(forked),
                    // It was killed while it waited.
                    Err(_) => {
                        forked.end();
                        None
                    }
                }
            });
            // After the order, since the server would be in the new process's way.
            let _ = socket::send(self.socket.as_fd(), &[0], &[]);
            if let Some(forked) = started {
                return Ok(forked);
            }
        }
        Err(Failed::Refused)
    }

    /// Makes a spare that was announced the caller's: it, and the socket that its order goes to.
    fn claim(&self, text: &[u8], received: Received) -> Option<(Forked, OwnedFd)> {
        let [orders, ..] = received;
        let Some((&SPARE, rest)) = text.split_first() else { return None };
        let number = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        let (cell, pid) = (number(0)? as usize, number(4)?);
        let forked = self.claim_cell(cell, pid)?;
        if orders.is_none() {
            // This process had no room for another descriptor.
            forked.end();
        }
        Some((forked, orders?))
    }

    fn claim_cell(&self, cell: usize, pid: u32) -> Option<Forked> {
        if !self.register.claim(cell, pid) {
            return None;
        }
        match Pidfd::of_child(pid) {
            Ok(pidfd) => Some(Forked { pid, pidfd }),
            Err(_) => {
                spawn::abandon(pid);
                None
            }
        }
    }

    /// Ends it, and its spares; what was started lives on. May be called again, and by several at a time.
    fn end(&self) {
        let _ = self.pidfd.signal(Signal::KILL);
        self.pidfd.wait_ended(Deadline::NEVER);
        self.pidfd.reap();
        let mut text = [0; ANNOUNCEMENT];
        while let Ok((len @ 1.., received)) = socket::try_receive(self.socket.as_fd(), &mut text) {
            if let Some((spare, _)) = self.claim(&text[..len], received) {
                spare.end();
            }
        }
        // Those that it didn't come to announce.
        for (cell, pid) in self.register.unclaimed() {
            if let Some(spare) = self.claim_cell(cell, pid) {
                spare.end();
            }
        }
    }
}

impl Forked {
    /// Ends one that has no order.
    fn end(&self) {
        let _ = self.pidfd.signal(Signal::KILL);
        self.pidfd.wait_ended(Deadline::NEVER);
        self.pidfd.reap();
    }
}
