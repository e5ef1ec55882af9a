//! Bytes with handles in them, on their way from one process to another.

use super::{
    record::{Part, Reference},
    share::Share,
};
use crate::{
    arena::{Arena, Block, Holder},
    error::{Error, Result},
};
use std::sync::Arc;

/// A message in private memory: its bytes, in which each handle is a number, and the objects that those numbers stand for.
#[derive(Clone, Debug, Default)]
pub struct Parcel {
    /// The encoded value.
    pub bytes: Vec<u8>,
    /// The handles in it, by their numbers.
    pub shares: Vec<Arc<Share>>,
}

impl Parcel {
    /// Makes it empty; what it has allocated stays.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        if !self.shares.is_empty() {
            self.shares.clear();
        }
    }
}

/// The bytes before a message in shared memory that has no handles: their number.
const PREFIX: usize = 8;
const ENTRY: usize = 16;

/// The references of a message that is being made, given back unless it's sent.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    arena: &'a Arena,
    holder: Holder,
    references: Vec<Reference>,
}

impl<'a> Envelope<'a> {
    /// A reference to each object, which `holder` has until the message is sent or received.
    pub(crate) fn new(arena: &'a Arena, shares: &[Arc<Share>], holder: Holder) -> Result<Envelope<'a>> {
        let mut envelope = Envelope { arena, holder, references: Vec::with_capacity(shares.len()) };
        for share in shares {
            envelope.references.push(arena.add_reference(share.target(), holder)?);
        }
        Ok(envelope)
    }

    /// What stands before the message's bytes.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PREFIX + self.references.len() * ENTRY);
        bytes.extend_from_slice(&(self.references.len() as u64).to_le_bytes());
        for reference in &self.references {
            bytes.extend_from_slice(&reference.offset.to_le_bytes());
            bytes.extend_from_slice(&reference.number.to_le_bytes());
        }
        bytes
    }

    /// The message is sent, and has the references from now on; whoever sent it may end. (If it's killed before this, it dies with
    /// the objects.)
    pub(crate) fn send(mut self) {
        for reference in self.references.drain(..) {
            self.arena.pass_reference(reference, self.holder, Holder::Nobody);
        }
    }

    /// The message is made; `holder` keeps the references until somebody receives them.
    pub(crate) fn keep(mut self) {
        self.references.clear();
    }
}

impl Drop for Envelope<'_> {
    fn drop(&mut self) {
        for reference in self.references.drain(..) {
            self.arena.release_reference(reference, self.holder);
        }
    }
}

/// The references that stand before the bytes of a message in shared memory.
pub(crate) struct Listed(Vec<Reference>);

impl Listed {
    /// Reads the list of a message of `len` bytes at `at` of the block; also how long the list is.
    pub(crate) fn read(block: Block<'_>, at: usize, len: usize) -> Result<(Listed, usize)> {
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let end = Listed::space(block, at).filter(|end| *end <= len);
        let end = end.ok_or_else(|| Error::corrupted("the number of handles in a message"))?;
        let bytes = block.read(at + PREFIX, end - PREFIX)?;
        let references = bytes
            .chunks_exact(ENTRY)
            .map(|entry| Reference { offset: word(&entry[..8]), number: word(&entry[8..]) })
            .collect();
        Ok((Listed(references), end))
    }

    /// How many bytes the list takes that begins at `at` of the block.
    pub(crate) fn space(block: Block<'_>, at: usize) -> Option<usize> {
        let count = block.read_word(at).ok()? as usize;
        count.checked_mul(ENTRY)?.checked_add(PREFIX)
    }

    /// Whether one has any handles that takes so many bytes.
    pub(crate) fn is_empty(space: usize) -> bool {
        space == PREFIX
    }

    /// Each of them.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        self.0.iter().map(|reference| Part::Reference(*reference))
    }

    /// Makes all of them this process's.
    pub(crate) fn adopt(&self, arena: &'static Arena) -> Result<Vec<Arc<Share>>> {
        self.0.iter().map(|reference| adopt(arena, *reference)).collect()
    }

    /// Makes all of them this process's, as long as they are a message's. What a living member has is no message's, whatever the list
    /// says: it would be given back by two.
    pub(crate) fn adopt_sent(&self, arena: &'static Arena) -> Result<Vec<Arc<Share>>> {
        let adopt = |reference: &Reference| match arena.holder_of(*reference) {
            Some(_) if arena.sent_by(*reference).is_none() => {
                Err(Error::corrupted("a message lists a handle that somebody has"))
            }
            _ => adopt(arena, *reference),
        };
        self.0.iter().map(adopt).collect()
    }

    /// Makes a reference of this process's beside each of them.
    pub(crate) fn share(&self, arena: &'static Arena) -> Result<Vec<Arc<Share>>> {
        let mine = Holder::Member(arena.me().slot());
        let share = |listed: &Reference| {
            let (target, kind) = arena.target_of(*listed)?;
            Ok(Arc::new(Share::new(arena, target, kind, arena.add_reference(target, mine)?)))
        };
        self.0.iter().map(share).collect()
    }

    /// All of them are a message's of this process's from now on, whoever had it.
    pub(crate) fn claim(&self, arena: &Arena) {
        let mine = Holder::Message(arena.me().slot());
        for reference in &self.0 {
            if let Some(holder) = arena.sent_by(*reference) {
                arena.pass_reference(*reference, holder, mine);
            }
        }
    }

    /// Of a message that nobody will receive: gives back those that nobody has received.
    pub(crate) fn release_all(&self, arena: &Arena) {
        for reference in &self.0 {
            if let Some(holder) = arena.sent_by(*reference) {
                arena.release_reference(*reference, holder);
            }
        }
    }

    /// Those that `from` has are `to`'s from now on.
    pub(crate) fn pass(&self, arena: &Arena, from: Holder, to: Holder) {
        for reference in &self.0 {
            arena.pass_reference(*reference, from, to);
        }
    }

    /// Of a message that nobody will receive: gives back those that `holder` has.
    pub(crate) fn release(&self, arena: &Arena, holder: Holder) {
        for reference in &self.0 {
            arena.release_reference(*reference, holder);
        }
    }
}

fn adopt(arena: &'static Arena, reference: Reference) -> Result<Arc<Share>> {
    let (target, kind) = arena.adopt_reference(reference)?;
    Ok(Arc::new(Share::new(arena, target, kind, reference)))
}

/// Copies a message out of shared memory: `len` bytes at `at`, the list included. The handles in it are this process's from
/// now on.
pub(crate) fn receive(arena: &'static Arena, block: Block<'_>, at: usize, len: usize) -> Result<Parcel> {
    let (listed, prefix) = Listed::read(block, at, len)?;
    let bytes = block.read(at + prefix, len - prefix)?;
    Ok(Parcel { bytes, shares: listed.adopt(arena)? })
}
