//! The order: what the root is asked to start. It travels from members to the root, and from the root to its forkserver,
//! as a message with descriptors.

use super::{attributes::Own, method::StartMethod};
use crate::{
    arena::Handle,
    error::{Error, ErrorKind, Result},
    members::Owner,
    sys::{socket::DESCRIPTORS, spawn::Stream},
};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};

/// One process to be started.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    /// Who it will be, reserved by the starter.
    pub(crate) owner: Owner,
    /// What it's to run.
    pub(crate) call: Handle,
    /// Who wants it.
    pub(crate) starter: Owner,
    pub(crate) method: StartMethod,
    pub(crate) daemon: bool,
    pub(crate) kill_on_drop: bool,
    pub(crate) stdio: [Stream<'a>; 3],
    pub(crate) directory: Option<BorrowedFd<'a>>,
    /// What the starter is, if that is this process: this doesn't travel.
    pub(crate) own: Option<&'a Own>,
}

const WORDS: usize = 5;

/// How long a message is.
pub(crate) const ORDER_LEN: usize = WORDS * 8;

const DIRECTORY: u64 = 1 << 3;
const DAEMON: u64 = 1 << 4;
const KILL_ON_DROP: u64 = 1 << 5;
const METHOD_AT: u32 = 8;

fn word(message: &[u8; ORDER_LEN], i: usize) -> u64 {
    u64::from_le_bytes(message[i * 8..][..8].try_into().expect("eight bytes"))
}

impl<'a> Order<'a> {
    /// The message. Streams that are kept must have been named before: they mean nothing elsewhere.
    pub(crate) fn to_message(&self) -> ([u8; ORDER_LEN], Vec<BorrowedFd<'a>>) {
        let mut flags = u64::from(self.method as u32) << METHOD_AT;
        let mut descriptors = Vec::with_capacity(DESCRIPTORS);
        for (i, stream) in self.stdio.iter().enumerate() {
            if let Stream::From(fd) = stream {
                flags |= 1 << i;
                descriptors.push(*fd);
            }
        }
        if let Some(directory) = self.directory {
            flags |= DIRECTORY;
            descriptors.push(directory);
        }
        flags |= if self.daemon { DAEMON } else { 0 } | if self.kill_on_drop { KILL_ON_DROP } else { 0 };
        let words =
            [flags, self.owner.to_bits(), self.call.offset, self.call.generation, self.starter.to_bits()];
        let mut message = [0; ORDER_LEN];
        for (bytes, word) in message.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        (message, descriptors)
    }

    /// Whom a message is about, and what they are to run, if it's an order at all.
    pub(crate) fn subject_of(message: &[u8; ORDER_LEN]) -> Option<(Owner, Handle)> {
        let handle = Handle { offset: word(message, 2), generation: word(message, 3) };
        Some((Owner::from_bits(word(message, 1))?, handle))
    }

    /// The order that a message holds.
    ///
    /// # Errors
    ///
    /// Corrupted when no member can have sent it; start failed when its descriptors didn't fit into this process.
    pub(crate) fn from_message(message: &[u8], descriptors: &'a [Option<OwnedFd>]) -> Result<Order<'a>> {
        let wrong = || Error::corrupted("an order for a new process");
        let message = message.try_into().map_err(|_| wrong())?;
        let (owner, call) = Order::subject_of(message).ok_or_else(wrong)?;
        let flags = word(message, 0);
        let no_room = || {
            Error::new(
                ErrorKind::StartFailed,
                "there is no room for the descriptors of a new process (RLIMIT_NOFILE?)",
            )
        };
        let mut descriptors = descriptors.iter().flatten().map(|fd| fd.as_fd());
        let mut stdio = [Stream::Closed; 3];
        for (i, stream) in stdio.iter_mut().enumerate() {
            if flags >> i & 1 != 0 {
                *stream = Stream::From(descriptors.next().ok_or_else(no_room)?);
            }
        }
        let directory =
            if flags & DIRECTORY != 0 { Some(descriptors.next().ok_or_else(no_room)?) } else { None };
        Ok(Order {
            owner,
            call,
            starter: Owner::from_bits(word(message, 4)).ok_or_else(wrong)?,
            method: StartMethod::from_bits((flags >> METHOD_AT) as u8 as u32).ok_or_else(wrong)?,
            daemon: flags & DAEMON != 0,
            kill_on_drop: flags & KILL_ON_DROP != 0,
            stdio,
            directory,
            own: None,
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_its_journey() {
        let file = OwnedFd::from(std::fs::File::open("/").unwrap());
        let order = Order {
            owner: Owner::new(3, 9).unwrap(),
            call: Handle { offset: 4096, generation: 77 },
            starter: Owner::new(1, 2).unwrap(),
            method: StartMethod::Spawn,
            daemon: true,
            kill_on_drop: false,
            stdio: [Stream::Closed, Stream::From(file.as_fd()), Stream::Closed],
            directory: Some(file.as_fd()),
            own: None,
        };
        let (message, descriptors) = order.to_message();
        assert_eq!(descriptors.len(), 2);
        let received = [Some(file.try_clone().unwrap()), Some(file.try_clone().unwrap())];
        let back = Order::from_message(&message, &received).unwrap();
        assert_eq!((back.owner, back.call, back.starter), (order.owner, order.call, order.starter));
        assert_eq!((back.method, back.daemon, back.kill_on_drop), (StartMethod::Spawn, true, false));
        assert!(matches!(back.stdio, [Stream::Closed, Stream::From(_), Stream::Closed]));
        assert!(back.directory.is_some());
        let mut stranger = message;
        stranger[8..16].fill(0xff);
        for wrong in [&message[..8], &stranger, &[0xff; ORDER_LEN + 1], &[0; ORDER_LEN]] {
            assert!(Order::from_message(wrong, &received).unwrap_err().is_corrupted());
        }
        assert!(Order::from_message(&message, &received[..1]).unwrap_err().is_start_failed());
    }
}
