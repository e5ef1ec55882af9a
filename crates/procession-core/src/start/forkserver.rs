//! The forkserver as the root sees it: started when it's first needed, asked to fork, replaced when it dies.

use super::{execute::execute_server, order::Order};
use crate::{
    arena::Arena,
    error::{Error, ErrorKind, Result},
    family::Root,
    sys::{
        clock::Deadline,
        identity::Identity,
        pidfd::Pidfd,
        register::{Answer, Register},
        socket,
    },
    wait,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fd::{AsFd, BorrowedFd, OwnedFd},
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

/// One that doesn't answer for this long is killed: it has nothing to do that could take a thousandth of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many servers one start tries, and how many in a row may fail to come up before the family does without.
const ATTEMPTS: u32 = 3;

/// What a server says when it's ready, before it says why it isn't.
pub(super) const READY: u8 = b'r';

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

/// Why there is no answer.
enum Unanswered {
    /// The server has ended, and has not forked.
    Gone,
    /// The system forks no more processes.
    Refused(io::Error),
}

impl ForkServer {
    /// Forks the process that the order names: its process id; `None` when that must be done in another way.
    pub(crate) fn fork(&self, arena: &Arena, root: &Root, order: &Order<'_>) -> Result<Option<u32>> {
        for _ in 0..ATTEMPTS {
            let Some(server) = self.server(arena, root)? else { return Ok(None) };
            match server.fork(order) {
                Ok(pid) => return Ok(Some(pid)),
                Err(Unanswered::Gone) => self.retire(root, &server),
                Err(Unanswered::Refused(e)) => {
                    return Err(Error::new(
                        ErrorKind::StartFailed,
                        format!("could not start the process: {e}"),
                    ));
                }
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
            match Server::start(arena, root, identity) {
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
    fn start(arena: &Arena, root: &Root, identity: Identity) -> std::result::Result<Server, Failure> {
        let failed = |e: io::Error| Failure {
            reason: format!("the forkserver could not be started: {e}"),
            is_final: false,
        };
        let (socket, theirs) = socket::pair(PATIENCE).map_err(|e| failed(e.into()))?;
        let mut register = Register::create().map_err(failed)?;
        let pid = execute_server(arena, root, theirs.as_fd(), &register).map_err(failed)?;
        drop(theirs);
        register.close_file();
        let pidfd = match Pidfd::of_child(pid) {
            Ok(pidfd) => pidfd,
            Err(e) => {
                crate::sys::spawn::abandon(pid);
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
        if !readable(self.socket.as_fd(), Deadline::after(START_TIMEOUT)) {
            return not("the forkserver didn't reach procession::init() in time".to_string(), false);
        }
        let mut text = [0; 256];
        match socket::receive(self.socket.as_fd(), &mut text) {
            Ok((1.., _)) if text[0] == READY => Ok(()),
            Ok((len @ 1.., _)) => {
                let reason = String::from_utf8_lossy(&text[1..len]);
                not(format!("this program can't be forked: {reason}"), true)
            }
            _ => not("the forkserver ended before it reached procession::init()".to_string(), false),
        }
    }

    fn fork(&self, order: &Order<'_>) -> std::result::Result<u32, Unanswered> {
        let slot = order.owner.slot();
        self.register.ask(slot);
        let (message, descriptors) = order.to_message();
        match socket::send(self.socket.as_fd(), &message, &descriptors) {
            Ok(()) => {}
            // It has ended, or is stopped and has more to do than the socket holds.
            Err(Errno::PIPE | Errno::CONNRESET | Errno::AGAIN) => {
                self.end();
                return Err(Unanswered::Gone);
            }
            Err(e) => return Err(Unanswered::Refused(e.into())),
        }
        let answer = || match self.register.answer(slot) {
            Answer::None => None,
            answer => Some(answer),
        };
        let deadline = Deadline::after(PATIENCE);
        let mut answered = wait::spin(answer);
        while answered.is_none() {
            if deadline.has_passed() {
                let _ = self.pidfd.signal(Signal::KILL);
            }
            if self.pidfd.has_ended() {
                // Looked at after its end, this is the last word.
                answered = answer().or(Some(Answer::None));
                break;
            }
            self.register.sleep(slot, Deadline::after(wait::SLICE));
            answered = answer();
        }
        match answered {
            Some(Answer::Forked(pid)) => Ok(pid),
            Some(Answer::Refused(errno)) => Err(Unanswered::Refused(io::Error::from_raw_os_error(errno))),
            Some(Answer::None) | None => Err(Unanswered::Gone),
        }
    }

    /// Ends it; what it forked lives on.
    fn end(&self) {
        let _ = self.pidfd.signal(Signal::KILL);
        self.pidfd.wait_ended(Deadline::NEVER);
        self.pidfd.reap();
        self.register.wake_all();
    }
}

fn readable(socket: BorrowedFd<'_>, deadline: Deadline) -> bool {
    loop {
        let mut set = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
        let time = deadline.timespec_left();
        match poll(&mut set, time.as_ref()) {
            Ok(0) if deadline.has_passed() => return false,
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return true,
        }
    }
}
