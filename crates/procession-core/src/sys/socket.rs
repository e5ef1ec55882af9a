//! Messages with descriptors: a pair of sockets that keeps messages apart (`SOCK_SEQPACKET`).

use crate::sys::stdio::above_stdio;
use rustix::{
    fd::{BorrowedFd, OwnedFd},
    io::{Errno, IoSlice, IoSliceMut},
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
    },
};
use std::{mem::MaybeUninit, time::Duration};

/// The most descriptors in a message.
pub(crate) const DESCRIPTORS: usize = 5;

/// A pair of connected ends. What can't be sent within `patience` fails with `AGAIN`.
pub(crate) fn pair(patience: Duration) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (one, other) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let (one, other) = (above_stdio(one)?, above_stdio(other)?);
    sockopt::set_socket_timeout(&one, sockopt::Timeout::Send, Some(patience))?;
    sockopt::set_socket_timeout(&other, sockopt::Timeout::Send, Some(patience))?;
    Ok((one, other))
}

/// The process that made the pair.
pub(crate) fn maker(socket: BorrowedFd<'_>) -> rustix::io::Result<u32> {
    Ok(sockopt::socket_peercred(socket)?.pid.as_raw_nonzero().get() as u32)
}

/// Has a receive fail with `AGAIN` when nothing came within `patience`.
pub(crate) fn set_patience(socket: BorrowedFd<'_>, patience: Duration) -> rustix::io::Result<()> {
    sockopt::set_socket_timeout(socket, sockopt::Timeout::Recv, Some(patience))
}

/// Sends one message, wholly or not at all.
pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    send_with(socket, bytes, descriptors, SendFlags::empty())
}

/// Like `send`, but fails with `AGAIN` at once where it would have to wait.
pub(crate) fn try_send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> rustix::io::Result<()> {
    send_with(socket, bytes, descriptors, SendFlags::DONTWAIT)
}

fn send_with(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> rustix::io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::TOOBIG);
    }
    loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, flags | SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            sent => return sent.map(|_| ()),
        }
    }
}

/// The descriptors of a message, in their order.
pub(crate) type Received = [Option<OwnedFd>; DESCRIPTORS];

/// Receives one message: how long it was (0: nobody is left to send one), and its descriptors, which are close-on-exec.
pub(crate) fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> rustix::io::Result<(usize, Received)> {
    receive_with(socket, bytes, RecvFlags::empty())
}

/// Like `receive`, but fails with `AGAIN` at once when there is nothing.
pub(crate) fn try_receive(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> rustix::io::Result<(usize, Received)> {
    receive_with(socket, bytes, RecvFlags::DONTWAIT)
}

fn receive_with(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    flags: RecvFlags,
) -> rustix::io::Result<(usize, Received)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut parts = [IoSliceMut::new(bytes)];
        match recvmsg(socket, &mut parts, &mut ancillary, flags | RecvFlags::CMSG_CLOEXEC) {
            // The other side has gone without having read all: that is said once. What it had sent comes afterwards.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            received => break received?,
        }
    };
    let mut descriptors = Received::default();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            for (place, fd) in descriptors.iter_mut().zip(rights) {
                *place = above_stdio(fd).ok();
            }
        }
    }
    Ok((received.bytes, descriptors))
}
