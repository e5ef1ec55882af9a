//! Cells: one entry each, in words of shared memory.
//!
//! | words | |
//! |---|---|
//! | 0 | which of the map's entries it is, in the order in which they came |
//! | 1 | the key's length in bytes (bits 0..12), the value's (12..24); its key's hash (32..64) |
//! | from 2 | the key, filled up with zeros to whole words; the value, likewise |
//!
//! An entry that is long or has handles in it lies in a block of its own (`message`), a *box*; then bit 24 of word 1 is set, and words
//! 2 to 5 are the key's whole hash, and the block's offset, length and stamp. In the block: the key's length (8 bytes), the key,
//! filled up, the value.

use super::{Key, page::Torn};
use crate::{
    arena::Arena,
    atomic::{AtomicU64, Ordering::Relaxed},
    error::{Error, ErrorKind, Result},
    message::{Draft, Lent},
    references::Share,
};
use std::sync::Arc;

/// Cells begin and end at multiples of so many bytes.
pub(crate) const UNIT: usize = 16;

const HEAD: usize = 2;
const LEN_BITS: u32 = 12;
const BOXED: u64 = 1 << 24;
const BOX_WORDS: usize = 4;

/// An entry with more bytes has a box.
const LONGEST: usize = 1024;

/// More words no cell has.
const MOST_WORDS: usize = HEAD + LONGEST / 8 + 2;

fn words_of(len: usize) -> usize {
    len.div_ceil(8)
}

/// A cell that may be one.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a> {
    arena: &'a Arena,
    /// The second word.
    head: u64,
    words: &'a [AtomicU64],
}

impl<'a> Cell<'a> {
    #[inline(always)]
    pub(crate) fn open(arena: &'a Arena, offset: u64) -> Result<Cell<'a>, Torn> {
        let words: &[AtomicU64] = arena.up_to(offset, MOST_WORDS).ok_or(Torn)?;
        let head = words.get(1).ok_or(Torn)?.load(Relaxed);
        let words = words.get(..HEAD + body_words(head)).ok_or(Torn)?;
        Ok(Cell { arena, head, words })
    }

    /// Key and value, or what names the box.
    #[inline]
    fn body(self) -> &'a [AtomicU64] {
        &self.words[HEAD..]
    }

    #[inline]
    pub(super) fn hash(self) -> u32 {
        (self.head >> 32) as u32
    }

    #[inline]
    pub(super) fn order(self) -> u64 {
        self.words[0].load(Relaxed)
    }

    #[inline]
    pub(crate) fn is_boxed(self) -> bool {
        self.head & BOXED != 0
    }

    /// How many units it takes.
    #[inline]
    pub(crate) fn units(self) -> u32 {
        units(self.words.len())
    }

    /// The box; 0 words if there is none.
    pub(crate) fn lent(self) -> Option<Lent> {
        let word = |at: usize| self.body().get(at).map(|word| word.load(Relaxed));
        if !self.is_boxed() {
            return None;
        }
        Some(Lent { offset: word(1)?, len: word(2)?, stamp: word(3)? })
    }

    #[inline]
    fn key_len(self) -> usize {
        key_len(self.head)
    }

    #[inline]
    fn value_len(self) -> usize {
        value_len(self.head)
    }

    /// Whether the key is this one.
    #[inline(always)]
    pub(super) fn has_key(self, key: &Key<'_>) -> Result<bool, Torn> {
        if self.is_boxed() {
            if self.body()[0].load(Relaxed) != key.whole {
                return Ok(false);
            }
            let contents = self.contents()?;
            return Ok(contents.key_len == key.bytes.len() && is_same(contents.key, key.bytes));
        }
        Ok(self.key_len() == key.bytes.len() && is_same(self.body(), key.bytes))
    }

    /// What is in the box.
    fn contents(self) -> Result<Contents<'a>, Torn> {
        let (words, len) = self.lent().ok_or(Torn)?.words(self.arena).map_err(|_| Torn)?;
        let (first, rest) = words.split_first().ok_or(Torn)?;
        let key_len = first.load(Relaxed) as usize;
        let key_words = words_of(key_len);
        let (key, value) = rest.split_at_checked(key_words).ok_or(Torn)?;
        let value_len = len.checked_sub((1 + key_words) * 8).ok_or(Torn)?;
        Ok(Contents { key, key_len, value, value_len })
    }

    /// Appends the value's bytes.
    #[inline(always)]
    pub(crate) fn value(self, out: &mut Vec<u8>) -> Result<(), Torn> {
        if self.is_boxed() {
            let contents = self.contents()?;
            return append(contents.value, contents.value_len, out);
        }
        append(self.body().get(words_of(self.key_len())..).ok_or(Torn)?, self.value_len(), out)
    }

    /// Appends the key's bytes.
    pub(super) fn key(self, out: &mut Vec<u8>) -> Result<(), Torn> {
        if self.is_boxed() {
            let contents = self.contents()?;
            return append(contents.key, contents.key_len, out);
        }
        append(self.body(), self.key_len(), out)
    }

    /// Whether there are handles in it: they can be received only under the shard's lock.
    pub(crate) fn has_handles(self) -> Result<bool, Torn> {
        match self.lent() {
            Some(lent) => lent.has_handles(self.arena).map_err(|_| Torn),
            None => Ok(false),
        }
    }

    /// The handles in it, for who has the shard's lock.
    pub(crate) fn shares(self, arena: &'static Arena) -> Result<Vec<Arc<Share>>> {
        match self.lent() {
            Some(lent) => lent.share(arena),
            None => Ok(Vec::new()),
        }
    }

    /// Copies the whole of it to where nobody reads yet.
    pub(crate) fn copy_to(self, room: &[AtomicU64]) {
        for (to, from) in room.iter().zip(self.words) {
            to.store(from.load(Relaxed), Relaxed);
        }
    }
}

struct Contents<'a> {
    key: &'a [AtomicU64],
    key_len: usize,
    value: &'a [AtomicU64],
    value_len: usize,
}

#[inline]
fn key_len(head: u64) -> usize {
    (head & ((1 << LEN_BITS) - 1)) as usize
}

#[inline]
fn value_len(head: u64) -> usize {
    key_len(head >> LEN_BITS)
}

#[inline]
fn body_words(head: u64) -> usize {
    if head & BOXED != 0 { BOX_WORDS } else { words_of(key_len(head)) + words_of(value_len(head)) }
}

#[inline]
fn units(words: usize) -> u32 {
    (words * 8).div_ceil(UNIT) as u32
}

/// Whether the words begin with these bytes.
#[inline]
fn is_same(words: &[AtomicU64], bytes: &[u8]) -> bool {
    if words.len() < words_of(bytes.len()) {
        return false;
    }
    let chunks = bytes.chunks_exact(8);
    let rest = chunks.remainder();
    let whole = words.iter().zip(chunks).all(|(word, chunk)| word.load(Relaxed) == to_word(chunk));
    whole && (rest.is_empty() || words[bytes.len() / 8].load(Relaxed) == last_word(bytes))
}

/// The bytes behind the last whole word, of which there is one or more, filled up with zeros.
#[inline(always)]
fn last_word(bytes: &[u8]) -> u64 {
    let rest = bytes.len() % 8;
    match bytes.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last) >> (8 * (8 - rest)),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Up to eight bytes, filled up with zeros.
#[inline(always)]
fn to_word(bytes: &[u8]) -> u64 {
    match bytes.try_into() {
        Ok(bytes) => u64::from_le_bytes(bytes),
        Err(_) => {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        }
    }
}

/// Appends the first `len` bytes of the words.
#[inline(always)]
fn append(words: &[AtomicU64], len: usize, out: &mut Vec<u8>) -> Result<(), Torn> {
    let words = words.get(..words_of(len)).ok_or(Torn)?;
    let start = out.len();
    // It may be a wrong length; but so many words there are.
    out.try_reserve(len + 8).map_err(|_| Torn)?;
    let room = out.spare_capacity_mut().as_chunks_mut::<8>().0;
    for (chunk, word) in room.iter_mut().zip(words) {
        *chunk = word.load(Relaxed).to_le_bytes().map(std::mem::MaybeUninit::new);
    }
    // SAFETY: bounds: so much is reserved, and was written: all words whose bytes these are, of which there are enough. Aliasing: it's
    // the caller's. Lifetime: bytes have no drop.
    unsafe { out.set_len(start + len) };
    Ok(())
}

#[inline]
fn fill(words: &[AtomicU64], bytes: &[u8]) {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (word, chunk) in words.iter().zip(chunks) {
        word.store(u64::from_le_bytes(*chunk), Relaxed);
    }
    if !rest.is_empty()
        && let Some(word) = words.get(chunks.len())
    {
        word.store(last_word(bytes), Relaxed);
    }
}

/// An entry that is to be written: as it will be in its cell.
pub(crate) struct NewCell<'k> {
    key: &'k Key<'k>,
    value: &'k [u8],
    boxed: Option<Draft>,
}

impl<'k> NewCell<'k> {
    /// A box is made here, if it needs one.
    #[inline(always)]
    pub(crate) fn new(
        arena: &'static Arena,
        key: &'k Key<'k>,
        value: &'k [u8],
        shares: &[Arc<Share>],
    ) -> Result<NewCell<'k>> {
        let is_short = key.bytes.len() + value.len() <= LONGEST && shares.is_empty();
        let boxed = if is_short { None } else { Some(draft(arena, key.bytes, value, shares)?) };
        Ok(NewCell { key, value, boxed })
    }

    #[inline]
    pub(crate) fn is_boxed(&self) -> bool {
        self.boxed.is_some()
    }

    #[inline]
    fn head(&self) -> u64 {
        let lens = match self.boxed {
            Some(_) => BOXED,
            None => self.key.bytes.len() as u64 | (self.value.len() as u64) << LEN_BITS,
        };
        lens | u64::from(self.key.hash) << 32
    }

    #[inline]
    pub(crate) fn units(&self) -> u32 {
        units(HEAD + body_words(self.head()))
    }

    /// Writes it to where nobody reads yet.
    #[inline(always)]
    pub(crate) fn write(&self, room: &[AtomicU64], order: u64) {
        let (head, body) = room.split_at(HEAD);
        head[0].store(order, Relaxed);
        head[1].store(self.head(), Relaxed);
        match &self.boxed {
            Some(draft) => {
                let lent = draft.lent();
                for (word, value) in body.iter().zip([self.key.whole, lent.offset, lent.len, lent.stamp]) {
                    word.store(value, Relaxed);
                }
            }
            None => {
                let (key, value) = body.split_at(words_of(self.key.bytes.len()));
                fill(key, self.key.bytes);
                fill(value, self.value);
            }
        }
    }

    /// It's the map's from now on.
    #[inline]
    pub(crate) fn committed(self) {
        if let Some(draft) = self.boxed {
            draft.sent();
        }
    }
}

#[cold]
fn draft(arena: &'static Arena, key: &[u8], value: &[u8], shares: &[Arc<Share>]) -> Result<Draft> {
    let start = 8 + words_of(key.len()) * 8;
    let len = start
        .checked_add(value.len())
        .ok_or_else(|| Error::new(ErrorKind::OutOfMemory, "a value of more bytes than there are"))?;
    let mut draft = Draft::new(arena, len, shares)?;
    let bytes = draft.as_slice_mut();
    bytes[..8].copy_from_slice(&(key.len() as u64).to_le_bytes());
    bytes[8..8 + key.len()].copy_from_slice(key);
    bytes[8 + key.len()..start].fill(0);
    bytes[start..].copy_from_slice(value);
    Ok(draft)
}
