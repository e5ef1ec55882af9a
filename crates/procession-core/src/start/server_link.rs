//! One forkserver, as the root sees it. It always has a spare or two waiting; a start claims one, tells it who it is, and has
//! the server make another.

use super::{
    attributes::Attributes,
    execute::{START_TIMEOUT, execute_server},
    order::Order,
};
use crate::{
    arena::Arena,
    family::Root,
    sys::{
        clock::Deadline,
        identity::Identity,
        pidfd::Pidfd,
        register::Register,
        socket::{self, Received},
        spawn,
    },
    wait,
};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fd::{AsFd, BorrowedFd, OwnedFd},
    process::Signal,
};
use std::{
    io,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

/// A server that makes no spare for this long is killed: it has nothing to do that could take a thousandth of it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a spare may take to leave.
const MOMENT: Duration = Duration::from_secs(1);

/// How many spares wait. One serves starts that come one after the other; with a second one the server is already at work
/// when two come at once.
pub(super) const SPARES: usize = 2;

/// How many spares one start tries.
const ATTEMPTS: u32 = 3;

/// What a server sends: that it's up, and which process it is; a spare: its cell, its process id, and its socket; or why not.
pub(super) const READY: u8 = b'r';
pub(super) const SPARE: u8 = b's';
pub(super) const FAILED: u8 = b'f';

/// How long these messages are.
pub(super) const GREETING: usize = 5;
pub(super) const ANNOUNCEMENT: usize = 9;

/// The root's side.
#[derive(Debug)]
pub(super) struct Server {
    pidfd: Pidfd,
    socket: OwnedFd,
    register: Register,
    /// What it was a copy of when it started.
    identity: Identity,
    attributes: Attributes,
    /// Whether it has made a spare.
    was_useful: AtomicBool,
}

/// A process that a server made.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) pid: u32,
    pub(crate) pidfd: Pidfd,
}

/// Why there is none.
pub(super) enum Failed {
    /// The server has ended.
    Gone,
    /// There is no room, or its spares were killed: the next start may have more luck.
    Now,
    /// It can't fork.
    ForGood(io::Error),
}

/// Why a server didn't come up.
pub(super) enum NotUp {
    /// There was no room for it: it's not its fault.
    Now,
    Failed(String),
    /// The next one would fail as well.
    ForGood(String),
}

impl Server {
    /// Starts one, and waits until it's up; gives up when `ending` is set.
    pub(super) fn bring_up(
        arena: &Arena,
        root: &Root,
        identity: &Identity,
        attributes: &Attributes,
        ending: &AtomicBool,
    ) -> Result<Server, NotUp> {
        let (socket, theirs) = socket::pair(PATIENCE).map_err(|_| NotUp::Now)?;
        let mut register = Register::create().map_err(|_| NotUp::Now)?;
        socket::set_patience(socket.as_fd(), PATIENCE).map_err(|_| NotUp::Now)?;
        let pid = execute_server(arena, root, theirs.as_fd(), &register).map_err(|_| NotUp::Now)?;
        drop(theirs);
        register.close_file();
        let pidfd = Pidfd::of_child(pid).map_err(|_| {
            spawn::abandon(pid);
            NotUp::Now
        })?;
        let (identity, attributes) = (identity.clone(), attributes.clone());
        let was_useful = AtomicBool::new(false);
        let server = Server { pidfd, socket, register, identity, attributes, was_useful };
        match server.greeting(pid, ending) {
            Ok(()) => Ok(server),
            Err(e) => {
                server.end();
                Err(e)
            }
        }
    }

    fn greeting(&self, pid: u32, ending: &AtomicBool) -> Result<(), NotUp> {
        let ended = || NotUp::Failed("the forkserver ended before it reached procession::init()".to_string());
        let deadline = Deadline::after(START_TIMEOUT);
        while !self.wait_for_message(deadline.at_most(wait::SLICE)) {
            // Also where something else has its socket open.
            if self.has_ended() {
                return Err(ended());
            }
            if ending.load(Relaxed) {
                return Err(NotUp::Now);
            }
            if deadline.has_passed() {
                let late = "the forkserver didn't reach procession::init() in time";
                return Err(NotUp::ForGood(late.to_string()));
            }
        }
        let mut text = [0; 256];
        match socket::receive(self.socket.as_fd(), &mut text) {
            Ok((GREETING, _)) if text[0] == READY && text[1..GREETING] == pid.to_le_bytes() => Ok(()),
            Ok((GREETING, _)) if text[0] == READY => {
                let stranger = "new processes live in another process id namespace than this one";
                Err(NotUp::ForGood(stranger.to_string()))
            }
            Ok((len @ 1.., _)) => {
                let reason = String::from_utf8_lossy(&text[1..len]);
                Err(NotUp::ForGood(format!("this program can't be forked: {reason}")))
            }
            _ => Err(ended()),
        }
    }

    /// Waits until there is something to receive; false when the deadline or the server's end came first.
    fn wait_for_message(&self, deadline: Deadline) -> bool {
        let mut set = vec![PollFd::new(&self.socket, PollFlags::IN)];
        set.extend(self.fd().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let _ = poll(&mut set, deadline.timespec_left().as_ref());
        !set[0].revents().is_empty()
    }

    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.fd()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.pidfd.has_ended()
    }

    pub(super) fn was_useful(&self) -> bool {
        self.was_useful.load(Relaxed)
    }

    /// Whether what it forks is what this process would have executed.
    pub(super) fn may_stand_for(&self, identity: &Identity, attributes: &Attributes) -> bool {
        self.identity == *identity && !attributes.exceed(&self.attributes)
    }

    /// Has a spare become the process that the order names.
    pub(super) fn start(&self, order: &Order<'_>) -> Result<Forked, Failed> {
        let (message, descriptors) = order.to_message();
        for _ in 0..ATTEMPTS {
            let mut text = [0; ANNOUNCEMENT];
            let (len, received) = match socket::receive(self.socket.as_fd(), &mut text) {
                Ok((len @ 1.., received)) => (len, received),
                // It has ended, or it's stuck.
                _ => return Err(Failed::Gone),
            };
            if let Some(e) = failure(&text[..len]) {
                self.ask();
                return Err(match e.raw_os_error() {
                    Some(libc::EPERM | libc::EINVAL | libc::ENOSYS) => Failed::ForGood(e),
                    _ => Failed::Now,
                });
            }
            let started = self.claim(&text[..len], received).and_then(|(cell, forked, orders)| {
                match socket::send(orders.as_fd(), &message, &descriptors) {
                    Ok(()) => Some(forked),
                    // It was killed while it waited.
                    Err(_) => {
                        drop(orders);
                        self.see_off(cell, forked.pid, Ok(forked.pidfd));
                        None
                    }
                }
            });
            // After the order, since the server would be in the new process's way.
            self.ask();
            if let Some(forked) = started {
                return Ok(forked);
            }
        }
        Err(Failed::Now)
    }

    /// Has the server make one more spare.
    fn ask(&self) {
        // If it's gone, that is seen by whoever needs it next.
        let _ = socket::send(self.socket.as_fd(), &[0], &[]);
    }

    /// Makes a spare that was announced the caller's: its cell, itself, and the socket that its order goes to.
    fn claim(&self, text: &[u8], received: Received) -> Option<(usize, Forked, OwnedFd)> {
        let [orders, ..] = received;
        let (&SPARE, rest) = text.split_first()? else { return None };
        self.was_useful.store(true, Relaxed);
        let number = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
        let (cell, pid) = (number(0)? as usize, number(4)?);
        if !self.register.claim(cell, pid) {
            return None;
        }
        match (orders, Pidfd::of_child(pid)) {
            (Some(orders), Ok(pidfd)) => Some((cell, Forked { pid, pidfd }, orders)),
            (orders, pidfd) => {
                // This process had no room for another descriptor.
                drop(orders);
                self.see_off(cell, pid, pidfd);
                None
            }
        }
    }

    /// Reaps a claimed spare whose socket is closed: it has left or is about to. It isn't killed, since its process id may be a
    /// stranger's, where the kernel or somebody else reaped it before; so one that was stopped is left alone, and the register remembers
    /// it.
    fn see_off(&self, cell: usize, pid: u32, pidfd: rustix::io::Result<Pidfd>) {
        let has_left = match pidfd {
            Ok(pidfd) => {
                let has_left = pidfd.wait_ended(Deadline::after(MOMENT));
                if has_left {
                    pidfd.reap();
                }
                has_left
            }
            Err(_) => spawn::reap_within(pid, MOMENT),
        };
        if !has_left {
            self.register.put_back(cell, pid);
        }
    }

    /// Ends it; its spares, which nobody can give an order any more, leave. What was started lives on. May be called again,
    /// and by several at a time.
    pub(super) fn end(&self) {
        let _ = self.pidfd.signal(Signal::KILL);
        self.pidfd.wait_ended(Deadline::NEVER);
        self.pidfd.reap();
        let mut text = [0; ANNOUNCEMENT];
        while let Ok((len @ 1.., received)) = socket::try_receive(self.socket.as_fd(), &mut text) {
            if let Some((cell, spare, orders)) = self.claim(&text[..len], received) {
                drop(orders);
                self.see_off(cell, spare.pid, Ok(spare.pidfd));
            }
        }
        // Those that it didn't come to announce.
        for (cell, pid) in self.register.unclaimed() {
            if self.register.claim(cell, pid) {
                self.see_off(cell, pid, Pidfd::of_child(pid));
            }
        }
    }
}

/// Why the server has no spare, if that is what it says.
fn failure(text: &[u8]) -> Option<io::Error> {
    let (&FAILED, rest) = text.split_first()? else { return None };
    let number = rest.get(..4)?.try_into().ok()?;
    Some(io::Error::from_raw_os_error(i32::from_le_bytes(number)))
}
