//! The root's private table of the processes that it started.

use crate::{
    arena::{Arena, Handle},
    members::{Owner, State},
    recovery,
    start::{CallRecord, Exit, ExitStatus, Order},
    sys::{
        clock::Deadline,
        pidfd::{Ended, Pidfd},
        sentinel,
    },
};
use rustix::{
    event::epoll,
    fd::{AsFd, BorrowedFd, OwnedFd},
    process::Signal,
};
use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

/// One process that the root started. In private memory, so that nothing scribbled can have a stranger killed.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) owner: Owner,
    pub(crate) pid: u32,
    pub(crate) daemon: bool,
    kill_on_drop: bool,
    starter: Owner,
    call: Handle,
    pidfd: Pidfd,
    /// When it must have reached `init()`.
    pub(super) due: Deadline,
    end: Mutex<End>,
}

#[derive(Debug, Default)]
struct End {
    exit: Option<Exit>,
    overdue: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl Child {
    pub(super) fn new(order: &Order<'_>, pid: u32, pidfd: Pidfd, due: Deadline) -> Child {
        let Order { owner, call, starter, daemon, kill_on_drop, .. } = *order;
        Child { owner, pid, daemon, kill_on_drop, starter, call, pidfd, due, end: Mutex::default() }
    }

    pub(super) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.fd()
    }

    /// Waits for its end; `None` when the deadline came first. Any number of threads may wait.
    pub(crate) fn wait(&self, arena: &Arena, deadline: Deadline) -> Option<Exit> {
        // No hop over the monitor: whoever waits sees the end itself.
        while self.pidfd.wait_ended(deadline) {
            if let Some(exit) = self.settle(arena) {
                return Some(exit);
            }
            if deadline.has_passed() || !sentinel::is_member() {
                break;
            }
            // Ended, but somebody who traces it has not let go of it.
            thread::sleep(Duration::from_millis(1));
        }
        None
    }

    /// If it has ended, takes its status and marks it dead; the first to come here does it, all get the same answer.
    pub(crate) fn settle(&self, arena: &Arena) -> Option<Exit> {
        // In a plain fork it's nobody's child, and the arena is not the fork's to write.
        if !sentinel::is_member() {
            return None;
        }
        let mut end = lock(&self.end);
        if end.exit.is_none() {
            let ended = self.pidfd.status()?;
            let state = arena.members().state(self.owner);
            // Without a status, a member that announced its exit is still known to have done what it had to.
            let announced = ended == Ended::Unknown && state == State::Exiting;
            let exit = Exit {
                status: if announced { ExitStatus::exited(0) } else { ExitStatus::new(ended) },
                attached: state != State::Starting,
                overdue: end.overdue,
            };
            end.exit = Some(exit);
            // In this order: the call is there until the process is dead and swept. Under the lock: whoever gets the
            // status can sweep.
            CallRecord::set_exit(arena, self.call, exit);
            recovery::mark_dead(arena, self.owner);
            self.pidfd.reap();
        }
        end.exit
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(self.pidfd.signal(signal)?)
    }

    /// Kills it if it has not become a member in time.
    pub(super) fn check_due(&self, arena: &Arena) {
        if arena.members().state(self.owner) == State::Starting && self.due.has_passed() {
            lock(&self.end).overdue = true;
            let _ = self.signal(Signal::KILL);
        }
    }
}

/// What the monitor's set says besides the owner of a child: never the bits of an owner.
pub(super) const SERVER: u64 = u64::MAX;
pub(super) const REQUESTS: u64 = u64::MAX - 1;

/// All children that have not been seen to end, and the set of descriptors that the monitor sleeps on.
#[derive(Debug)]
pub(crate) struct Children {
    pub(super) epoll: OwnedFd,
    running: Mutex<HashMap<u64, Arc<Child>>>,
}

impl Children {
    pub(super) fn new() -> io::Result<Children> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Children { epoll, running: Mutex::default() })
    }

    /// Has the monitor watch the child. Needs no wake-up of the monitor: the kernel's set is changed under it.
    pub(crate) fn add(&self, arena: &Arena, child: Child) -> io::Result<Arc<Child>> {
        let child = Arc::new(child);
        let Some(fd) = child.pidfd.fd() else {
            child.settle(arena);
            return Ok(child);
        };
        let key = child.owner.to_bits();
        let mut running = lock(&self.running);
        // Its starter may have died while it was started: then nobody would end it. (Who is marked dead later is removed
        // later, under this lock.)
        let is_orphan = child.starter != arena.me() && !arena.members().is_alive(child.starter);
        if child.kill_on_drop && is_orphan {
            let _ = child.signal(Signal::KILL);
        }
        running.insert(key, child.clone());
        drop(running);
        let watched = self.watch(fd, key);
        if watched.is_err() {
            lock(&self.running).remove(&key);
        }
        watched.map(|()| child)
    }

    pub(super) fn get(&self, key: u64) -> Option<Arc<Child>> {
        lock(&self.running).get(&key).cloned()
    }

    /// Waits for a child's end in the monitor's place: on two processors, a monitor that is woken as well would only be
    /// in the way of the one who waits.
    pub(crate) fn wait(&self, child: &Child, arena: &Arena, deadline: Deadline) -> Option<Exit> {
        let Some(fd) = child.pidfd.fd() else { return child.settle(arena) };
        let _ = epoll::delete(&self.epoll, fd);
        let exit = child.wait(arena, deadline);
        match exit {
            Some(_) => self.remove(child),
            None => {
                let key = child.owner.to_bits();
                let running = lock(&self.running);
                // Not after another who waited has seen the end. If it fails, another has put it back; or the kernel has no memory, and
                // the monitor looks now and then.
                if running.contains_key(&key) {
                    let _ = self.watch(fd, key);
                }
            }
        }
        exit
    }

    /// Stops watching a child that has ended, and ends what was to end with its handles.
    pub(super) fn remove(&self, child: &Child) {
        let mut running = lock(&self.running);
        let _ = child.pidfd.fd().map(|fd| epoll::delete(&self.epoll, fd));
        if running.remove(&child.owner.to_bits()).is_some() {
            for orphan in running.values().filter(|other| other.kill_on_drop && other.starter == child.owner)
            {
                let _ = orphan.signal(Signal::KILL);
            }
        }
    }

    /// Has the monitor look at the forkserver when it ends.
    pub(crate) fn watch_server(&self, server: Option<BorrowedFd<'_>>) -> io::Result<()> {
        // One that has ended already is found by whoever needs it next.
        server.map_or(Ok(()), |fd| self.watch(fd, SERVER))
    }

    pub(crate) fn unwatch_server(&self, server: Option<BorrowedFd<'_>>) {
        let _ = server.map(|fd| epoll::delete(&self.epoll, fd));
    }

    /// Has the monitor say when there is a request of a member.
    pub(super) fn watch_requests(&self, incoming: &OwnedFd) -> io::Result<()> {
        self.watch(incoming.as_fd(), REQUESTS)
    }

    pub(super) fn unwatch_requests(&self, incoming: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.epoll, incoming);
    }

    fn watch(&self, fd: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, epoll::EventData::new_u64(key), epoll::EventFlags::IN)?)
    }

    pub(super) fn all(&self) -> Vec<Arc<Child>> {
        lock(&self.running).values().cloned().collect()
    }
}
