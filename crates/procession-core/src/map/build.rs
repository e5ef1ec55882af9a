//! Building a page, which nobody sees until it's committed.

use super::{
    cell::{Cell, NewCell, UNIT},
    page::{LAST_POSITION, LINE, Page, PageName, Torn, slot_word},
    shard::Shard,
};
use crate::{
    arena::{Arena, NewBlock},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Relaxed, Release},
    },
    error::{Error, ErrorKind, Result},
};

/// A page of this process's that will be a shard's. Freed unless it's committed.
pub(super) struct PageDraft {
    arena: &'static Arena,
    pub(super) block: NewBlock,
    slots: &'static [AtomicU32],
    name: PageName,
    used: u32,
    count: u32,
    has_boxes: bool,
}

/// How large a page must be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    pub(crate) entries: usize,
    pub(crate) units: usize,
}

impl Load {
    pub(crate) fn add(&mut self, units: u32) {
        self.entries += 1;
        self.units += units as usize;
    }
}

/// The smallest page.
const SMALLEST: usize = 512;

impl PageDraft {
    /// A page for so much, and a third as much again.
    pub(super) fn new(arena: &'static Arena, load: Load, epoch: u64) -> Result<PageDraft> {
        let slots = (load.entries * 2).max(1).next_multiple_of(LINE);
        let units = load.units + load.units / 3;
        if units > LAST_POSITION as usize / 2 {
            return Err(too_large());
        }
        let block = NewBlock::new(arena, (slots * 4 + units * UNIT).max(SMALLEST))?;
        let words = block.records::<AtomicU32>(0, slots)?;
        words.iter().for_each(|slot| slot.store(0, Relaxed));
        Ok(PageDraft {
            arena,
            name: PageName::new(*block, slots, epoch),
            block,
            slots: words,
            used: (slots * 4 / UNIT) as u32,
            count: 0,
            has_boxes: false,
        })
    }

    pub(super) fn name(&self) -> PageName {
        self.name
    }

    pub(super) fn bytes(&self) -> usize {
        self.block.size()
    }

    fn page(&self) -> Result<Page<'static>> {
        Page::open(self.arena, self.name).map_err(corrupted)
    }

    /// Room for a cell, which a slot names from now on.
    fn add(&mut self, hash: u32, units: u32, has_box: bool) -> Result<&'static [AtomicU64]> {
        let (page, position) = (self.page()?, self.used);
        if (position + units) as usize * UNIT > self.block.size() {
            return Err(Error::corrupted("the entries of a page are more than were counted"));
        }
        let room = page.room(position, units).map_err(corrupted)?;
        let free = page.probe(hash).find(|slot| slot.load(Relaxed) == 0);
        let free = free.ok_or_else(|| Error::corrupted("the entries of a page are more than its slots"))?;
        free.store(slot_word(hash, position), Relaxed);
        self.used += units;
        self.count += 1;
        self.has_boxes |= has_box;
        Ok(room)
    }

    pub(super) fn copy(&mut self, cell: Cell<'_>) -> Result<()> {
        let room = self.add(cell.hash(), cell.units(), cell.is_boxed())?;
        cell.copy_to(room);
        Ok(())
    }

    pub(super) fn write(&mut self, hash: u32, cell: &NewCell<'_>, order: u64) -> Result<()> {
        let room = self.add(hash, cell.units(), cell.is_boxed())?;
        cell.write(room, order);
        Ok(())
    }

    /// Completes the shard's head for this page, before that is committed: for who has the lock. (Whoever takes the lock over makes
    /// it anew.)
    pub(super) fn describe(&self, shard: &Shard) {
        let first = (self.slots.len() * 4 / UNIT) as u32;
        shard.spare.store(0, Relaxed);
        shard.size.store((self.block.size() / UNIT) as u32, Relaxed);
        shard.used.store(self.used, Relaxed);
        shard.live.store(self.used - first, Relaxed);
        shard.count.store(self.count, Relaxed);
        shard.filled.store(self.count, Relaxed);
        // Never taken back: whoever looks for boxes must not miss those of the page before.
        if self.has_boxes {
            shard.boxes.store(1, Release);
        }
    }
}

#[cold]
fn too_large() -> Error {
    let text = "a part of a map would become larger than it can be: it has more entries than a map can be divided for";
    Error::new(ErrorKind::OutOfMemory, text)
}

#[cold]
pub(super) fn corrupted(_: Torn) -> Error {
    Error::corrupted("a page of a map")
}
