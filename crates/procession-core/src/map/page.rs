//! Pages: where the entries of a shard are.
//!
//! A page is a block: first the slots, a hash table in which each says where an entry's cell is; then the cells, one after the other.
//! A cell is never changed while a slot names it. Readers come without a lock, so whatever they find is checked, and counts only if
//! the shard's version says so afterwards.

use super::{
    cell::{Cell, UNIT},
    shape::EPOCH_BITS,
};
use crate::{
    arena::{Arena, Block},
    atomic::{AtomicU64, Ordering::Acquire},
};

/// Names a page; 0: there is none.
///
/// | bits 0..35 | 35..40 | 40..64 |
/// |---|---|---|
/// | the block's offset, in units of 64 | the logarithm of the number of slots | the epoch |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageName(pub(super) u64);

const OFFSET_BITS: u32 = 35;
const ALIGNMENT: u64 = 64;

/// Fewer slots there aren't.
pub(super) const FEWEST_SLOTS: usize = 8;

/// A slot is 0 when it was never used, `REMOVED` when its entry was removed, or has the key's hash (bits 32..64) and the cell's position
/// (0..32).
pub(super) const REMOVED: u64 = 1;

#[inline]
pub(super) fn slot_word(hash: u32, position: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(position)
}

/// The hash and the position that a slot has, if it has an entry.
#[inline]
pub(super) fn entry_of(slot: u64) -> Option<(u32, u32)> {
    (slot > REMOVED).then_some(((slot >> 32) as u32, slot as u32))
}

impl PageName {
    pub(super) const NONE: PageName = PageName(0);

    pub(super) fn new(block: Block<'_>, slots: usize, epoch: u64) -> PageName {
        let slots = u64::from(slots.trailing_zeros()) << OFFSET_BITS;
        PageName(block.offset() / ALIGNMENT | slots | epoch << (64 - EPOCH_BITS))
    }

    /// The page, unless everything was cleared since.
    #[inline]
    pub(super) fn of_epoch(word: u64, epoch: u64) -> PageName {
        if word >> (64 - EPOCH_BITS) == epoch { PageName(word) } else { PageName::NONE }
    }

    #[inline]
    pub(super) fn is_none(self) -> bool {
        self.offset() == 0
    }

    #[inline]
    pub(super) fn offset(self) -> u64 {
        (self.0 & ((1 << OFFSET_BITS) - 1)) * ALIGNMENT
    }

    #[inline]
    pub(super) fn slots(self) -> usize {
        1 << (self.0 >> OFFSET_BITS & 31)
    }
}

/// A page that may be one.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    arena: &'a Arena,
    offset: u64,
    pub(super) slots: &'a [AtomicU64],
}

/// Where an entry is.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) slot: &'a AtomicU64,
    pub(super) cell: Cell<'a>,
    pub(super) position: u32,
}

/// What can't be there is there: of a page that is another's by now, or it's corrupted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Torn;

impl<'a> Page<'a> {
    #[inline]
    pub(super) fn open(arena: &'a Arena, name: PageName) -> Result<Page<'a>, Torn> {
        let slots = arena.words(name.offset(), name.slots()).ok_or(Torn)?;
        Ok(Page { arena, offset: name.offset(), slots })
    }

    #[inline]
    pub(super) fn cell(self, position: u32) -> Result<Cell<'a>, Torn> {
        Cell::open(self.arena, self.offset + u64::from(position) * UNIT as u64)
    }

    /// Words for a cell of so many units.
    pub(super) fn room(self, position: u32, units: u32) -> Result<&'a [AtomicU64], Torn> {
        let offset = self.offset + u64::from(position) * UNIT as u64;
        self.arena.words(offset, units as usize * (UNIT / 8)).ok_or(Torn)
    }

    /// The slots in the order in which those of this hash are looked at.
    #[inline]
    pub(super) fn probe(self, hash: u32) -> impl Iterator<Item = &'a AtomicU64> {
        let mask = self.slots.len() - 1;
        // The low bits say which shard it is.
        let start = (u64::from(hash) * self.slots.len() as u64 >> 32) as usize;
        (0..=mask).map(move |step| &self.slots[(start + step) & mask])
    }

    /// The entry with this hash of which `is_key` says that it's the one.
    #[inline]
    pub(super) fn find(
        self,
        hash: u32,
        mut is_key: impl FnMut(Cell<'a>) -> Result<bool, Torn>,
    ) -> Result<Option<Found<'a>>, Torn> {
        for slot in self.probe(hash) {
            let word = slot.load(Acquire);
            match entry_of(word) {
                None if word == 0 => return Ok(None),
                Some((found, position)) if found == hash => {
                    let cell = self.cell(position)?;
                    if is_key(cell)? {
                        return Ok(Some(Found { slot, cell, position }));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// Each entry: its hash, its position and its cell.
    pub(super) fn entries(self) -> impl Iterator<Item = Result<(u32, u32, Cell<'a>), Torn>> {
        self.slots.iter().filter_map(move |slot| {
            let (hash, position) = entry_of(slot.load(Acquire))?;
            Some(self.cell(position).map(|cell| (hash, position, cell)))
        })
    }
}
