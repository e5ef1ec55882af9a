//! The spare: a fork of the server that waits to become whoever is started next. So a start doesn't wait for a fork.

use super::{
    attributes::Attributes,
    order::{ORDER_LEN, Order},
};
use crate::{
    arena::{Arena, Handle},
    error::{Error, Result},
    kill_point::kill_point,
    members::Owner,
    sys::{clone::leave, environment::Environment, lifeline::Own, sentinel, socket, stdio},
};
use rustix::{
    fd::{AsFd, OwnedFd},
    process::fchdir,
};
use std::{
    ffi::{CStr, CString},
    hint::black_box,
    io,
};

/// What a spare is called while it waits.
const NAME: &CStr = c"procession-next";

/// What a spare has from the server.
#[derive(Debug)]
pub(super) struct Spare {
    pub(super) arena: Arena,
    /// Not armed yet.
    pub(super) lifeline: Own,
    pub(super) requests: OwnedFd,
    pub(super) attributes: Attributes,
    /// The program's name.
    pub(super) name: CString,
    /// Where its order comes from; closed when nobody will send one.
    pub(super) orders: OwnedFd,
}

/// What a process is born with that the forkserver made.
#[derive(Debug)]
pub(super) struct Birth {
    pub(super) owner: Owner,
    pub(super) call: Handle,
    pub(super) arena: Arena,
    pub(super) requests: OwnedFd,
    /// What it inherited from the server, and not from whoever started it.
    pub(super) attributes: Attributes,
    /// Whether it has the streams and the directory that it was to have.
    pub(super) streams: Result<()>,
}

impl Spare {
    /// Waits for the order. Ends the process when none will come.
    pub(super) fn wait(self) -> Birth {
        let Spare { arena, lifeline, requests, attributes, name, orders } = self;
        let _ = rustix::thread::set_name(NAME);
        // All that can be done before it's known who this will be.
        let ready = lifeline.arm().is_ok();
        std::mem::forget(lifeline);
        sentinel::arm();
        let (true, Ok(arena)) = (ready, arena.renew()) else { leave(1) };
        rehearse(&arena, &attributes);
        kill_point!(SpareBeforeOrder);
        let mut message = [0; ORDER_LEN];
        let received = socket::receive(orders.as_fd(), &mut message);
        kill_point!(SpareAfterOrder);
        // Nobody wants it any more, or the root has gone.
        let Ok((ORDER_LEN, descriptors)) = received else { leave(0) };
        let Some((owner, call)) = Order::subject_of(&message) else { leave(1) };
        let streams = match Order::from_message(&message, &descriptors) {
            Ok(order) => take_over(&order).map_err(|e| {
                Error::start_failed("the new process could not take over its streams and directory", e)
            }),
            Err(e) => Err(e),
        };
        let _ = rustix::thread::set_name(&name);
        Birth { owner, call, arena, requests, attributes, streams }
    }
}

/// Touches memory that the new process will use: each page that is first touched now isn't waited for then.
fn rehearse(arena: &Arena, attributes: &Attributes) {
    // What it has already: this changes nothing.
    let _ = Attributes::from_bytes(&attributes.to_bytes()).and_then(|own| own.apply(attributes));
    black_box(Environment::current(|_| true));
    arena.touch();
    black_box(vec![1_u8; 16 << 10]);
    black_box([1_u8; 16 << 10]);
}

/// Gives a new process its streams and its directory.
fn take_over(order: &Order<'_>) -> io::Result<()> {
    for (number, stream) in order.stdio.into_iter().enumerate() {
        stdio::replace(number, stream)?;
    }
    order.directory.map_or(Ok(()), |directory| Ok(fchdir(directory)?))
}
