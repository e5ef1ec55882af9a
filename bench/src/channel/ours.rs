//! Our channel in each of the contests.

use super::{
    idle, large,
    round_trip::{self, HOT, Kind, PARKED},
    small,
};
use crate::{
    family::{join, start, take_part},
    measure::Result,
    sync::area::Area,
    traffic::{
        ONE_TO_ONE,
        forms::{Receives, Sends, SendsInPlace, Words, take_bytes, take_in_place, take_vec, take_words},
        take_and_measure,
    },
};
use procession::{Plain, Receiver, Sender, Task, channel};
use serde::{Serialize, de::DeserializeOwned};

impl Sends<[u8]> for Sender<Vec<u8>> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.send_bytes(message)?)
    }
}

/// A receiver, and what its messages are received into.
struct Bytes {
    receiver: Receiver<Vec<u8>>,
    buffer: Vec<u8>,
}

impl From<Receiver<Vec<u8>>> for Bytes {
    fn from(receiver: Receiver<Vec<u8>>) -> Bytes {
        Bytes { receiver, buffer: Vec::new() }
    }
}

impl Receives<[u8]> for Bytes {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        self.buffer.clear();
        self.receiver.recv_bytes_into(&mut self.buffer)?;
        Ok(look(&self.buffer))
    }
}

impl Sends<Vec<u8>> for Sender<Vec<u8>> {
    fn send(&mut self, message: &Vec<u8>) -> Result<()> {
        Ok(Sender::send(self, message)?)
    }
}

impl Receives<Vec<u8>> for Receiver<Vec<u8>> {
    fn receive<R>(&mut self, look: impl FnOnce(&Vec<u8>) -> R) -> Result<R> {
        Ok(look(&self.recv()?))
    }
}

impl Sends<Words> for Sender<Words> {
    #[inline]
    fn send(&mut self, message: &Words) -> Result<()> {
        Ok(Sender::send(self, message)?)
    }
}

impl Receives<Words> for Receiver<Words> {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&Words) -> R) -> Result<R> {
        Ok(look(&self.recv()?))
    }
}

impl Sends<Words> for Sender<Plain<Words>> {
    #[inline]
    fn send(&mut self, message: &Words) -> Result<()> {
        Ok(Sender::send(self, &Plain(*message))?)
    }
}

impl Receives<Words> for Receiver<Plain<Words>> {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&Words) -> R) -> Result<R> {
        Ok(look(&*self.recv()?))
    }
}

impl SendsInPlace for Sender<Vec<u8>> {
    fn send_in_place(&mut self, len: usize, fill: impl Fn(&mut [u8])) -> Result<()> {
        let mut message = self.reserve(len)?;
        fill(&mut message);
        Ok(message.commit()?)
    }
}

/// A receiver whose messages are read where they lie.
struct InPlace<'a>(&'a Receiver<Vec<u8>>);

impl Receives<[u8]> for InPlace<'_> {
    fn receive<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        Ok(look(&self.0.recv_in_place()?))
    }
}

/// As many as fit into a second, of one kind of message.
fn rate<M: Serialize + DeserializeOwned + 'static, R: From<Receiver<M>>>(
    batch: usize,
    second: impl Task<(Sender<M>,), Output = bool>,
    mut take: impl FnMut(&mut R) -> Result<u64>,
) -> Result<f64> {
    let area = Area::new()?;
    let (sender, receiver) = channel::<M>()?;
    let mut receiver = receiver.into();
    let other = start(&area, second, (sender,))?;
    take_and_measure(&area, ONE_TO_ONE, batch, || take(&mut receiver), || join(other))
}

pub(super) fn bytes() -> Result<f64> {
    rate(small::BATCH, send_bytes, take_bytes::<Bytes>)
}

fn send_bytes(sender: Sender<Vec<u8>>) -> bool {
    take_part(|area| small::put_all_bytes(area, sender))
}

pub(super) fn typed() -> Result<f64> {
    rate(small::BATCH, send_typed, take_words::<Receiver<Words>>)
}

fn send_typed(sender: Sender<Words>) -> bool {
    take_part(|area| small::put_all_typed(area, sender))
}

pub(super) fn plain() -> Result<f64> {
    rate(small::BATCH, send_plain, take_words::<Receiver<Plain<Words>>>)
}

fn send_plain(sender: Sender<Plain<Words>>) -> bool {
    take_part(|area| small::put_all_typed(area, sender))
}

pub(super) fn in_place() -> Result<f64> {
    rate(1, send_in_place, |receiver: &mut Receiver<Vec<u8>>| take_in_place(&mut InPlace(receiver)))
}

fn send_in_place(sender: Sender<Vec<u8>>) -> bool {
    take_part(|area| large::put_all_in_place(area, sender))
}

pub(super) fn owned() -> Result<f64> {
    rate(1, send_owned, take_vec::<Receiver<Vec<u8>>>)
}

fn send_owned(sender: Sender<Vec<u8>>) -> bool {
    take_part(|area| large::put_all_owned(area, sender))
}

/// This process's ends of two channels, and the other one's.
type Here = (Sender<Vec<u8>>, Bytes);
type There = (Receiver<Vec<u8>>, Sender<Vec<u8>>);

fn both_ways() -> Result<(Here, There)> {
    let ((there, receiver), (sender, back)) = (channel()?, channel()?);
    Ok(((there, back.into()), (receiver, sender)))
}

fn trips(kind: Kind, answer: impl Task<There, Output = bool>) -> Result<f64> {
    let (area, (here, there)) = (Area::new()?, both_ways()?);
    let other = start(&area, answer, there)?;
    round_trip::by_bytes(&area, kind, here, || join(other))
}

pub(super) fn hot() -> Result<f64> {
    trips(HOT, answer_hot)
}

fn answer_hot(there: Receiver<Vec<u8>>, back: Sender<Vec<u8>>) -> bool {
    take_part(|area| round_trip::answer_bytes(area, HOT, (Bytes::from(there), back)))
}

pub(super) fn parked() -> Result<f64> {
    trips(PARKED, answer_parked)
}

fn answer_parked(there: Receiver<Vec<u8>>, back: Sender<Vec<u8>>) -> bool {
    take_part(|area| round_trip::answer_bytes(area, PARKED, (Bytes::from(there), back)))
}

pub(super) fn idle() -> Result<f64> {
    let (area, (here, there)) = (Area::new()?, both_ways()?);
    let other = start(&area, wait_idle, there)?;
    idle::keep_waiting(&area, here, || join(other))
}

fn wait_idle(there: Receiver<Vec<u8>>, back: Sender<Vec<u8>>) -> bool {
    take_part(|area| idle::wait(area, (Bytes::from(there), back)))
}
