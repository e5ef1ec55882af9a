//! The ends of a channel, and the numbers as messages of several forms.

use super::END;
use crate::measure::Result;
use std::array;

/// What a message of eight words is.
pub(crate) type Words = [u64; 8];

/// The length of a large message, in bytes.
pub(crate) const LARGE: usize = 1 << 20;

/// So many small messages are put and taken at once.
pub(crate) const MANY: usize = 32;

/// An end that sends what others have made.
pub(crate) trait Sends<M: ?Sized> {
    fn send(&mut self, message: &M) -> Result<()>;
}

/// An end that receives. A message is looked at where the end has it: in the shared memory, in a buffer, or as a value.
pub(crate) trait Receives<M: ?Sized> {
    fn receive<R>(&mut self, look: impl FnOnce(&M) -> R) -> Result<R>;
}

/// An end that lets others make a message of so many bytes where it lies.
pub(crate) trait SendsInPlace {
    fn send_in_place(&mut self, len: usize, fill: impl Fn(&mut [u8])) -> Result<()>;
}

/// An end that sends several at once.
pub(crate) trait SendsMany {
    fn send_many(&mut self, messages: &[Words]) -> Result<()>;
}

/// An end that receives several at once.
pub(crate) trait ReceivesMany {
    /// Up to [`MANY`], at least one, added to those.
    fn receive_many(&mut self, messages: &mut Vec<Words>) -> Result<()>;
}

#[inline]
pub(crate) fn words_of(bytes: &[u8; 64]) -> Words {
    array::from_fn(|n| word(bytes, n))
}

#[inline]
pub(crate) fn bytes_of(words: &Words) -> [u8; 64] {
    let mut bytes = [0; 64];
    fill(&mut bytes, |n| words[n]);
    bytes
}

#[inline]
fn word(bytes: &[u8], n: usize) -> u64 {
    u64::from_ne_bytes(array::from_fn(|i| bytes[8 * n + i]))
}

#[inline]
fn fill(bytes: &mut [u8], word: impl Fn(usize) -> u64) {
    bytes
        .chunks_exact_mut(8)
        .enumerate()
        .for_each(|(n, chunk)| chunk.copy_from_slice(&word(n).to_ne_bytes()));
}

/// The number of a message whose first and last words are these.
#[inline]
fn number(first: u64, last: u64) -> Result<u64> {
    if first == last { Ok(first) } else { Err(format!("a message of {first} and {last}").into()) }
}

/// 64 bytes, all of them written and the first and last words looked at.
#[inline]
pub(crate) fn put_bytes(end: &mut impl Sends<[u8]>, number: u64) -> Result<()> {
    end.send(&bytes_of(&[number; 8]))
}

#[inline]
pub(crate) fn take_bytes<E: Receives<[u8]>>(end: &mut E) -> Result<u64> {
    end.receive(|bytes| match bytes.len() {
        64 => number(word(bytes, 0), word(bytes, 7)),
        len => Err(format!("{len} bytes instead of 64").into()),
    })?
}

/// The same as a value.
#[inline]
pub(crate) fn put_words(end: &mut impl Sends<Words>, number: u64) -> Result<()> {
    end.send(&[number; 8])
}

#[inline]
pub(crate) fn take_words<E: Receives<Words>>(end: &mut E) -> Result<u64> {
    end.receive(|words| number(words[0], words[7]))?
}

/// A large message, of which the number is at both ends; nothing else of it is touched by us.
pub(crate) fn put_vec(end: &mut impl Sends<Vec<u8>>, message: &mut Vec<u8>, number: u64) -> Result<()> {
    let len = message.len();
    fill(&mut message[..8], |_| number);
    fill(&mut message[len - 8..], |_| number);
    end.send(message)
}

pub(crate) fn take_vec<E: Receives<Vec<u8>>>(end: &mut E) -> Result<u64> {
    end.receive(|bytes| match bytes.len() {
        LARGE => number(word(bytes, 0), word(bytes, LARGE / 8 - 1)),
        len => Err(format!("{len} bytes instead of {LARGE}").into()),
    })?
}

/// A large message, all of it written and read where it lies.
pub(crate) fn put_in_place(end: &mut impl SendsInPlace, number: u64) -> Result<()> {
    end.send_in_place(LARGE, |bytes| fill(bytes, |_| number))
}

pub(crate) fn take_in_place(end: &mut impl Receives<[u8]>) -> Result<u64> {
    end.receive(|bytes| {
        let sum = bytes.chunks_exact(8).fold(0_u64, |sum, chunk| sum.wrapping_add(word(chunk, 0)));
        let first = word(bytes, 0);
        match (bytes.len(), first.wrapping_mul(LARGE as u64 / 8)) {
            (LARGE, right) => number(sum, right).map(|_| first),
            (len, _) => Err(format!("{len} bytes instead of {LARGE}").into()),
        }
    })?
}

/// Puts numbers in lots of [`MANY`]; the end is put at once.
pub(crate) fn put_in_lots(mut end: impl SendsMany) -> impl FnMut(u64) -> Result<()> {
    let mut lot = Vec::with_capacity(MANY);
    move |number| {
        lot.push([number; 8]);
        if lot.len() < MANY && number != END {
            return Ok(());
        }
        end.send_many(&lot)?;
        lot.clear();
        Ok(())
    }
}

/// Takes numbers in lots.
pub(crate) fn take_in_lots(mut end: impl ReceivesMany) -> impl FnMut() -> Result<u64> {
    let mut lot = Vec::with_capacity(MANY);
    let mut next = 0;
    move || {
        if next == lot.len() {
            lot.clear();
            end.receive_many(&mut lot)?;
            next = 0;
        }
        let words = lot[next];
        next += 1;
        number(words[0], words[7])
    }
}
