//! The monitor: one thread of the root that sees deaths, marks them, and mends nothing.

use super::{FAMILY, Family, children::Children};
use crate::sys::{clock::Deadline, sentinel};
use rustix::{event::epoll, process::Signal};
use std::{io, mem::MaybeUninit, thread};

/// How often it looks for children that did not reach `init()` in time.
const TICK: rustix::time::Timespec = rustix::time::Timespec { tv_sec: 5, tv_nsec: 0 };

pub(super) fn start(children: &'static Children) -> io::Result<()> {
    thread::Builder::new().name("procession-monitor".into()).stack_size(256 << 10).spawn(move || {
        block_signals();
        loop {
            watch(children);
        }
    })?;
    Ok(())
}

fn watch(children: &Children) {
    let mut events = [MaybeUninit::uninit(); 32];
    let ready = match epoll::wait(&children.epoll, &mut events, Some(&TICK)) {
        Ok((ready, _)) => ready,
        Err(_) => return,
    };
    let Some(family) = FAMILY.get() else { return };
    if ready.is_empty() {
        for child in children.all() {
            child.check_due(&family.arena);
        }
    }
    for event in ready {
        if let Some(child) = children.get(event.data.u64())
            && child.settle(&family.arena).is_some()
        {
            children.remove(&child);
        }
    }
}

/// The program's handlers run on the program's threads.
fn block_signals() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: bounds: one set, filled in before it's read. Aliasing: ours alone. Lifetime: for the calls. It changes the
    // mask of this thread only.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
    }
}

/// At the root's orderly exit: ends daemons, and waits for the others, as Python does.
pub(super) extern "C" fn at_exit() {
    let Some(Family { arena, root: Some(root) }) = FAMILY.get() else { return };
    if !sentinel::is_member() {
        return;
    }
    let children = root.children.all();
    for child in children.iter().filter(|child| child.daemon) {
        let _ = child.signal(Signal::KILL);
    }
    for child in children {
        child.wait(arena, Deadline::NEVER);
    }
}
