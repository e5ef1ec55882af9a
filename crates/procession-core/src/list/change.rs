//! Changing a list.

use super::{
    leaf::{LARGE, LeafDraft, LeafName, corrupted},
    list::{List, out_of_range},
    locked::{Item, Locked},
    root::{Position, has_room},
};
use crate::{
    arena::Arena,
    atomic::{
        AtomicU64,
        Ordering::{Relaxed, Release},
    },
    error::{Error, Result},
    map::{Key, Load, NewCell, UNIT},
    objects::busy::Busy,
    references::Share,
};
use std::{fmt, ops::Range, sync::Arc};

type Shares = Vec<Arc<Share>>;

/// So many values a leaf has room for at most, when it's made for more to come.
const MOST: usize = 512;

fn new_cell<'v>(arena: &'static Arena, value: &'v [u8], shares: &[Arc<Share>]) -> Result<NewCell<'v>> {
    NewCell::new(arena, Key::none(), value, shares)
}

impl List {
    /// Adds a value at the end.
    pub fn push(&self, value: &[u8], shares: &[Arc<Share>]) -> Result<()> {
        let new = new_cell(self.shared.checked()?, value, shares)?;
        self.changing(|locked| locked.push(&new))?;
        new.committed();
        Ok(())
    }

    /// Takes the value at the end.
    pub fn pop(&self, out: &mut Vec<u8>) -> Result<Option<Shares>> {
        self.changing(|locked| match locked.len()?.checked_sub(1) {
            Some(last) => locked.take(last, out),
            None => Ok(None),
        })
    }

    /// Sets the value of this number: what it was before is appended. `None`: there is no such number, and nothing is done.
    pub fn set(
        &self,
        index: usize,
        value: &[u8],
        shares: &[Arc<Share>],
        before: &mut Vec<u8>,
    ) -> Result<Option<Shares>> {
        let new = new_cell(self.shared.checked()?, value, shares)?;
        let was = self.changing(|locked| {
            let Some(cell) = locked.find(index)? else { return Ok(None) };
            let was = locked.read(cell, before)?;
            locked.set(index, &new)?;
            Ok(Some(was))
        })?;
        if was.is_some() {
            new.committed();
        }
        Ok(was)
    }

    /// Puts a value before the one of this number, or at the end.
    pub fn insert(&self, index: usize, value: &[u8], shares: &[Arc<Share>]) -> Result<()> {
        let new = new_cell(self.shared.checked()?, value, shares)?;
        self.changing(|locked| locked.insert(index, &new))?;
        new.committed();
        Ok(())
    }

    /// Takes the value of this number.
    pub fn remove(&self, index: usize, out: &mut Vec<u8>) -> Result<Option<Shares>> {
        self.changing(|locked| locked.take(index, out))
    }

    /// Exchanges two values.
    pub fn swap(&self, a: usize, b: usize) -> Result<()> {
        self.changing(|locked| locked.swap(a, b))
    }

    /// Adds values at the end, all at once.
    pub fn extend(&self, values: &[(Range<usize>, Shares)], bytes: &[u8]) -> Result<()> {
        let arena = self.shared.checked()?;
        let cells = values.iter().map(|(range, shares)| new_cell(arena, &bytes[range.clone()], shares));
        let cells: Vec<NewCell<'_>> = cells.collect::<Result<_>>()?;
        let items: Vec<Item<'_>> = cells.iter().map(Item::New).collect();
        if !items.is_empty() {
            self.changing(|locked| locked.replace(Vec::new(), locked.leaves(&items, 1)?))?;
        }
        cells.into_iter().for_each(NewCell::committed);
        Ok(())
    }

    /// Removes all values from this number on, all at once.
    pub fn truncate(&self, len: usize) -> Result<()> {
        self.changing(|locked| locked.truncate(len))
    }

    /// Runs `f` with the lock. If that fails nothing is freed: nothing was done.
    fn changing<R>(&self, f: impl FnOnce(&Locked<'static>) -> Result<R>) -> Result<R> {
        let locked = self.lock()?;
        f(&locked).inspect_err(|_| locked.keep_all())
    }

    /// The value of this number, for this thread to change. Whoever else wants to change the list waits until it's dropped.
    pub fn place(&self, index: usize) -> Result<Option<Place<'_>>> {
        let locked = self.lock()?;
        if locked.find(index)?.is_none() {
            return Ok(None);
        }
        let busy = self.busy();
        Ok(Some(Place { index, locked, busy, list: self }))
    }
}

/// The value of one number; nobody else changes the list meanwhile.
pub struct Place<'l> {
    index: usize,
    /// Before the lock: what is freed then may have been the last handle of something.
    busy: Busy,
    locked: Locked<'static>,
    list: &'l List,
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("index", &self.index).field("busy", &self.busy).finish()
    }
}

impl Place<'_> {
    /// Appends the value, and gives the handles in it.
    pub fn get(&self, out: &mut Vec<u8>) -> Result<Shares> {
        let cell = self.locked.find(self.index)?;
        let cell = cell.ok_or_else(|| Error::corrupted("a value of a list that is locked has gone"))?;
        self.locked.read(cell, out)
    }

    /// Sets the value.
    pub fn set(self, value: &[u8], shares: &[Arc<Share>]) -> Result<()> {
        let new = new_cell(self.list.shared.checked()?, value, shares)?;
        self.locked.set(self.index, &new).inspect_err(|_| self.locked.keep_all())?;
        new.committed();
        Ok(())
    }
}

/// How many bytes the values' cells take.
fn space(items: &[Item<'_>]) -> usize {
    items.iter().map(|item| item.units() as usize * UNIT).sum()
}

impl Locked<'_> {
    fn push(&self, new: &NewCell<'_>) -> Result<()> {
        let Some((root, last, leaf)) = self.last()? else {
            return self.replace(Vec::new(), self.leaves(&[Item::New(new)], 4)?);
        };
        let (count, size) = (leaf.count(), self.arena.block(leaf.offset())?.size());
        if count < leaf.slots()
            && let Some(position) = leaf.take_unused(new.units(), size)
        {
            new.write(leaf.room(position, new.units()).map_err(corrupted)?, 0);
            leaf.slot(count).map_err(corrupted)?.store(position, Relaxed);
            self.expect_boxes(new.is_boxed());
            self.commit(|| leaf.count_word().store(count as u64 + 1, Release));
            return Ok(());
        }
        if size < LARGE {
            let mut items: Vec<Item<'_>> = self.cells(root, last)?.into_iter().map(Item::Old).collect();
            items.push(Item::New(new));
            return self.replace(vec![(last, self.leaves(&items, 2)?)], Vec::new());
        }
        // Another leaf, for as much as is likely to come.
        let entries = (LARGE / (new.units() as usize * UNIT)).clamp(1, MOST);
        let load = Load { entries, units: entries * new.units() as usize };
        let mut draft = LeafDraft::new(self.arena, load, 1)?;
        draft.write(new)?;
        self.expect_boxes(draft.has_boxes);
        let block = self.arena.block(self.record.root.load(Relaxed))?;
        if !has_room(block, root.names.len()) {
            return self.replace(Vec::new(), vec![draft]);
        }
        let words = block.records::<AtomicU64>(8, root.names.len() + 1)?;
        // The name of what was the last one counts from now on.
        words[last].store(LeafName::new(leaf.offset(), count).0, Relaxed);
        words[last + 1].store(draft.finish().0, Relaxed);
        self.commit(|| root.count_word().store(last as u64 + 2, Release));
        draft.block.committed();
        Ok(())
    }

    fn take(&self, index: usize, out: &mut Vec<u8>) -> Result<Option<Shares>> {
        let (Some(root), Some(place)) = (self.root()?, self.position(index)?) else {
            return Ok(None);
        };
        let Position { leaf, at } = place;
        let cell = root.leaf(leaf).and_then(|leaf| leaf.cell(at)).map_err(corrupted)?;
        let shares = self.read(cell, out)?;
        self.release_box(cell)?;
        let count = root.count(leaf).map_err(corrupted)?;
        if leaf + 1 == root.names.len() && at + 1 == count {
            if at == 0 {
                self.drop_last(root)?;
                return Ok(Some(shares));
            }
            let opened = root.leaf(leaf).map_err(corrupted)?;
            let position = opened.slot(at).map_err(corrupted)?.load(Relaxed);
            self.commit(|| opened.count_word().store(at as u64, Release));
            opened.give_back(position, cell.units());
            return Ok(Some(shares));
        }
        let mut items: Vec<Item<'_>> = self.cells_around(root, place)?.into_iter().map(Item::Old).collect();
        items.remove(at);
        let mut changed = Vec::new();
        if space(&items) < LARGE / 4 && leaf + 1 < root.names.len() {
            // Together with the next one, if that's small as well.
            let next: Vec<Item<'_>> = self.cells(root, leaf + 1)?.into_iter().map(Item::Old).collect();
            if space(&next) < LARGE / 4 {
                items.extend(next);
                changed.push((leaf + 1, Vec::new()));
            }
        }
        changed.push((leaf, self.leaves(&items, 1)?));
        self.replace(changed, Vec::new())?;
        Ok(Some(shares))
    }

    fn set(&self, index: usize, new: &NewCell<'_>) -> Result<()> {
        let (Some(root), Some(place)) = (self.root()?, self.position(index)?) else {
            return Err(Error::corrupted("a value of a list that is locked has gone"));
        };
        let Position { leaf, at } = place;
        let opened = root.leaf(leaf).map_err(corrupted)?;
        self.release_box(opened.cell(at).map_err(corrupted)?)?;
        let size = self.arena.block(opened.offset())?.size();
        match opened.take_unused(new.units(), size) {
            Some(position) => {
                new.write(opened.room(position, new.units()).map_err(corrupted)?, 0);
                self.expect_boxes(new.is_boxed());
                let slot = opened.slot(at).map_err(corrupted)?;
                self.commit(|| slot.store(position, Release));
                Ok(())
            }
            None => {
                let mut items: Vec<Item<'_>> =
                    self.cells_around(root, place)?.into_iter().map(Item::Old).collect();
                items[at] = Item::New(new);
                self.replace(vec![(leaf, self.leaves(&items, 2)?)], Vec::new())
            }
        }
    }

    fn insert(&self, index: usize, new: &NewCell<'_>) -> Result<()> {
        let (Some(root), Some(place)) = (self.root()?, self.position(index)?) else {
            let len = self.len()?;
            return if index == len {
                self.push(new)
            } else {
                Err(out_of_range("insert before", index, len))
            };
        };
        let mut items: Vec<Item<'_>> = self.cells_around(root, place)?.into_iter().map(Item::Old).collect();
        items.insert(place.at, Item::New(new));
        self.replace(vec![(place.leaf, self.leaves(&items, 1)?)], Vec::new())
    }

    fn swap(&self, a: usize, b: usize) -> Result<()> {
        let place = |index| match self.position(index)? {
            Some(position) => Ok(position),
            None => Err(out_of_range("swap", index, self.len()?)),
        };
        let (first, second) = (place(a.min(b))?, place(a.max(b))?);
        let Some(root) = self.root()?.filter(|_| first != second) else { return Ok(()) };
        let (mut cells, mut others);
        if first.leaf == second.leaf {
            let later = Position { leaf: first.leaf, at: first.at.max(second.at) };
            (cells, others) = (self.cells_around(root, later)?, Vec::new());
            cells.swap(first.at, second.at);
        } else {
            (cells, others) = (self.cells_around(root, first)?, self.cells_around(root, second)?);
            std::mem::swap(&mut cells[first.at], &mut others[second.at]);
        }
        let mut changed = Vec::new();
        for (leaf, cells) in [(first.leaf, cells), (second.leaf, others)] {
            if !cells.is_empty() {
                let items: Vec<Item<'_>> = cells.into_iter().map(Item::Old).collect();
                changed.push((leaf, self.leaves(&items, 1)?));
            }
        }
        self.replace(changed, Vec::new())
    }

    fn truncate(&self, len: usize) -> Result<()> {
        let (Some(root), Some(place)) = (self.root()?, self.position(len)?) else {
            return Ok(());
        };
        let Position { leaf, at } = place;
        let kept = self.cells_around(root, place)?;
        let (kept, gone) = kept.split_at(at);
        gone.iter().try_for_each(|cell| self.release_box(*cell))?;
        let items: Vec<Item<'_>> = kept.iter().map(|cell| Item::Old(*cell)).collect();
        let mut changed = vec![(leaf, self.leaves(&items, 1)?)];
        for later in leaf + 1..root.names.len() {
            self.cells(root, later)?.into_iter().try_for_each(|cell| self.release_box(cell))?;
            changed.push((later, Vec::new()));
        }
        self.replace(changed, Vec::new())
    }
}
