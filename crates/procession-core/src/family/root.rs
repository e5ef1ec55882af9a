//! The root: it founds the family, and everything ends with it.

use super::{Child, Family, children::Children, monitor, requests::PATIENCE};
use crate::{
    arena::{Arena, LARGEST_LIMIT},
    error::{Error, ErrorKind, Result},
    members::Owner,
    recovery,
    start::{ForkServer, Forked, MAX_DEPTH, Order, START_TIMEOUT, StartMethod, Token, execute},
    sys::{clock::Deadline, lifeline, pidfd::Pidfd, sentinel, socket, spawn},
};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{
    Arc, Once,
    atomic::{AtomicI32, Ordering},
};

/// What only the root has.
#[derive(Debug)]
pub(crate) struct Root {
    /// The end that children inherit.
    lifeline: OwnedFd,
    /// The end that keeps them alive; never read nor written.
    _alive: Alive,
    pub(crate) children: Children,
    pub(crate) forkserver: ForkServer,
    /// Where requests of members arrive.
    incoming: OwnedFd,
    /// The other end, which members inherit and share.
    requests: OwnedFd,
    pub(crate) depth: u32,
}

/// The descriptor of the lifeline's write end, for the fork handler; -1 where there is none.
static ALIVE: AtomicI32 = AtomicI32::new(-1);

/// The lifeline's write end, known to the fork handler as long as it's open.
#[derive(Debug)]
struct Alive(#[expect(dead_code, reason = "it's there to be open")] OwnedFd);

impl Alive {
    fn new(fd: OwnedFd) -> Alive {
        ALIVE.store(fd.as_raw_fd(), Ordering::Release);
        Alive(fd)
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // The family wasn't founded after all; the number may be a stranger's next.
        ALIVE.store(-1, Ordering::Release);
    }
}

impl Root {
    /// Founds a family with this process as its root.
    pub(super) fn found() -> Result<Family> {
        let depth = Token::from_environment().map_or(0, |token| token.depth.saturating_add(1));
        if depth > MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::StartFailed,
                format!(
                    "{depth} families are nested in each other: does this program start itself anew each time?"
                ),
            ));
        }
        let arena = Arena::create(limit()?)?;
        sentinel::arm();
        let system = |attempt: &'static str| move |e: std::io::Error| Error::system(attempt, e);
        let starter = Owner::new(0, 1).expect("slot 0").tag();
        let me = arena
            .members()
            .reserve(arena.new_member_generation(), starter)
            .ok_or_else(|| Error::corrupted("a new process table is full"))?;
        arena.set_me(me);
        arena.members().set_name(me, "root");
        if !arena.members().attach(me).map_err(system("could not lock the root's byte"))? {
            return Err(Error::corrupted("the root's slot was taken"));
        }
        let (lifeline, alive) = lifeline::create().map_err(system("could not create the lifeline"))?;
        // Asked for here, so that a filter is found at the first use and not at the first start.
        Pidfd::open(std::process::id()).map_err(|e| {
            let e = std::io::Error::from(e);
            let text = format!("this system gives no descriptors of processes (pidfd_open): {e}");
            Error::new(ErrorKind::Unsupported, text)
        })?;
        let children = Children::new().map_err(system("could not watch processes"))?;
        let pair = |e: rustix::io::Errno| Error::system("could not create the socket for requests", e);
        let (incoming, requests) = socket::pair(PATIENCE).map_err(pair)?;
        children.watch_requests(&incoming).map_err(system("could not watch for requests"))?;
        static HANDLERS: Once = Once::new();
        HANDLERS.call_once(|| {
            // SAFETY: bounds: both functions take no arguments and never unwind. Aliasing: they touch atomics and
            // descriptors. Lifetime: statics of the program.
            unsafe {
                libc::pthread_atfork(None, None, Some(forget_lifeline));
                libc::atexit(monitor::at_exit);
            }
        });
        let root = Root {
            lifeline,
            _alive: Alive::new(alive),
            children,
            forkserver: ForkServer::default(),
            incoming,
            requests,
            depth,
        };
        Ok(Family { arena, root: Some(root), requests: None })
    }

    /// Starts a process, and watches it from now on.
    pub(crate) fn start(&self, arena: &Arena, order: &Order<'_>) -> Result<Arc<Child>> {
        let forked = match order.method {
            StartMethod::ForkServer => self.forkserver.start(arena, self, order)?,
            StartMethod::Spawn => None,
        };
        let unwatched = |pid: u32, e: std::io::Error| {
            spawn::abandon(pid);
            // It may have come so far as to attach.
            recovery::mark_dead(arena, order.owner);
            Error::new(ErrorKind::StartFailed, format!("could not watch the new process: {e}"))
        };
        let Forked { pid, pidfd } = match forked {
            Some(forked) => forked,
            None => {
                let pid = execute(arena, self, order)?;
                Forked { pid, pidfd: Pidfd::of_child(pid).map_err(|e| unwatched(pid, e.into()))? }
            }
        };
        let due = Deadline::after(START_TIMEOUT);
        self.children.add(arena, Child::new(order, pid, pidfd, due)).map_err(|e| unwatched(pid, e))
    }

    pub(crate) fn requests(&self) -> BorrowedFd<'_> {
        self.requests.as_fd()
    }

    pub(super) fn incoming(&self) -> BorrowedFd<'_> {
        self.incoming.as_fd()
    }

    pub(crate) fn lifeline(&self) -> BorrowedFd<'_> {
        self.lifeline.as_fd()
    }
}

/// A plain fork of the root must not keep the family alive.
extern "C" fn forget_lifeline() {
    let fd = ALIVE.swap(-1, Ordering::AcqRel);
    if fd >= 0 {
        // SAFETY: bounds: the number of an open descriptor. Aliasing: the fork's copy, which nobody in it uses: its
        // entry points refuse to work. Lifetime: not used afterwards. `close` may be called in a fork handler.
        unsafe { libc::close(fd) };
    }
}

/// The arena's limit, if the environment says one.
fn limit() -> Result<Option<usize>> {
    const VARIABLE: &str = "PROCESSION_ARENA_LIMIT";
    match std::env::var(VARIABLE) {
        Ok(text) => text.parse().ok().filter(|bytes| *bytes <= LARGEST_LIMIT).map(Some).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidArgument,
                format!("{VARIABLE} is {text:?}, not a number of bytes up to {LARGEST_LIMIT}"),
            )
        }),
        Err(_) => Ok(None),
    }
}
