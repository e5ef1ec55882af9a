//! A shard whose lock this process has: what can be done with its entries, each with one store.

use super::{
    Key,
    build::{Load, PageDraft, corrupted},
    cell::{NewCell, UNIT},
    page::{Found, Page, PageName, REMOVED, slot_word},
    record::MapRecord,
    shape::Shape,
    shard::Shard,
};
use crate::{
    arena::{Arena, Block},
    atomic::{
        AtomicU32,
        Ordering::{Relaxed, Release},
    },
    error::{Error, Result},
    kill_point::kill_point,
    message::Lent,
};
use std::cell::Cell as Private;

/// A shard's lock. Released, and who waits for a change is told, when it's dropped.
pub(super) struct Locked<'m> {
    pub(super) arena: &'static Arena,
    pub(super) record: &'m MapRecord,
    pub(super) shard: &'m Shard,
    /// Which one it is, and of which shape.
    pub(super) index: usize,
    pub(super) shape: Shape,
    has_changed: Private<bool>,
    /// It has outgrown what a page should be, or shrunk.
    grown: Private<Growth>,
}

/// What a change says about how many shards there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    None,
    More,
    Fewer,
}

/// When a page gets larger than this, the map gets one more shard.
pub(super) const LARGE: usize = 8 << 10;

/// Some slots stay empty, so that a look for what isn't there ends soon.
fn is_full(filled: usize, slots: usize) -> bool {
    filled * 8 >= slots * 7
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        self.shard.lock.unlock();
        if self.has_changed.get() {
            self.shard.change.notify();
            self.record.change.notify();
        }
    }
}

impl<'m> Locked<'m> {
    /// For who has taken the lock, and seen after that that this is the map's shape.
    #[inline(always)]
    pub(super) fn new(
        arena: &'static Arena,
        record: &'m MapRecord,
        shard: &'m Shard,
        index: usize,
        shape: Shape,
    ) -> Locked<'m> {
        let (has_changed, grown) = (Private::new(false), Private::new(Growth::None));
        Locked { arena, record, shard, index, shape, has_changed, grown }
    }

    /// What changes so far say about the number of shards.
    #[inline]
    pub(super) fn growth(&self) -> Growth {
        self.grown.get()
    }

    pub(super) fn changed(&self) {
        self.has_changed.set(true);
    }

    #[inline]
    pub(super) fn page_name(&self) -> PageName {
        PageName::of_epoch(self.shard.page.load(Relaxed), self.shape.epoch())
    }

    /// The page, if there is one.
    #[inline(always)]
    pub(super) fn page(&self) -> Result<Option<Page<'static>>> {
        let name = self.page_name();
        if name.is_none() { Ok(None) } else { Page::open(self.arena, name).map(Some).map_err(corrupted) }
    }

    #[inline(always)]
    pub(super) fn find(&self, key: &Key<'_>) -> Result<Option<Found<'static>>> {
        match self.page()? {
            Some(page) => page.find(key.hash, |cell| cell.has_key(key)).map_err(corrupted),
            None => Ok(None),
        }
    }

    /// Calls `f` with each entry.
    pub(super) fn for_each(&self, mut f: impl FnMut(Found<'static>) -> Result<()>) -> Result<()> {
        let Some(page) = self.page()? else { return Ok(()) };
        page.entries().try_for_each(|entry| f(entry.map_err(corrupted)?))
    }

    /// Writes the entry into a free cell, and has its slot name that: the one store that commits it. What was the key's entry
    /// before is given back, if it lies in a box.
    #[inline(always)]
    pub(super) fn put(
        &self,
        key: &Key<'_>,
        new: NewCell<'_>,
        old: Option<Found<'static>>,
    ) -> Result<Option<Lent>> {
        let mut old = old;
        let units = new.units();
        let room = if old.is_some() || self.has_free_slot() { self.take_room(units) } else { None };
        let position = match room {
            Some(position) => position,
            None => {
                self.rebuild(units)?;
                old = self.find(key)?;
                self.take_room(units).ok_or_else(|| Error::corrupted("a new page has no room"))?
            }
        };
        let page = self.page()?.ok_or_else(|| Error::corrupted("a shard has no page"))?;
        let (slot, order) = match &old {
            Some(old) => (old.slot, old.cell.order()),
            None => {
                let free = page.probe(key.hash).find(|slot| slot.load(Relaxed) <= REMOVED);
                let free = free.ok_or_else(|| Error::corrupted("a page has no free slot"))?;
                (free, self.record.next_order())
            }
        };
        new.write(page.room(position, units).map_err(corrupted)?, order);
        if new.is_boxed() {
            self.shard.boxes.store(1, Relaxed);
        }
        let replaced = self.release_box(old.as_ref())?;
        let was_empty = slot.load(Relaxed) == 0;
        self.shard.commit(|| slot.store(slot_word(key.hash, position), Release));
        new.committed();
        let shard = self.shard;
        let live = shard.live.load(Relaxed).wrapping_add(units);
        match &old {
            Some(old) => {
                shard.live.store(live.wrapping_sub(old.cell.units()), Relaxed);
                self.set_spare(old);
            }
            None => {
                shard.live.store(live, Relaxed);
                shard.count.store(shard.count.load(Relaxed).wrapping_add(1), Relaxed);
                let filled = shard.filled.load(Relaxed).wrapping_add(u32::from(was_empty));
                shard.filled.store(filled, Relaxed);
            }
        }
        self.changed();
        Ok(replaced)
    }

    /// Takes the entry out; if it lies in a box, that's given back.
    pub(super) fn take(&self, old: &Found<'static>) -> Result<Option<Lent>> {
        let replaced = self.release_box(Some(old))?;
        let shard = self.shard;
        shard.commit(|| old.slot.store(REMOVED, Release));
        shard.live.store(shard.live.load(Relaxed).wrapping_sub(old.cell.units()), Relaxed);
        shard.count.store(shard.count.load(Relaxed).wrapping_sub(1), Relaxed);
        self.set_spare(old);
        self.changed();
        self.shrink();
        Ok(replaced)
    }

    /// Makes what lies in a box this process's, before no slot names it any more: so it's freed, whatever happens.
    #[inline]
    fn release_box(&self, old: Option<&Found<'static>>) -> Result<Option<Lent>> {
        match old.and_then(|old| old.cell.lent()) {
            Some(lent) => {
                lent.take_all(self.arena)?;
                kill_point!(MapAfterTakeOver);
                Ok(Some(lent))
            }
            None => Ok(None),
        }
    }

    /// The free cell, if so much fits into it: nobody finds it there any more.
    #[inline]
    fn take_spare(&self, units: u32) -> Option<u32> {
        let spare = self.shard.spare.load(Relaxed);
        if ((spare >> 32) as u32) < units {
            return None;
        }
        self.shard.spare.store(0, Relaxed);
        kill_point!(MapAfterSpare);
        Some(spare as u32)
    }

    /// What was an entry's cell is free: for who has raised the version since no slot names it.
    #[inline]
    fn set_spare(&self, old: &Found<'static>) {
        let spare = u64::from(old.position) | u64::from(old.cell.units()) << 32;
        if spare >> 32 >= self.shard.spare.load(Relaxed) >> 32 {
            self.shard.spare.store(spare, Relaxed);
        }
    }

    /// Whether there is a slot for another entry.
    #[inline]
    fn has_free_slot(&self) -> bool {
        !is_full(self.shard.filled.load(Relaxed) as usize, self.page_name().slots())
    }

    /// Room for a cell: the free one, or what was never used, if there is enough.
    #[inline]
    fn take_room(&self, units: u32) -> Option<u32> {
        self.take_spare(units).or_else(|| {
            let used = self.shard.used.load(Relaxed);
            let end = used.checked_add(units).filter(|end| *end <= self.shard.size.load(Relaxed))?;
            self.shard.used.store(end, Relaxed);
            Some(used)
        })
    }

    /// Copies all entries to a page in which there is room for so much more.
    fn rebuild(&self, more: u32) -> Result<()> {
        let mut load = Load::default();
        load.add(more);
        let draft = self.draft(load, |_| false)?;
        self.replace_page(draft)
    }

    /// A page with all entries but those at certain positions, in which there is room for so much more.
    pub(super) fn draft(&self, mut load: Load, leave_out: impl Fn(u32) -> bool) -> Result<PageDraft> {
        self.for_each(|entry| {
            if !leave_out(entry.position) {
                load.add(entry.cell.units());
            }
            Ok(())
        })?;
        let mut draft = PageDraft::new(self.arena, load, self.shape.epoch())?;
        if draft.bytes() > LARGE {
            self.grown.set(Growth::More);
        }
        self.for_each(|entry| if leave_out(entry.position) { Ok(()) } else { draft.copy(entry.cell) })?;
        Ok(draft)
    }

    /// After something was taken out: a page that is mostly empty becomes a smaller one.
    fn shrink(&self) {
        let shard = self.shard;
        let (live, size) = (shard.live.load(Relaxed) as usize, shard.size.load(Relaxed) as usize);
        if shard.count.load(Relaxed) == 0 {
            if let Ok(old) = self.own_page() {
                self.shard.describe_empty();
                self.shard.commit(|| self.shard.page.store(0, Release));
                self.free_page(old);
                self.grown.set(Growth::Fewer);
            }
        } else if live * 6 < size && size * UNIT > 1024 {
            // If there is no memory for the smaller one, the larger one will do.
            let _ = self.rebuild(0);
            self.grown.set(Growth::Fewer);
        }
    }

    /// Makes the page's block this process's, before it's the shard's no more.
    pub(super) fn own_page(&self) -> Result<Option<Block<'static>>> {
        let name = self.page_name();
        if name.is_none() {
            return Ok(None);
        }
        let block = self.arena.block(name.offset())?;
        if !self.arena.take_over_any(block) {
            return Err(Error::corrupted("a page of a map has no owner"));
        }
        Ok(Some(block))
    }

    pub(super) fn free_page(&self, page: Option<Block<'_>>) {
        kill_point!(MapBeforeFree);
        if let Some(block) = page {
            self.arena.free(block, self.arena.me());
        }
    }

    /// The shard's page is this one from now on.
    pub(super) fn replace_page(&self, mut draft: PageDraft) -> Result<()> {
        let old = self.own_page()?;
        draft.describe(self.shard);
        self.shard.commit(|| self.shard.page.store(draft.name().0, Release));
        draft.block.committed();
        self.free_page(old);
        Ok(())
    }

    /// After the lock was taken over from the dead: everything is made anew from what counts, the page and its slots. Can be done
    /// twice.
    pub(super) fn repair(&self) -> Result<()> {
        super::transaction::resolve(self)?;
        let shard = self.shard;
        shard.spare.store(0, Relaxed);
        self.changed();
        // The dead one may not have said that it has changed something.
        shard.version.raise();
        let Some(page) = self.page()? else {
            // Cleared, or there never was one.
            shard.page.store(0, Relaxed);
            shard.describe_empty();
            return Ok(());
        };
        let size = self.arena.block(self.page_name().offset())?.size() / UNIT;
        let mut load = Load::default();
        let mut used = page.slots.len() * 4 / UNIT;
        self.for_each(|Found { slot, cell, position }| {
            if self.shape.shard_of(cell.hash()) != self.index {
                // It was copied to another shard, which has been committed.
                shard.commit(|| slot.store(REMOVED, Release));
                return Ok(());
            }
            load.add(cell.units());
            used = used.max((position + cell.units()) as usize);
            if cell.is_boxed() {
                shard.boxes.store(1, Relaxed);
            }
            Ok(())
        })?;
        let filled = page.slots.iter().filter(|slot| slot.load(Relaxed) != 0).count();
        let words: [(&AtomicU32, usize); 5] = [
            (&shard.size, size),
            (&shard.used, used),
            (&shard.live, load.units),
            (&shard.count, load.entries),
            (&shard.filled, filled),
        ];
        words.iter().for_each(|(word, value)| word.store(*value as u32, Relaxed));
        kill_point!(MapAfterRepair);
        Ok(())
    }
}
