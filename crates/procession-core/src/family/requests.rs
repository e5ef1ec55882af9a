//! Members ask the root to start processes: so the root is the parent of all, and its table has them all.
//!
//! All members share one end of a socket. A request is an order and the descriptors that go with it, the first of which is
//! where the answer is to go. A thread of the root answers one after the other; it's started with the first request.

use super::{Child, Family, Root, service};
use crate::{
    arena::Arena,
    error::{Error, ErrorKind, Result},
    recovery,
    start::{CallRecord, ORDER_LEN, Order, unknown},
    sys::{identity::Identity, pidfd::Pidfd, socket},
};
use rustix::{
    fd::{AsFd, BorrowedFd},
    io::Errno,
    process::Signal,
};
use std::{io, sync::Arc, time::Duration};

/// A root that can't take a request, or a member that doesn't take its answer, for this long is stuck.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The most bytes of an answer: a process id, or an error.
const ANSWER_LEN: usize = 512;

const STARTED: u8 = 1;
const FAILED: u8 = 2;

/// A process that the root started for this member.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    /// `None` if this process had no room for another descriptor.
    pub(crate) pidfd: Option<Pidfd>,
}

impl Started {
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(self.pidfd.as_ref().ok_or(Errno::MFILE)?.signal(signal)?)
    }
}

/// The member's part: has the root start a process.
pub(crate) fn ask(family: &Family, order: &Order<'_>) -> Result<Started> {
    // What the root can't see: whether this thread may less than its process.
    let thread = order.own.map(|own| Identity::of_thread(&own.status)).transpose();
    let process = Identity::of_process(std::process::id()).map_err(unknown)?;
    if thread.map_err(unknown)? != Some(process) {
        return Err(more_rights("this thread"));
    }
    let failed = |e: Errno| match e {
        Errno::AGAIN => {
            Error::new(ErrorKind::StartFailed, "the root of the family is stuck and takes no requests")
        }
        e => Error::start_failed("could not ask the root to start a process", e),
    };
    let (answer, theirs) = socket::pair(PATIENCE).map_err(failed)?;
    let (message, mut descriptors) = order.to_message();
    descriptors.insert(0, theirs.as_fd());
    let requests = family.requests.as_ref().expect("a member has it");
    socket::send(requests.as_fd(), &message, &descriptors).map_err(failed)?;
    drop(theirs);
    let mut text = [0; ANSWER_LEN];
    let (len, descriptors) = socket::receive(answer.as_fd(), &mut text).map_err(failed)?;
    let wrong = || Error::new(ErrorKind::StartFailed, "the root gave no answer");
    match text[..len].split_first().ok_or_else(wrong)? {
        (&STARTED, [has_pidfd, pid @ ..]) => {
            let pid = u32::from_le_bytes(pid.try_into().map_err(|_| wrong())?);
            let pidfd = descriptors.into_iter().flatten().next();
            let is_lost = *has_pidfd != 0 && pidfd.is_none();
            Ok(Started { pid, pidfd: (!is_lost).then(|| Pidfd::of_another(pidfd)) })
        }
        (&FAILED, error) => Err(Error::decode(error)),
        _ => Err(wrong()),
    }
}

/// The monitor's part, with the first request: starts the thread that takes them.
pub(super) fn start_thread() -> io::Result<()> {
    service::start("procession-start", serve)
}

/// Takes one request; false when that can't be done for now, for want of descriptors or memory.
fn serve(arena: &Arena, root: &Root) -> bool {
    let mut message = [0; ORDER_LEN];
    let Ok((len, mut descriptors)) = socket::receive(root.incoming(), &mut message) else { return false };
    let Some(answer) = descriptors[0].take() else { return true };
    let outcome = Order::from_message(&message[..len], &descriptors).and_then(|order| {
        // The kernel says who made the socket for the answer.
        let asker =
            socket::maker(answer.as_fd()).map_err(|e| Error::start_failed("could not tell who asks", e))?;
        start(arena, root, &order, asker)
    });
    match outcome {
        Ok(child) => {
            let pidfd: Vec<BorrowedFd<'_>> = child.pidfd().into_iter().collect();
            let mut text = vec![STARTED, pidfd.len() as u8];
            text.extend_from_slice(&child.pid.to_le_bytes());
            let told = socket::try_send(answer.as_fd(), &text, &pidfd)
                // Too many descriptors are under way: then without.
                .or_else(|_| socket::try_send(answer.as_fd(), &text, &[]));
            if told.is_err() {
                // Nobody knows of it.
                let _ = child.signal(Signal::KILL);
            }
        }
        Err(e) => {
            let mut text = vec![FAILED];
            e.encode(&mut text);
            text.truncate(ANSWER_LEN);
            let _ = socket::try_send(answer.as_fd(), &text, &[]);
        }
    }
    true
}

/// Starts what a member ordered. From the hand-over on, giving it up is this process's business.
fn start(arena: &Arena, root: &Root, order: &Order<'_>, asker: u32) -> Result<Arc<Child>> {
    let (members, me) = (arena.members(), arena.me());
    if order.starter == me || !CallRecord::is_for(arena, order.call, order.owner) {
        return Err(Error::corrupted("an order for a new process"));
    }
    if !may_as_much_as_this(asker)? {
        return Err(more_rights("this process"));
    }
    if !members.is_alive(order.starter) || !members.hand_over(order.owner, order.starter, me) {
        return Err(Error::new(ErrorKind::StartFailed, "who wanted the process has died"));
    }
    root.start(arena, order).inspect_err(|_| {
        CallRecord::withdraw(arena, order.call, order.owner);
        recovery::give_up(arena, order.owner, me);
    })
}

/// Whether a member acts for the same users and groups as the root, under the same restrictions.
fn may_as_much_as_this(member: u32) -> Result<bool> {
    let root = Identity::of_process(std::process::id()).map_err(unknown)?;
    match Identity::of_process(member) {
        Ok(member) => Ok(member.has_the_rights_of(&root)),
        // What this process may not look at is another user's.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(e) => Err(unknown(e)),
    }
}

fn more_rights(who: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "{who} acts for another user or under other restrictions than the root of its family, which starts no processes for it"
        ),
    )
}
