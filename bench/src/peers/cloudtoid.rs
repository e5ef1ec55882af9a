//! cloudtoid-interprocess: a queue of bytes for many senders and receivers. Who finds it full has to try again; who finds it empty
//! can sleep, but isn't always woken and looks every 5 ms.

use super::{folder, poll};
use crate::{
    measure::Result,
    traffic::forms::{Receives, Sends, SendsMany, Words, bytes_of},
};
use cloudtoid_interprocess::{Error, Options, Publisher, Subscriber};

/// How often an end looks before it sleeps.
const LOOKS: usize = 1_000;

pub(crate) struct Sender(Publisher);
pub(crate) struct Receiver(Subscriber);

fn options(folder: &str, capacity: usize) -> Options {
    Options::new(folder::prefix(folder), capacity).with_path(folder)
}

pub(crate) fn sender(folder: &str, capacity: usize) -> Result<Sender> {
    Ok(Sender(Publisher::open(&options(folder, capacity))?))
}

pub(crate) fn receiver(folder: &str, capacity: usize) -> Result<Receiver> {
    Ok(Receiver(Subscriber::open(&options(folder, capacity))?))
}

impl Sends<[u8]> for Sender {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        poll(|| match self.0.try_send(message) {
            Ok(()) => Ok(Some(())),
            Err(Error::Full) => Ok(None),
            Err(e) => Err(e.into()),
        })
    }
}

impl Sends<Vec<u8>> for Sender {
    fn send(&mut self, message: &Vec<u8>) -> Result<()> {
        self.send(message.as_slice())
    }
}

impl SendsMany for Sender {
    fn send_many(&mut self, messages: &[Words]) -> Result<()> {
        let bytes: Vec<_> = messages.iter().map(bytes_of).collect();
        let slices: Vec<_> = bytes.iter().map(|message| message.as_slice()).collect();
        let mut sent = 0;
        poll(|| {
            sent += self.0.try_send_batch(&slices[sent..])?;
            Ok((sent == slices.len()).then_some(()))
        })
    }
}

impl Receives<[u8]> for Receiver {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let mut message = [0; 64];
        for _ in 0..LOOKS {
            if let Some(len) = self.0.try_recv_into(&mut message)? {
                return Ok(look(&message[..len]));
            }
            std::hint::spin_loop();
        }
        Ok(look(&self.0.recv()?))
    }
}

impl Receives<Vec<u8>> for Receiver {
    fn receive<R>(&mut self, look: impl FnOnce(&Vec<u8>) -> R) -> Result<R> {
        Ok(look(&self.0.recv()?))
    }
}
