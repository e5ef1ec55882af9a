//! ipmpsc: a ring in a file for many senders and one receiver, with a lock and a condition of the C library. All messages go
//! through serde; bytes are given as such, and looked at where they lie.

use super::folder::Folder;
use crate::{
    measure::Result,
    traffic::forms::{Receives, Sends, Words},
};
use ipmpsc::SharedRingBuffer;
use serde_bytes::{ByteBuf, Bytes};

pub(crate) struct Sender(ipmpsc::Sender);
pub(crate) struct Receiver(ipmpsc::Receiver);

fn path(folder: &str) -> String {
    format!("{folder}/ring")
}

pub(crate) fn sender(folder: &str) -> Result<Sender> {
    Ok(Sender(ipmpsc::Sender::new(SharedRingBuffer::open(&path(folder))?)))
}

/// Makes the ring too.
pub(crate) fn receiver(folder: &Folder, capacity: usize) -> Result<Receiver> {
    let ring = SharedRingBuffer::create(&path(folder.path()), u32::try_from(capacity)?)?;
    Ok(Receiver(ipmpsc::Receiver::new(ring)))
}

impl Sends<[u8]> for Sender {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.0.send(&Bytes::new(message))?)
    }
}

impl Sends<Vec<u8>> for Sender {
    fn send(&mut self, message: &Vec<u8>) -> Result<()> {
        self.send(message.as_slice())
    }
}

impl Sends<Words> for Sender {
    #[inline]
    fn send(&mut self, message: &Words) -> Result<()> {
        Ok(self.0.send(message)?)
    }
}

impl Receives<[u8]> for Receiver {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(look(self.0.zero_copy_context().recv()?))
    }
}

impl Receives<Vec<u8>> for Receiver {
    fn receive<R>(&mut self, look: impl FnOnce(&Vec<u8>) -> R) -> Result<R> {
        Ok(look(&self.0.recv::<ByteBuf>()?.into_vec()))
    }
}

impl Receives<Words> for Receiver {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&Words) -> R) -> Result<R> {
        Ok(look(&self.0.recv()?))
    }
}
