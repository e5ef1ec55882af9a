//! ipc-channel: Unix sockets; messages are encoded, or bytes as they are.

use crate::{
    measure::Result,
    traffic::forms::{Receives, Sends, Words},
};
use ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcReceiver, IpcSender};
use serde::{Serialize, de::DeserializeOwned};

/// What may be sent.
pub(crate) trait Message: Serialize + DeserializeOwned {}
impl<T: Serialize + DeserializeOwned> Message for T {}

/// Waits for the second process to send an end, under a name.
pub(crate) fn server<E: Message>() -> Result<(IpcOneShotServer<E>, String)> {
    Ok(IpcOneShotServer::new()?)
}

pub(crate) fn accept<E: Message>(server: IpcOneShotServer<E>) -> Result<E> {
    Ok(server.accept()?.1)
}

/// The second process's end of a new channel of bytes, of which the other one is sent.
pub(crate) fn bytes_sender(name: &str) -> Result<IpcBytesSender> {
    let (sender, receiver) = ipc::bytes_channel()?;
    give(name, receiver)?;
    Ok(sender)
}

/// The same of a channel of values.
pub(crate) fn words_sender(name: &str) -> Result<IpcSender<Words>> {
    let (sender, receiver) = ipc::channel()?;
    give(name, receiver)?;
    Ok(sender)
}

/// Two channels of bytes: the second process's ends.
pub(crate) fn both_ways(name: &str) -> Result<(IpcBytesReceiver, IpcBytesSender)> {
    let ((there, receiver), (sender, back)) = (ipc::bytes_channel()?, ipc::bytes_channel()?);
    give(name, (there, back))?;
    Ok((receiver, sender))
}

fn give<E: Message>(name: &str, end: E) -> Result<()> {
    Ok(IpcSender::connect(name.to_string())?.send(end)?)
}

impl Sends<[u8]> for IpcBytesSender {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(IpcBytesSender::send(self, message)?)
    }
}

impl Sends<Vec<u8>> for IpcBytesSender {
    fn send(&mut self, message: &Vec<u8>) -> Result<()> {
        Ok(IpcBytesSender::send(self, message)?)
    }
}

impl Receives<[u8]> for IpcBytesReceiver {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(look(&self.recv()?))
    }
}

impl Receives<Vec<u8>> for IpcBytesReceiver {
    fn receive<R>(&mut self, look: impl FnOnce(&Vec<u8>) -> R) -> Result<R> {
        Ok(look(&self.recv()?))
    }
}

impl Sends<Words> for IpcSender<Words> {
    #[inline]
    fn send(&mut self, message: &Words) -> Result<()> {
        Ok(IpcSender::send(self, *message)?)
    }
}

impl Receives<Words> for IpcReceiver<Words> {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&Words) -> R) -> Result<R> {
        Ok(look(&self.recv()?))
    }
}
