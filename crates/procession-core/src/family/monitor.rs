//! The monitor: one thread of the root that sees deaths and marks them, and leaves repairs to others.

use super::{
    FAMILY, Family, Root,
    children::{REQUESTS, SERVER},
    requests, service,
};
use crate::{
    arena::Arena,
    sys::{clock::Deadline, sentinel},
};
use rustix::{event::epoll, process::Signal};
use std::{io, mem::MaybeUninit, time::Duration};

/// How often it looks at all children: whether they reached `init()` in time; and whether they have ended, for those that can't be
/// watched for want of the kernel's memory.
const TICK: Duration = Duration::from_secs(5);

/// Starts the thread.
pub(super) fn start() -> io::Result<()> {
    let mut next_tick = Deadline::after(TICK);
    service::start("procession-monitor", move |arena, root| watch(arena, root, &mut next_tick))
}

/// Waits for deaths and marks them; false when the same would come again at once.
fn watch(arena: &Arena, root: &Root, next_tick: &mut Deadline) -> bool {
    let children = &root.children;
    let mut events = [MaybeUninit::uninit(); 32];
    let ready = match epoll::wait(&children.epoll, &mut events, next_tick.timespec_left().as_ref()) {
        Ok((ready, _)) => ready,
        Err(e) => return e == rustix::io::Errno::INTR,
    };
    if next_tick.has_passed() {
        *next_tick = Deadline::after(TICK);
        for child in children.all() {
            child.check_due(arena);
            if child.settle(arena).is_some() {
                children.remove(&child);
            }
        }
    }
    let mut went_well = true;
    for event in ready {
        match event.data.u64() {
            SERVER => {
                went_well &= root.forkserver.look(root);
                continue;
            }
            REQUESTS => {
                match requests::start_thread() {
                    Ok(()) => children.unwatch_requests(root.incoming()),
                    Err(_) => went_well = false,
                }
                continue;
            }
            _ => {}
        }
        let Some(child) = children.get(event.data.u64()) else { continue };
        if child.settle(arena).is_some() {
            children.remove(&child);
        } else {
            // Ended, but somebody who traces it has not let go of it.
            went_well = false;
        }
    }
    went_well
}

/// At the root's orderly exit: ends daemons, and waits for the others, as Python does.
pub(super) extern "C" fn at_exit() {
    let Some(Family { arena, root: Some(root), .. }) = FAMILY.get() else { return };
    if !sentinel::is_member() {
        return;
    }
    // Members may start others as long as they run.
    loop {
        let children = root.children.all();
        if children.is_empty() {
            break;
        }
        for child in children.iter().filter(|child| child.daemon) {
            let _ = child.signal(Signal::KILL);
        }
        for child in children {
            root.children.wait(&child, arena, Deadline::NEVER);
        }
    }
    root.forkserver.end(root);
}
