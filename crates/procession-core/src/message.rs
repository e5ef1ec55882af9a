//! Bytes that lie in a block of their own, since they are many or have handles in them: a message on its way, a value in a map.
//!
//! The block: the stamp (8 bytes), the number of handles (8), the list of their references (16 each), and from the next multiple of
//! 64 on the bytes.

use crate::{
    arena::{Arena, Block},
    atomic::{AtomicU64, Ordering::Acquire, fence},
    error::{Error, ErrorKind, Result},
    kill_point::kill_point,
    references::{Envelope, Holder, Listed, Part, Share},
};
use std::{ops::Deref, sync::Arc};

/// Names the block of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lent {
    pub(crate) offset: u64,
    /// Of the whole: list and bytes.
    pub(crate) len: u64,
    /// What the block begins with: so a wrong word doesn't take somebody's block.
    pub(crate) stamp: u64,
}

/// What no message's block begins with: generations begin at 1.
const NO_STAMP: u64 = 0;

/// Where the list of handles begins.
const LIST: usize = 8;
/// The bytes begin at a multiple of this.
const ALIGNMENT: usize = 64;

/// The block is no message's any more: who finds its name a second time, since wrong bytes have it as well, gets an error and not
/// what somebody has already. For who has the block, once nobody is to find it.
fn forget_name(block: Block<'_>) {
    // It's long enough.
    let _ = block.write(0, &NO_STAMP.to_le_bytes());
}

impl Lent {
    pub(crate) const SIZE: usize = 24;

    pub(crate) fn to_bytes(self) -> [u8; Lent::SIZE] {
        let mut bytes = [0; Lent::SIZE];
        for (piece, word) in bytes.chunks_exact_mut(8).zip([self.offset, self.len, self.stamp]) {
            piece.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Lent> {
        let bytes: &[u8; Lent::SIZE] =
            bytes.try_into().map_err(|_| Error::corrupted("the name of a message's block"))?;
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        Ok(Lent { offset: word(0), len: word(8), stamp: word(16) })
    }

    fn block(self, arena: &Arena) -> Result<Block<'_>> {
        let block = arena.block(self.offset)?;
        let is_stamped = self.stamp != NO_STAMP && block.read_word(0)? == self.stamp;
        if self.len as usize > block.size() || !is_stamped {
            return Err(Error::corrupted("a message's block is another's"));
        }
        Ok(block)
    }

    /// The list of handles, and where the bytes begin.
    fn list(self, block: Block<'_>) -> Result<(Listed, usize)> {
        let len = self.len as usize;
        let (listed, end) = Listed::read(block, LIST, len.saturating_sub(LIST))?;
        let start = (LIST + end).next_multiple_of(ALIGNMENT);
        if start > len {
            return Err(Error::corrupted("a message is shorter than its list of handles"));
        }
        Ok((listed, start))
    }

    /// Calls `visit` with the block, and with the references in it.
    pub(crate) fn visit(self, arena: &Arena, visit: &mut dyn FnMut(Part)) {
        visit(Part::Block(self.offset));
        let Ok((listed, _)) = self.block(arena).and_then(|block| self.list(block)) else { return };
        fence(Acquire);
        // The stamp goes before the block is freed: so if it's there now, it's the message's own list that was read, and not that of
        // one which lies in its place by now.
        if self.block(arena).is_ok() {
            listed.parts().for_each(visit);
        }
    }

    /// Makes the message this process's, whoever had it: the block at once, and the handles in it.
    pub(crate) fn receive(self, arena: &'static Arena) -> Result<Message> {
        let block = self.take(arena)?;
        let read = self.list(block).and_then(|(listed, start)| {
            let shares = listed.adopt_sent(arena).map_err(|e| {
                listed.release_all(arena);
                // Not closed, as a queue is.
                if e.is_closed() { Error::new(ErrorKind::Codec, e.to_string()) } else { e }
            })?;
            Ok((shares, start))
        });
        kill_point!(StreamAfterTakeOver);
        let message = |shares, start| Message { arena, block, start, len: self.len as usize - start, shares };
        match read {
            Ok((shares, start)) => Ok(message(shares, start)),
            // Nothing has been done yet.
            Err(e) if e.is_out_of_memory() => Err(e),
            Err(e) => {
                // Frees the block.
                drop(message(Vec::new(), self.len as usize));
                Err(e)
            }
        }
    }

    /// Makes the block this process's, whoever had it.
    pub(crate) fn take(self, arena: &Arena) -> Result<Block<'_>> {
        let block = self.block(arena)?;
        if arena.take_over_any(block) {
            Ok(block)
        } else {
            Err(Error::corrupted("a message's block has no owner"))
        }
    }

    /// The same message for one who has only borrowed it: its handles stay the message's as well.
    pub(crate) fn borrow(self, arena: &'static Arena) -> Result<(Vec<u8>, Vec<Arc<Share>>)> {
        let block = self.block(arena)?;
        let (listed, start) = self.list(block)?;
        Ok((block.read(start, self.len as usize - start)?, listed.share(arena)?))
    }

    /// This process's own handles of what it has handles of.
    pub(crate) fn share(self, arena: &'static Arena) -> Result<Vec<Arc<Share>>> {
        self.list(self.block(arena)?)?.0.share(arena)
    }

    /// Whether there are handles in it.
    pub(crate) fn has_handles(self, arena: &Arena) -> Result<bool> {
        let space = Listed::space(self.block(arena)?, LIST);
        Ok(!space.is_some_and(Listed::is_empty))
    }

    /// The bytes, as words, and how many bytes they are: also for one who reads them while others may free them, and sees only
    /// afterwards whether they did.
    pub(crate) fn words(self, arena: &Arena) -> Result<(&[AtomicU64], usize)> {
        let wrong = || Error::corrupted("a message is shorter than its list of handles");
        let block = self.block(arena)?;
        // One who has no lock may find anything there.
        let start = Listed::space(block, LIST).and_then(|space| space.checked_add(LIST));
        let start = start.and_then(|start| start.checked_next_multiple_of(ALIGNMENT)).ok_or_else(wrong)?;
        let len = (self.len as usize).checked_sub(start).ok_or_else(wrong)?;
        Ok((block.records(start, len.div_ceil(8))?, len))
    }

    /// Makes the message this process's, whoever had it: the block, and its handles as those of a message of this process's.
    pub(crate) fn take_all(self, arena: &Arena) -> Result<()> {
        let (listed, _) = self.list(self.take(arena)?)?;
        listed.claim(arena);
        Ok(())
    }

    /// Frees the message, which is this process's, and the handles in it.
    pub(crate) fn discard(self, arena: &Arena) {
        if let Ok(block) = self.block(arena) {
            if let Ok((listed, _)) = self.list(block) {
                listed.release_all(arena);
            }
            forget_name(block);
            arena.free(block, arena.me());
        }
    }
}

/// A block of this process's that will be a message: freed unless it's sent.
#[derive(Debug)]
pub(crate) struct Draft {
    arena: &'static Arena,
    block: Block<'static>,
    envelope: Option<Envelope<'static>>,
    lent: Lent,
    start: usize,
}

impl Draft {
    /// A message with room for `len` bytes.
    pub(crate) fn new(arena: &'static Arena, len: usize, shares: &[Arc<Share>]) -> Result<Draft> {
        let envelope = Envelope::new(arena, shares, Holder::Message(arena.me().slot()))?;
        let list = envelope.prefix();
        let start = (LIST + list.len()).next_multiple_of(ALIGNMENT);
        let total = start
            .checked_add(len)
            .ok_or_else(|| Error::new(ErrorKind::OutOfMemory, "a message of more bytes than there are"))?;
        let block = arena.alloc(total)?;
        let stamp = arena.new_generation();
        let draft = Draft {
            arena,
            block,
            envelope: Some(envelope),
            lent: Lent { offset: block.offset(), len: total as u64, stamp },
            start,
        };
        block.write(0, &stamp.to_le_bytes())?;
        block.write(LIST, &list)?;
        kill_point!(StreamAfterBlock);
        Ok(draft)
    }

    pub(crate) fn with_bytes(arena: &'static Arena, bytes: &[u8], shares: &[Arc<Share>]) -> Result<Draft> {
        let draft = Draft::new(arena, bytes.len(), shares)?;
        draft.block.write(draft.start, bytes)?;
        Ok(draft)
    }

    pub(crate) fn lent(&self) -> Lent {
        self.lent
    }

    /// The message has been committed, and is whose who receives it.
    pub(crate) fn sent(mut self) {
        if let Some(envelope) = self.envelope.take() {
            envelope.keep();
        }
        std::mem::forget(self);
    }

    fn bytes(&self) -> usize {
        self.lent.len as usize - self.start
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        let pointer = self.block.pointer(self.start, self.bytes()).expect("allocated");
        // SAFETY: bounds: checked by `pointer`; any bits are bytes. Aliasing: the block is this process's, and the draft borrowed.
        // Lifetime: until the draft is sent or dropped, which the borrow doesn't outlive.
        unsafe { std::slice::from_raw_parts(pointer.as_ptr(), self.bytes()) }
    }

    pub(crate) fn as_slice_mut(&mut self) -> &mut [u8] {
        let pointer = self.block.pointer(self.start, self.bytes()).expect("allocated");
        // SAFETY: as for `as_slice`; the draft is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(pointer.as_ptr(), self.bytes()) }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.envelope = None;
        if crate::family::current().is_ok() {
            self.arena.free(self.block, self.arena.me());
        }
    }
}

/// A message that has been received, in a block of this process's, which is freed with it.
#[derive(Debug)]
pub struct Message {
    arena: &'static Arena,
    block: Block<'static>,
    start: usize,
    len: usize,
    shares: Vec<Arc<Share>>,
}

impl Message {
    /// It has been taken out of the ring.
    pub(crate) fn forget_name(&self) {
        forget_name(self.block);
    }

    /// The handles in it.
    pub fn shares(&self) -> &[Arc<Share>] {
        &self.shares
    }

    /// A copy of the bytes.
    ///
    /// # Errors
    ///
    /// Out of memory.
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        self.block.read(self.start, self.len)
    }
}

impl Deref for Message {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        let pointer = self.block.pointer(self.start, self.len).expect("checked when it was received");
        // SAFETY: bounds: checked by `pointer`; any bits are bytes. Aliasing: the block is this process's alone since it was
        // received, and nobody writes it. Lifetime: until the message is dropped, which the borrow doesn't outlive.
        unsafe { std::slice::from_raw_parts(pointer.as_ptr(), self.len) }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if crate::family::current().is_ok() {
            self.arena.free(self.block, self.arena.me());
        }
    }
}
