//! The forkserver as the root sees it: started when it's first needed, replaced when it dies or when this process is no
//! longer what it was, and done without when it's of no use.

use super::{
    attributes::{Own, unknown},
    order::Order,
    server_link::{Failed, Forked, NotUp, Server},
};
use crate::{
    arena::Arena,
    error::{Error, Result},
    family::Root,
    sys::identity::Identity,
};
use std::sync::{
    Arc, Mutex, MutexGuard, TryLockError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// How many servers one start tries.
const ATTEMPTS: u32 = 3;

/// How many servers in a row may end before they have made a spare; then the family does without.
const FAILURES: u32 = 8;

/// The root's handle of its forkserver, whichever it is at the moment.
#[derive(Debug, Default)]
pub(crate) struct ForkServer {
    state: Mutex<State>,
    /// The root exits.
    ending: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    server: Option<Arc<Server>>,
    /// How many in a row were of no use.
    failures: u32,
    /// The family does without one.
    given_up: bool,
}

impl ForkServer {
    /// Has a spare become the process that the order names; `None` when it must be made in another way.
    pub(crate) fn start(&self, arena: &Arena, root: &Root, order: &Order<'_>) -> Result<Option<Forked>> {
        for _ in 0..ATTEMPTS {
            let Some(server) = self.server(arena, root, order.own)? else { return Ok(None) };
            match server.start(order) {
                Ok(forked) => return Ok(Some(forked)),
                Err(Failed::Gone) => self.retire(root, &server),
                Err(Failed::Now) => return Ok(None),
                Err(Failed::ForGood(e)) => {
                    self.lock().give_up(&format!("the forkserver can't fork: {e}"));
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// A server that is up and may stand for this process; `None` if there is none.
    fn server(&self, arena: &Arena, root: &Root, own: Option<&Own>) -> Result<Option<Arc<Server>>> {
        let current;
        let own = match own {
            Some(own) => own,
            None => {
                current = Own::current()?;
                &current
            }
        };
        let identity = Identity::of_thread(&own.status).map_err(unknown)?;
        let mut state = self.lock();
        if let Some(server) = &state.server
            && server.may_stand_for(&identity, &own.attributes)
        {
            return Ok(Some(server.clone()));
        }
        if identity != Identity::of_process(std::process::id()).map_err(unknown)? {
            // This thread alone is under restrictions: so must be what it starts, and nothing else.
            return Ok(None);
        }
        // This process has changed since, and its children must not be what it was.
        state.retire(root);
        while !state.given_up && !self.ending.load(Relaxed) {
            match Server::bring_up(arena, root, &identity, &own.attributes, &self.ending) {
                Ok(server) => {
                    let server = Arc::new(server);
                    root.children.watch_server(server.fd()).map_err(|e| {
                        server.end();
                        Error::start_failed("could not watch the forkserver", e)
                    })?;
                    state.server = Some(server.clone());
                    return Ok(Some(server));
                }
                Err(NotUp::Now) => return Ok(None),
                Err(NotUp::Failed(reason)) => state.count_failure(&reason),
                Err(NotUp::ForGood(reason)) => state.give_up(&reason),
            }
        }
        Ok(None)
    }

    fn retire(&self, root: &Root, server: &Arc<Server>) {
        let mut state = self.lock();
        if state.server.as_ref().is_some_and(|current| Arc::ptr_eq(current, server)) {
            state.retire(root);
        }
    }

    /// The monitor's part, when a server has ended; false when somebody else is at it.
    pub(crate) fn look(&self, root: &Root) -> bool {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(e)) => e.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        if state.server.as_ref().is_some_and(|server| server.has_ended()) {
            state.retire(root);
        }
        true
    }

    /// At the root's exit.
    pub(crate) fn end(&self, root: &Root) {
        self.ending.store(true, Relaxed);
        self.lock().retire(root);
    }
}

impl State {
    fn give_up(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.given_up, true) {
            eprintln!("procession: {reason}; so each new process executes the program, which takes longer");
        }
    }

    fn count_failure(&mut self, reason: &str) {
        self.failures += 1;
        if self.failures >= FAILURES {
            self.give_up(reason);
        }
    }

    /// Ends the server, if there is one.
    fn retire(&mut self, root: &Root) {
        let Some(server) = self.server.take() else { return };
        root.children.unwatch_server(server.fd());
        server.end();
        if server.was_useful() {
            self.failures = 0;
        } else {
            self.count_failure("one forkserver after the other ended before it was of any use");
        }
    }
}
