//! The forkserver itself: a copy of the program that stopped inside `init()`. It forks whoever the root asks for, and does
//! nothing else.

use super::{
    attributes::Attributes,
    forkserver::READY,
    order::{ORDER_LEN, Order},
    token::Inherited,
};
use crate::{
    arena::{Arena, Handle},
    error::Error,
    kill_point::kill_point,
    members::Owner,
    sys::{
        clone::{Forker, Side},
        identity::Identity,
        lifeline::{Lifeline, Own},
        register::Register,
        sentinel, signals, socket, stdio,
    },
};
use rustix::{
    fd::{AsFd, OwnedFd},
    process::fchdir,
};
use std::{ffi::CStr, io};

/// What a process is born with that the forkserver made.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) owner: Owner,
    pub(super) call: Handle,
    pub(super) arena: Arena,
    /// Not armed yet.
    pub(super) lifeline: Own,
    pub(super) requests: OwnedFd,
    pub(super) identity: Identity,
    /// What it inherited from the server, and not from whoever started it.
    pub(super) attributes: Attributes,
    /// Whether it has the streams and the directory that it was to have.
    pub(super) streams: io::Result<()>,
}

/// What the server and its copies are called.
const NAME: &CStr = c"procession-fork";

/// Serves the root. Returns in the new processes only.
pub(super) fn serve(inherited: Inherited) -> Birth {
    let Inherited { arena, lifeline, requests, others } = inherited;
    let Ok([socket, register]) = <[OwnedFd; 2]>::try_from(others) else { std::process::exit(1) };
    let lifeline = Lifeline::new(lifeline);
    let own_lifeline = || lifeline.open().map_err(|e| format!("no lifeline for it: {e}"));
    // First of all, so that the root's death ends this process.
    let armed = own_lifeline().and_then(|own| own.arm().map(|()| own).map_err(|e| e.to_string()));
    let attributes = Attributes::current_once();
    // A terminal's signals reach it as well, and a service manager's.
    signals::mask(Some(!0));
    kill_point!(ServerBeforeGreeting);
    let ready = (|| -> Result<_, String> {
        let text = |e: Error| e.to_string();
        let armed = armed?;
        let arena = Arena::attach(arena).map_err(text)?;
        let register = Register::attach(register).map_err(|e| e.to_string())?;
        // After all that may start a thread.
        let forker = Forker::new()?;
        let identity = Identity::current().map_err(|e| e.to_string())?;
        sentinel::prepare();
        Ok((armed, own_lifeline()?, arena, register, forker, identity, attributes.map_err(text)?))
    })();
    let (armed, mut next_lifeline, arena, register, forker, identity, attributes) = match ready {
        Ok(ready) => ready,
        Err(reason) => {
            let reason: Vec<u8> = std::iter::once(b'n').chain(reason.into_bytes()).take(256).collect();
            let _ = socket::send(socket.as_fd(), &reason, &[]);
            std::process::exit(1);
        }
    };
    let name = rustix::thread::name();
    let _ = rustix::thread::set_name(NAME);
    if socket::send(socket.as_fd(), &[READY], &[]).is_err() {
        std::process::exit(1);
    }
    kill_point!(ServerAfterGreeting);
    let (owner, call, streams) = loop {
        let mut message = [0; ORDER_LEN];
        let (len, descriptors) = match socket::receive(socket.as_fd(), &mut message) {
            Ok((len @ 1.., descriptors)) => (len, descriptors),
            // The root has gone, or wants no server any more.
            _ => std::process::exit(0),
        };
        kill_point!(ServerAfterOrder);
        let Some(slot) = Order::owner_of(&message[..len]).map(|owner| owner.slot()) else { continue };
        match Order::from_message(&message[..len], &descriptors) {
            // SAFETY: bounds: none. Aliasing: none. Lifetime: `Forker::new` found one thread, and nothing here starts
            // another.
            Ok(order) => match unsafe { forker.fork(register.cell(slot)) } {
                Ok(Side::Copy) => break (order.owner, order.call, take_over(&order)),
                Ok(Side::Original) => {}
                Err(e) => register.refuse(slot, &e),
            },
            // The root makes no mistakes: this process had no room for the descriptors.
            Err(_) => register.refuse(slot, &io::Error::from_raw_os_error(libc::EMFILE)),
        }
        kill_point!(ServerAfterFork);
        register.wake(slot);
        kill_point!(ServerAfterWake);
        // While nobody waits: the next one needs a lifeline of its own.
        match lifeline.open() {
            Ok(own) => next_lifeline = own,
            Err(_) => std::process::exit(1),
        }
    };
    // In the new process. The register isn't mapped here; what else was the server's is closed.
    std::mem::forget(register);
    drop((armed, lifeline, socket));
    if let Ok(name) = name {
        let _ = rustix::thread::set_name(&name);
    }
    Birth { owner, call, lifeline: next_lifeline, arena, requests, identity, attributes, streams }
}

/// Gives a new process its streams and its directory.
fn take_over(order: &Order<'_>) -> io::Result<()> {
    for (number, stream) in order.stdio.into_iter().enumerate() {
        stdio::replace(number, stream)?;
    }
    order.directory.map_or(Ok(()), |directory| Ok(fchdir(directory)?))
}
