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
    atomic::{AtomicU32, AtomicU64, Ordering::Acquire},
};

/// Names a page; 0: there is none.
///
/// | bits 0..34 | 34..52 | 52..64 |
/// |---|---|---|
/// | the block's offset, in units of 64 | how many slots there are, in units of 16: a cache line | the epoch |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PageName(pub(super) u64);

const OFFSET_BITS: u32 = 34;
const LINES: u64 = (1 << (64 - EPOCH_BITS - OFFSET_BITS)) - 1;
const ALIGNMENT: u64 = 64;

/// In bytes.
pub(super) const CACHE_LINE: u64 = 64;

/// Slots come by so many.
pub(super) const LINE: usize = 16;

/// A slot is 0 when it was never used, `REMOVED` when its entry was removed, or has the cell's position (bits 0..20) and some of the
/// key's hash (20..32).
pub(super) const REMOVED: u32 = 1;
const POSITION_BITS: u32 = 20;

/// No cell begins behind it.
pub(super) const LAST_POSITION: u32 = (1 << POSITION_BITS) - 1;

#[inline]
pub(super) fn slot_word(hash: u32, position: u32) -> u32 {
    tag(hash) | position
}

/// At which slot one begins to look. By the high bits; the low ones say which shard it is.
#[inline]
pub(super) fn first_slot(hash: u32, slots: usize) -> usize {
    ((u64::from(hash) * slots as u64) >> 32) as usize
}

/// Bits that say neither which shard it is nor, mostly, which slot.
#[inline]
fn tag(hash: u32) -> u32 {
    hash >> 12 << POSITION_BITS
}

/// The position that a slot has, if it has an entry.
#[inline]
fn position_of(slot: u32) -> Option<u32> {
    Some(slot & LAST_POSITION).filter(|position| *position > REMOVED)
}

impl PageName {
    pub(super) const NONE: PageName = PageName(0);

    pub(super) fn new(block: Block<'_>, slots: usize, epoch: u64) -> PageName {
        let lines = (slots / LINE) as u64;
        PageName((block.offset() / ALIGNMENT) | (lines << OFFSET_BITS) | (epoch << (64 - EPOCH_BITS)))
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
        (self.0 >> OFFSET_BITS & LINES) as usize * LINE
    }
}

/// A page that may be one.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    arena: &'a Arena,
    offset: u64,
    pub(super) slots: &'a [AtomicU32],
}

/// Where an entry is.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) slot: &'a AtomicU32,
    pub(super) cell: Cell<'a>,
    pub(super) position: u32,
}

/// What can't be there is there: of a page that is another's by now, or it's corrupted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Torn;

impl<'a> Page<'a> {
    #[inline]
    pub(super) fn open(arena: &'a Arena, name: PageName) -> Result<Page<'a>, Torn> {
        let slots = arena.records_at(name.offset(), name.slots()).ok_or(Torn)?;
        Ok(Page { arena, offset: name.offset(), slots })
    }

    #[inline(always)]
    pub(super) fn cell(self, position: u32) -> Result<Cell<'a>, Torn> {
        Cell::open(self.arena, self.offset + u64::from(position) * UNIT as u64)
    }

    /// Words for a cell of so many units.
    #[inline]
    pub(super) fn room(self, position: u32, units: u32) -> Result<&'a [AtomicU64], Torn> {
        let offset = self.offset + u64::from(position) * UNIT as u64;
        self.arena.records_at(offset, units as usize * (UNIT / 8)).ok_or(Torn)
    }

    /// The slots in the order in which those of this hash are looked at.
    #[inline]
    pub(super) fn probe(self, hash: u32) -> impl Iterator<Item = &'a AtomicU32> {
        let (before, after) = self.slots.split_at(first_slot(hash, self.slots.len()));
        after.iter().chain(before)
    }

    /// The entry with this hash of which `is_key` says that it's the one.
    #[inline(always)]
    pub(super) fn find(
        self,
        hash: u32,
        mut is_key: impl FnMut(Cell<'a>) -> Result<bool, Torn>,
    ) -> Result<Option<Found<'a>>, Torn> {
        for slot in self.probe(hash) {
            let word = slot.load(Acquire);
            if word == 0 {
                break;
            }
            if word & !LAST_POSITION == tag(hash)
                && let Some(position) = position_of(word)
            {
                // Most have more than one line.
                self.arena.prefetch(self.offset + u64::from(position) * UNIT as u64 + CACHE_LINE);
                let cell = self.cell(position)?;
                if is_key(cell)? {
                    return Ok(Some(Found { slot, cell, position }));
                }
            }
        }
        Ok(None)
    }

    /// Each entry.
    pub(super) fn entries(self) -> impl Iterator<Item = Result<Found<'a>, Torn>> {
        self.slots.iter().filter_map(move |slot| {
            let position = position_of(slot.load(Acquire))?;
            Some(self.cell(position).map(|cell| Found { slot, cell, position }))
        })
    }
}
