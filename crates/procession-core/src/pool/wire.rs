//! How tasks and results lie in the rings.
//!
//! | ring | frame kind | payload |
//! |---|---|---|
//! | tasks | `BATCH`, with the bits of its `Stamps` | count (4), claim word (8), function (8 + 8), then each task: length (4, top bit: lent), argument |
//! | results | a `Verdict`, with bit 3 if lent | the result's bytes |
//! | results | `SPAN` | when the task whose result comes next began and ended (8 + 8) |
//!
//! An argument or result of more than `INLINE` bytes, or with handles in it, lies in a block of its own, behind the list of
//! those handles, and a reference (offset, length) travels instead.

use crate::{
    arena::Arena,
    error::{Error, Result},
    family,
    members::Owner,
    references::{Envelope, Holder, Listed, Parcel, Share, receive},
    ring::{FRAME_HEADER, Frames, frame_space},
    start::Verdict,
};
use std::sync::Arc;

/// The largest argument or result that travels in the ring itself, in bytes.
pub const INLINE: usize = 8 << 10;

pub(super) const BATCH: u8 = 1;
pub(super) const BEGINNINGS: u8 = 2;
pub(super) const SPANS: u8 = 4;

/// What a worker is to say of each task of a batch, beside its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stamps {
    /// Nothing.
    None = 0,
    /// When it began: see `Report::since`.
    Beginnings = BEGINNINGS,
    /// That, and afterwards when it began and ended: see `Receiver::span`.
    Spans = BEGINNINGS | SPANS,
}

/// In the payload of a batch, before the tasks: count, claim, function.
pub(super) const BATCH_HEADER: usize = 4 + 8 + 16;
/// The position of the claim word after that of the frame's header.
pub(super) const CLAIM_AT: u64 = 8;

/// The place of the function in the payload of a batch.
pub(super) const FUNCTION_AT: usize = 12;

pub(super) const LENT_RESULT: u8 = 8;
/// A kind of its own, which no verdict has.
pub(super) const SPAN: u8 = 7;
const LENT_TASK: u32 = 1 << 31;

/// A block in shared memory that holds bytes for somebody else to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lent {
    pub(super) offset: u64,
    pub(super) len: u64,
}

impl Lent {
    pub(super) const SIZE: usize = 16;

    pub(super) fn to_bytes(self) -> [u8; Lent::SIZE] {
        let mut bytes = [0; Lent::SIZE];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.len.to_le_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Lent> {
        let word = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        match (word(0), word(8)) {
            (Some(offset), Some(len)) if bytes.len() == Lent::SIZE => Ok(Lent { offset, len }),
            _ => Err(Error::corrupted("a reference to a block has a wrong length")),
        }
    }

    /// Puts a message into a block of this process's.
    pub(super) fn new<'a>(
        arena: &'a Arena,
        bytes: &[u8],
        shares: &[Arc<Share>],
    ) -> Result<(Lent, Envelope<'a>)> {
        let envelope = Envelope::new(arena, shares, Holder::Member(arena.me().slot()))?;
        let prefix = envelope.prefix();
        let block = arena.alloc_bytes(&prefix, bytes)?;
        Ok((Lent { offset: block.offset(), len: (prefix.len() + bytes.len()) as u64 }, envelope))
    }

    /// The message in the block; the handles in it are this process's from now on.
    pub(super) fn receive(self, arena: &'static Arena) -> Result<Parcel> {
        receive(arena, arena.block(self.offset)?, 0, self.len as usize)
    }

    /// The handles of the message.
    pub(super) fn listed(self, arena: &Arena) -> Result<Listed> {
        Listed::read(arena.block(self.offset)?, 0, self.len as usize).map(|(listed, _)| listed)
    }
}

/// An argument in shared memory that is large or has handles in it, lent to whoever runs the task. Freed when this value is
/// dropped, and with it the handles that nobody has received.
#[derive(Debug)]
pub struct Loan(Lent);

impl Loan {
    /// Puts the bytes into shared memory.
    ///
    /// # Errors
    ///
    /// Out of memory when the arena cannot grow.
    pub fn new(bytes: &[u8], shares: &[Arc<Share>]) -> Result<Loan> {
        let (lent, envelope) = Lent::new(&family::current()?.arena, bytes, shares)?;
        envelope.keep();
        Ok(Loan(lent))
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Ok(family) = family::current()
            && let Ok(block) = family.arena.block(self.0.offset)
        {
            if let Ok(listed) = self.0.listed(&family.arena) {
                listed.release(&family.arena, Holder::Member(family.arena.me().slot()));
            }
            family.arena.free(block, family.arena.me());
        }
    }
}

/// The arguments of any number of tasks, as they travel.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    bytes: Vec<u8>,
    /// Where each begins, but for the first one: a task that is alone needs no memory for that.
    starts: Vec<u32>,
}

/// So much is reserved for the first task, so that a few numbers take one allocation.
const FEW_BYTES: usize = 32;

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Tasks {
        Tasks::default()
    }

    /// Adds a task whose argument `encode` appends to the buffer, and whose handles it gives. A large argument, or one with
    /// handles, goes into a block of its own.
    ///
    /// # Errors
    ///
    /// What `encode` gives; out of memory. Nothing was added then.
    #[inline]
    pub fn push(
        &mut self,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<Vec<Arc<Share>>>,
    ) -> Result<Option<Loan>> {
        let start = self.bytes.len();
        if start == 0 {
            self.bytes.reserve(FEW_BYTES);
        }
        self.bytes.extend_from_slice(&[0; 4]);
        let shares = match encode(&mut self.bytes) {
            Ok(shares) => shares,
            Err(e) => {
                self.bytes.truncate(start);
                return Err(e);
            }
        };
        let len = self.bytes.len() - start - 4;
        let is_lent = len > INLINE || !shares.is_empty();
        let loan = if is_lent { Some(self.lend(start, &shares)?) } else { None };
        let word = if loan.is_some() { Lent::SIZE as u32 | LENT_TASK } else { len as u32 };
        self.bytes[start..start + 4].copy_from_slice(&word.to_le_bytes());
        if start != 0 {
            self.starts.push(start as u32);
        }
        Ok(loan)
    }

    /// Moves the argument that was encoded after `start` into a block.
    #[cold]
    fn lend(&mut self, start: usize, shares: &[Arc<Share>]) -> Result<Loan> {
        let loan = Loan::new(&self.bytes[start + 4..], shares);
        self.bytes.truncate(if loan.is_ok() { start + 4 } else { start });
        let loan = loan?;
        self.bytes.extend_from_slice(&loan.0.to_bytes());
        Ok(loan)
    }

    /// How many tasks there are.
    pub fn len(&self) -> usize {
        // Each has a length at least, so there are none where there are no bytes.
        if self.bytes.is_empty() { 0 } else { self.starts.len() + 1 }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of all tasks together.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of some of the tasks.
    pub(super) fn slice(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.bytes[self.start(range.start)..self.start(range.end)]
    }

    /// Where a task begins, or the bytes end.
    fn start(&self, number: usize) -> usize {
        match number.checked_sub(1) {
            None => 0,
            Some(at) => self.starts.get(at).map_or(self.bytes.len(), |start| *start as usize),
        }
    }

    /// How many tasks from the front of the range fit into `space` bytes; at least one if there is one.
    pub(super) fn fitting(&self, range: std::ops::Range<usize>, space: usize) -> usize {
        let start = self.start(range.start);
        if self.start(range.end) - start <= space {
            return range.len();
        }
        // The last one doesn't; where the others end the next ones begin.
        let ends = &self.starts[range.start..range.end - 1];
        ends.partition_point(|end| *end as usize - start <= space).max(1)
    }
}

/// Takes the next task off the bytes of a batch: its argument or the reference to it.
#[inline]
pub(super) fn next_task<'a>(bytes: &mut &'a [u8]) -> Result<(&'a [u8], bool)> {
    let mut take = || {
        let (head, rest) = bytes.split_first_chunk()?;
        let word = u32::from_le_bytes(*head);
        let (argument, rest) = rest.split_at_checked((word & !LENT_TASK) as usize)?;
        *bytes = rest;
        Some((argument, word & LENT_TASK != 0))
    };
    take().ok_or_else(|| Error::corrupted("a batch of tasks ends too early"))
}

/// Results in the order in which their tasks were claimed, in private memory.
#[derive(Debug)]
pub enum Results {
    /// Small ones, as they lay in the ring.
    Frames {
        /// The frames.
        bytes: Vec<u8>,
        /// How many there are.
        count: usize,
    },
    /// One that came in a block of its own.
    Large(Verdict, Parcel),
}

impl Results {
    /// How many there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        match self {
            Results::Frames { count, .. } => *count,
            Results::Large(..) => 1,
        }
    }

    /// The first one, in the memory in which it came.
    pub fn into_first(self) -> Option<(Verdict, Parcel)> {
        match self {
            Results::Large(verdict, parcel) => Some((verdict, parcel)),
            Results::Frames { mut bytes, .. } => {
                let mut frames = Frames::new(&bytes);
                let frame = frames.next()?.ok()?;
                let (verdict, len) = (Verdict::from_bits(frame.kind)?, frame.payload.len());
                let start = bytes.len() - frames.rest() - frame_space(len) + FRAME_HEADER;
                bytes.truncate(start + len);
                bytes.drain(..start);
                Some((verdict, Parcel { bytes, shares: Vec::new() }))
            }
        }
    }

    /// Each one's verdict, bytes and handles.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, &[u8], &[Arc<Share>])> {
        let (frames, large) = match self {
            Results::Frames { bytes, .. } => (bytes.as_slice(), None),
            Results::Large(verdict, parcel) => {
                (&[][..], Some((*verdict, parcel.bytes.as_slice(), parcel.shares.as_slice())))
            }
        };
        // Both were checked when they were received.
        let small = Frames::new(frames).filter_map(|frame| {
            let frame = frame.ok()?;
            Some((Verdict::from_bits(frame.kind)?, frame.payload, &[][..]))
        });
        small.chain(large)
    }
}

/// Takes over and copies a lent result; the caller frees it once its frame is retired.
///
/// Only a block of the worker's own can be its result: what else it names would be somebody's who still needs it.
pub(super) fn take_over(arena: &'static Arena, reference: Lent, worker: Option<Owner>) -> Result<Parcel> {
    let block = arena.block(reference.offset)?;
    if !worker.is_some_and(|worker| arena.take_over(block, worker)) {
        return Err(Error::corrupted("a lent result belongs to somebody else"));
    }
    reference.receive(arena).inspect_err(|_| {
        arena.free(block, arena.me());
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::ring::header;

    /// So many tasks of so many bytes each, whose number each of them is.
    fn tasks(lengths: &[usize]) -> Tasks {
        let mut tasks = Tasks::new();
        for (number, len) in lengths.iter().enumerate() {
            assert_eq!((tasks.len(), tasks.is_empty()), (number, number == 0));
            let push = tasks.push(|out| {
                out.resize(out.len() + len, number as u8);
                Ok(Vec::new())
            });
            assert!(push.unwrap().is_none());
            let failed = tasks.push(|out| {
                out.push(0);
                Err(Error::corrupted("not this one"))
            });
            assert!(failed.is_err());
        }
        tasks
    }

    #[test]
    fn slices_are_whole_tasks() {
        let lengths = [0, 3, 40, 0, 7];
        for count in 0..=lengths.len() {
            let tasks = tasks(&lengths[..count]);
            for start in 0..=count {
                for end in start..=count {
                    let mut bytes = tasks.slice(start..end);
                    for (number, len) in lengths.iter().enumerate().take(end).skip(start) {
                        let (argument, lent) = next_task(&mut bytes).unwrap();
                        assert_eq!((argument, lent), (&vec![number as u8; *len][..], false));
                    }
                    assert!(bytes.is_empty());
                }
            }
        }
    }

    #[test]
    fn as_many_are_given_as_fit() {
        let tasks = tasks(&[6, 6, 16, 6]);
        assert_eq!(tasks.fitting(0..4, 50), 4);
        assert_eq!(tasks.fitting(0..4, 49), 3);
        assert_eq!(tasks.fitting(0..4, 40), 3);
        assert_eq!(tasks.fitting(0..4, 39), 2);
        assert_eq!(tasks.fitting(0..2, 20), 2);
        assert_eq!(tasks.fitting(2..4, 20), 1);
        assert_eq!(tasks.fitting(1..2, 1), 1, "one at least");
        assert_eq!(tasks.fitting(1..1, 1), 0);
    }

    #[test]
    fn the_first_result_stays_where_it_is() {
        let frame = |kind: u8, payload: &[u8]| {
            let mut bytes = header(kind, payload.len()).to_le_bytes().to_vec();
            bytes.extend_from_slice(payload);
            bytes.resize(frame_space(payload.len()), 0xee);
            bytes
        };
        let skipped = frame(crate::ring::SKIP, &[1, 2]);
        let result = frame(Verdict::Value as u8, b"result");
        for bytes in [result.clone(), [skipped.clone(), result.clone()].concat(), [result, skipped].concat()]
        {
            let (verdict, parcel) = Results::Frames { bytes, count: 1 }.into_first().unwrap();
            assert_eq!((verdict, &parcel.bytes[..]), (Verdict::Value, &b"result"[..]));
        }
    }
}
