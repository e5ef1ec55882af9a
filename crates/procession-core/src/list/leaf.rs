//! Leaves: some of a list's values, one after the other.
//!
//! A leaf is a block: two words, then the slots, each of which has the position of a value's cell, then the cells (as in a map). A cell is
//! never changed once a slot names it, and a slot never moves: to put a value between others, or to take one out, is to build another
//! leaf.
//!
//! | word | |
//! |---|---|
//! | `count` | how many of the slots count, if it's the last leaf; raising it adds a value to the list, and lowering it takes one away |
//! | `space` | from which position on it was never used (bits 0..32), how many slots there are (32..64) |

use crate::{
    arena::{Arena, NewBlock},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::{Error, Result},
    map::{Cell, Load, NewCell, Torn, UNIT},
};

const HEAD: usize = 16;

/// A leaf that may be one.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    arena: &'a Arena,
    offset: u64,
    head: &'a [AtomicU64],
}

impl<'a> Leaf<'a> {
    #[inline]
    pub(super) fn open(arena: &'a Arena, offset: u64) -> Result<Leaf<'a>, Torn> {
        Ok(Leaf { arena, offset, head: arena.records_at(offset, 2).ok_or(Torn)? })
    }

    pub(super) fn offset(self) -> u64 {
        self.offset
    }

    /// How many values are in it, if it's the last one.
    #[inline]
    pub(super) fn count(self) -> usize {
        self.head[0].load(Acquire) as usize
    }

    pub(super) fn count_word(self) -> &'a AtomicU64 {
        &self.head[0]
    }

    #[inline]
    pub(super) fn slot(self, at: usize) -> Result<&'a AtomicU32, Torn> {
        let offset = (at as u64).checked_mul(4).and_then(|at| at.checked_add(self.offset + HEAD as u64));
        self.arena.record_at(offset.ok_or(Torn)?).ok_or(Torn)
    }

    #[inline]
    pub(super) fn cell(self, at: usize) -> Result<Cell<'a>, Torn> {
        let position = self.slot(at)?.load(Acquire);
        Cell::open(self.arena, self.offset + u64::from(position) * UNIT as u64)
    }

    /// Words for a cell of so many units at this position.
    pub(super) fn room(self, position: u32, units: u32) -> Result<&'a [AtomicU64], Torn> {
        let offset = self.offset + u64::from(position) * UNIT as u64;
        self.arena.records_at(offset, units as usize * (UNIT / 8)).ok_or(Torn)
    }

    /// So many values, if there can be as many in it.
    pub(super) fn check(self, count: usize) -> Result<usize, Torn> {
        let size = self.arena.block(self.offset).map_err(|_| Torn)?.size();
        let is_room = count <= self.slots() && count <= size.saturating_sub(HEAD) / size_of::<AtomicU32>();
        if is_room { Ok(count) } else { Err(Torn) }
    }

    /// How many slots there are.
    pub(super) fn slots(self) -> usize {
        (self.head[1].load(Relaxed) >> 32) as usize
    }

    /// Takes so much of what was never used, if there is as much in a leaf of `size` bytes. For who has the list's lock.
    pub(super) fn take_unused(self, units: u32, size: usize) -> Option<u32> {
        let space = self.head[1].load(Relaxed);
        let end = (space as u32).checked_add(units)?;
        if end as usize * UNIT > size {
            return None;
        }
        self.head[1].store(space >> 32 << 32 | u64::from(end), Relaxed);
        Some(space as u32)
    }

    /// The cell that was taken last is free again: for who has raised the version since no slot names it.
    pub(super) fn give_back(self, position: u32, units: u32) {
        let space = self.head[1].load(Relaxed);
        if position.checked_add(units) == Some(space as u32) {
            self.head[1].store(space >> 32 << 32 | u64::from(position), Relaxed);
        }
    }
}

/// A leaf of this process's that will be a list's. Freed unless it's committed.
pub(super) struct LeafDraft {
    pub(super) block: NewBlock,
    leaf: Leaf<'static>,
    count: usize,
    pub(super) has_boxes: bool,
}

/// The smallest leaf, in bytes.
const SMALLEST: usize = 256;

/// A larger one is divided.
pub(super) const LARGE: usize = 8 << 10;

impl LeafDraft {
    /// A leaf for so much, and `factor` times as much in all.
    pub(super) fn new(arena: &'static Arena, load: Load, factor: usize) -> Result<LeafDraft> {
        let slots = (load.entries * factor).max(1).next_multiple_of(4);
        let start = HEAD + slots * 4;
        let block = NewBlock::new(arena, (start + load.units * UNIT * factor).max(SMALLEST))?;
        let leaf = Leaf::open(arena, block.offset()).map_err(corrupted)?;
        leaf.head[0].store(0, Relaxed);
        leaf.head[1].store((slots as u64) << 32 | start.div_ceil(UNIT) as u64, Relaxed);
        Ok(LeafDraft { block, leaf, count: 0, has_boxes: false })
    }

    fn add(&mut self, units: u32, has_box: bool) -> Result<&'static [AtomicU64]> {
        let full = || Error::corrupted("the values of a leaf are more than were counted");
        let position = self.leaf.take_unused(units, self.block.size()).ok_or_else(full)?;
        if self.count == self.leaf.slots() {
            return Err(full());
        }
        self.leaf.slot(self.count).map_err(corrupted)?.store(position, Relaxed);
        self.count += 1;
        self.has_boxes |= has_box;
        self.leaf.room(position, units).map_err(corrupted)
    }

    pub(super) fn copy(&mut self, cell: Cell<'_>) -> Result<()> {
        let room = self.add(cell.units(), cell.is_boxed())?;
        cell.copy_to(room);
        Ok(())
    }

    pub(super) fn write(&mut self, cell: &NewCell<'_>) -> Result<()> {
        let room = self.add(cell.units(), cell.is_boxed())?;
        cell.write(room, 0);
        Ok(())
    }

    /// It's complete: what names it.
    pub(super) fn finish(&self) -> LeafName {
        self.leaf.head[0].store(self.count as u64, Release);
        LeafName::new(self.block.offset(), self.count)
    }
}

/// Names a leaf: its offset, in units of 64 (bits 0..34), and how many values are in it (34..64). Of the last one the leaf itself says
/// that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeafName(pub(super) u64);

const OFFSET_BITS: u32 = 34;

impl LeafName {
    pub(super) fn new(offset: u64, count: usize) -> LeafName {
        LeafName((offset / 64) | ((count as u64) << OFFSET_BITS))
    }

    #[inline]
    pub(super) fn offset(self) -> u64 {
        (self.0 & ((1 << OFFSET_BITS) - 1)) * 64
    }

    #[inline]
    pub(super) fn count(self) -> usize {
        (self.0 >> OFFSET_BITS) as usize
    }
}

#[cold]
pub(super) fn corrupted(_: Torn) -> Error {
    Error::corrupted("a leaf of a list")
}
