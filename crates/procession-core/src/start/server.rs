//! The forkserver itself: a copy of the program that stopped inside `init()`. It forks whenever the root wants one more
//! spare, and does nothing else.

use super::{
    attributes::Own,
    server_link::{ANNOUNCEMENT, FAILED, GREETING, READY, SPARE, SPARES},
    spare::{Birth, Spare},
    token::Inherited,
};
use crate::{
    arena::Arena,
    error::Error,
    kill_point::kill_point,
    sys::{
        clone::{Forker, Side, leave},
        lifeline::Lifeline,
        register::{CELLS, Register},
        sentinel, signals, socket,
    },
};
use rustix::fd::{AsFd, OwnedFd};
use std::{ffi::CStr, io, sync::atomic::Ordering::Relaxed, time::Duration};

/// What the server is called.
const NAME: &CStr = c"procession-fork";

/// The root takes what it's sent, or has gone.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Serves the root. Returns in the new processes only.
pub(super) fn serve(inherited: Inherited) -> Birth {
    let Inherited { arena, lifeline, requests, others } = inherited;
    let Ok([root, register]) = <[OwnedFd; 2]>::try_from(others) else { leave(1) };
    let lifeline = Lifeline::new(lifeline);
    // First of all, so that the root's death ends this process.
    let armed = lifeline.open().and_then(|own| own.arm().map(|()| own));
    // A terminal's signals reach it as well, and a service manager's.
    signals::mask(Some(!0));
    kill_point!(ServerBeforeGreeting);
    let ready = (|| -> Result<_, String> {
        let text = |e: Error| e.to_string();
        let armed = armed.map_err(|e| format!("no lifeline for it: {e}"))?;
        let arena = Arena::attach(arena).map_err(text)?;
        let register = Register::attach(register).map_err(|e| e.to_string())?;
        // After all that may start a thread.
        let forker = Forker::new()?;
        let attributes = Own::current().map_err(text)?.attributes;
        let name = rustix::thread::name().map_err(|e| io::Error::from(e).to_string())?;
        sentinel::prepare();
        Ok((armed, arena, register, forker, name, attributes))
    })();
    let (armed, arena, register, forker, name, attributes) = match ready {
        Ok(ready) => ready,
        Err(reason) => {
            let reason: Vec<u8> = std::iter::once(FAILED).chain(reason.into_bytes()).take(256).collect();
            let _ = socket::send(root.as_fd(), &reason, &[]);
            leave(1);
        }
    };
    let _ = rustix::thread::set_name(NAME);
    // With the process id as this process knows it: in a namespace of its own it would name strangers to the root.
    let mut greeting = [READY; GREETING];
    greeting[1..].copy_from_slice(&std::process::id().to_le_bytes());
    if socket::send(root.as_fd(), &greeting, &[]).is_err() {
        leave(1);
    }
    kill_point!(ServerAfterGreeting);
    let mut number = 0;
    let (lifeline, orders) = loop {
        if number >= SPARES {
            // The root has gone, or wants no server any more: then there is nothing to receive.
            let Ok((1, _)) = socket::receive(root.as_fd(), &mut [0]) else { leave(0) };
            kill_point!(ServerAfterRequest);
        }
        let cell = register.cell(number);
        // So that the page is there when the kernel writes to it.
        cell.store(0, Relaxed);
        let forked = (|| -> io::Result<_> {
            let (theirs, orders) = socket::pair(PATIENCE)?;
            let lifeline = lifeline.open()?;
            // SAFETY: bounds: none. Aliasing: none. Lifetime: `Forker::new` found one thread, and nothing here starts
            // another.
            let side = unsafe { forker.fork(cell)? };
            Ok((side, theirs, lifeline, orders))
        })();
        let mut text = [0; ANNOUNCEMENT];
        let sent = match forked {
            Ok((Side::Copy, _, lifeline, orders)) => break (lifeline, orders),
            Ok((Side::Original(pid), theirs, ..)) => {
                kill_point!(ServerAfterFork);
                text[0] = SPARE;
                text[1..5].copy_from_slice(&((number % CELLS) as u32).to_le_bytes());
                text[5..].copy_from_slice(&pid.to_le_bytes());
                socket::send(root.as_fd(), &text, &[theirs.as_fd()])
            }
            Err(e) => {
                text[0] = FAILED;
                text[1..5].copy_from_slice(&e.raw_os_error().unwrap_or(libc::EIO).to_le_bytes());
                socket::send(root.as_fd(), &text, &[])
            }
        };
        if sent.is_err() {
            leave(0);
        }
        kill_point!(ServerAfterAnnouncement);
        number += 1;
    };
    // In the new process. The register isn't mapped here; what else was the server's is closed.
    std::mem::forget(register);
    drop((armed, root));
    Spare { arena, lifeline, requests, attributes, name, orders }.wait()
}
