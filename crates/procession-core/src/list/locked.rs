//! A list whose lock this process has.

use super::{
    leaf::{LARGE, Leaf, LeafDraft, LeafName, corrupted},
    record::ListRecord,
    root::{self, Position, Root},
};
use crate::{
    arena::{Arena, Block},
    atomic::Ordering::{Relaxed, Release},
    error::{Error, Result},
    kill_point::kill_point,
    map::{Cell, Load, NewCell, Torn, UNIT},
    message::Lent,
    references::Share,
};
use std::{cell, sync::Arc};

/// The lock of a list. Released when it's dropped; who waits for a change is told, and what was taken out of the list is freed.
pub(super) struct Locked<'l> {
    pub(super) arena: &'static Arena,
    pub(super) record: &'l ListRecord,
    has_changed: cell::Cell<bool>,
    /// Boxes and blocks that the list doesn't name any more: this process's.
    gone: cell::RefCell<(Vec<Lent>, Vec<Block<'static>>)>,
}

/// A value of a leaf that is being built.
pub(super) enum Item<'i> {
    Old(Cell<'static>),
    New(&'i NewCell<'i>),
}

impl Item<'_> {
    pub(super) fn units(&self) -> u32 {
        match self {
            Item::Old(cell) => cell.units(),
            Item::New(cell) => cell.units(),
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.record.lock.unlock();
        if self.has_changed.get() {
            self.record.change.notify();
        }
        kill_point!(ListBeforeFree);
        let (boxes, blocks) = self.gone.take();
        boxes.into_iter().for_each(|lent| lent.discard(self.arena));
        for block in blocks {
            self.arena.free(block, self.arena.me());
        }
    }
}

impl<'l> Locked<'l> {
    pub(super) fn new(arena: &'static Arena, record: &'l ListRecord) -> Locked<'l> {
        Locked { arena, record, has_changed: cell::Cell::new(false), gone: cell::RefCell::default() }
    }

    pub(super) fn root(&self) -> Result<Option<Root<'static>>> {
        Root::open(self.arena, self.record.root.load(Relaxed)).map_err(corrupted)
    }

    pub(super) fn len(&self) -> Result<usize> {
        self.root()?.map_or(Ok(0), Root::len).map_err(corrupted)
    }

    pub(super) fn position(&self, index: usize) -> Result<Option<Position>> {
        self.root()?.map_or(Ok(None), |root| root.find(index)).map_err(corrupted)
    }

    pub(super) fn find(&self, index: usize) -> Result<Option<Cell<'static>>> {
        match (self.root()?, self.position(index)?) {
            (Some(root), Some(Position { leaf, at })) => {
                root.leaf(leaf).and_then(|leaf| leaf.cell(at)).map(Some).map_err(corrupted)
            }
            _ => Ok(None),
        }
    }

    /// Appends the value's bytes, and gives the handles in it.
    pub(super) fn read(&self, cell: Cell<'_>, out: &mut Vec<u8>) -> Result<Vec<Arc<Share>>> {
        cell.value(out).map_err(corrupted)?;
        cell.shares(self.arena)
    }

    /// The values of a leaf.
    pub(super) fn cells(&self, root: Root<'static>, leaf: usize) -> Result<Vec<Cell<'static>>> {
        let opened = root.leaf(leaf).map_err(corrupted)?;
        let count = root.count(leaf).and_then(|count| opened.check(count)).map_err(corrupted)?;
        (0..count).map(|at| opened.cell(at).map_err(corrupted)).collect()
    }

    /// The same, for one who has found that there is a value at this place: how many there are may have been scribbled over since.
    pub(super) fn cells_around(
        &self,
        root: Root<'static>,
        Position { leaf, at }: Position,
    ) -> Result<Vec<Cell<'static>>> {
        let cells = self.cells(root, leaf)?;
        if at < cells.len() { Ok(cells) } else { Err(Error::corrupted("the number of values in a leaf")) }
    }

    pub(super) fn for_each(&self, mut f: impl FnMut(Cell<'static>) -> Result<()>) -> Result<()> {
        let Some(root) = self.root()? else { return Ok(()) };
        (0..root.names.len()).try_for_each(|leaf| self.cells(root, leaf)?.into_iter().try_for_each(&mut f))
    }

    /// The store that commits a change.
    pub(super) fn commit(&self, store: impl FnOnce()) {
        self.record.commit(store);
        self.has_changed.set(true);
    }

    /// There may be values in blocks of their own, from before the commit on.
    pub(super) fn expect_boxes(&self, has_boxes: bool) {
        if has_boxes {
            self.record.boxes.store(1, Release);
        }
    }

    /// Makes what is about to be taken out this process's, if it lies in a block of its own; and has it freed afterwards.
    pub(super) fn release_box(&self, cell: Cell<'_>) -> Result<()> {
        if let Some(lent) = cell.lent() {
            lent.take_all(self.arena)?;
            kill_point!(ListAfterTakeOver);
            self.gone.borrow_mut().0.push(lent);
        }
        Ok(())
    }

    /// The same for a leaf or a root: it's to be freed when it's named no more.
    fn own_block(&self, offset: u64) -> Result<Block<'static>> {
        let block = self.arena.block(offset)?;
        if !self.arena.take_over_any(block) {
            return Err(Error::corrupted("a part of a list has no owner"));
        }
        Ok(block)
    }

    /// Nothing was committed: it's the list's still.
    pub(super) fn keep_all(&self) {
        self.gone.take();
    }

    /// Leaves with these values: as many as it takes, each with room for `factor` times as much.
    pub(super) fn leaves(&self, items: &[Item<'_>], factor: usize) -> Result<Vec<LeafDraft>> {
        let mut drafts = Vec::new();
        let mut rest = items;
        let total: usize = items.iter().map(|item| item.units() as usize * UNIT).sum();
        // Of equal size, if there are more.
        let share = total.div_ceil(total.div_ceil(LARGE).max(1));
        while !rest.is_empty() {
            let mut load = Load::default();
            let fits = |item: &&Item<'_>| {
                let is_room = load.units * UNIT < share;
                load.add(item.units());
                is_room
            };
            let count = rest.iter().take_while(fits).count();
            let (now, later) = rest.split_at(count);
            let mut load = Load::default();
            now.iter().for_each(|item| load.add(item.units()));
            let mut draft = LeafDraft::new(self.arena, load, factor)?;
            for item in now {
                match item {
                    Item::Old(cell) => draft.copy(*cell)?,
                    Item::New(cell) => draft.write(cell)?,
                }
            }
            self.expect_boxes(draft.has_boxes);
            drafts.push(draft);
            rest = later;
        }
        Ok(drafts)
    }

    /// Replaces each of these leaves by others, and adds some at the end, with one store.
    pub(super) fn replace(
        &self,
        mut changed: Vec<(usize, Vec<LeafDraft>)>,
        mut added: Vec<LeafDraft>,
    ) -> Result<()> {
        let root = self.root()?;
        let names = root.map_or(0, |root| root.names.len());
        let mut gone = Vec::new();
        for (leaf, _) in &changed {
            let root = root.ok_or_else(|| Error::corrupted("a list without leaves"))?;
            gone.push(self.own_block(root.name(*leaf).map_err(corrupted)?.offset())?);
        }
        if let ([(leaf, drafts)], [], Some(root)) = (changed.as_mut_slice(), added.as_slice(), root)
            && let [draft] = drafts.as_mut_slice()
        {
            let name = draft.finish();
            let place = root.names.get(*leaf).ok_or(Torn).map_err(corrupted)?;
            self.commit(|| place.store(name.0, Release));
            draft.block.committed();
            self.gone.borrow_mut().1.append(&mut gone);
            return Ok(());
        }
        let mut new = Vec::with_capacity(names + added.len() + changed.len());
        for leaf in 0..names {
            match (changed.iter().find(|(changed, _)| *changed == leaf), root) {
                (Some((_, drafts)), _) => new.extend(drafts.iter().map(LeafDraft::finish)),
                // Of the last one the name doesn't say how many there are.
                (None, Some(root)) => {
                    let count = root.count(leaf).map_err(corrupted)?;
                    new.push(LeafName::new(root.name(leaf).map_err(corrupted)?.offset(), count));
                }
                (None, None) => {}
            }
        }
        new.extend(added.iter().map(LeafDraft::finish));
        let old = self.record.root.load(Relaxed);
        if old != 0 {
            gone.push(self.own_block(old)?);
        }
        if new.is_empty() {
            self.commit(|| self.record.root.store(0, Release));
        } else {
            let mut root = root::build(self.arena, &new)?;
            self.commit(|| self.record.root.store(root.offset(), Release));
            root.committed();
        }
        changed
            .iter_mut()
            .flat_map(|(_, drafts)| drafts)
            .chain(&mut added)
            .for_each(|draft| draft.block.committed());
        self.gone.borrow_mut().1.append(&mut gone);
        Ok(())
    }

    /// Takes the last leaf out: needs no memory.
    pub(super) fn drop_last(&self, root: Root<'static>) -> Result<()> {
        let Some(last) = root.names.len().checked_sub(1).filter(|last| *last > 0) else {
            return self.replace(vec![(0, Vec::new())], Vec::new());
        };
        let block = self.own_block(root.name(last).map_err(corrupted)?.offset())?;
        // The leaf before says itself how many values are in it.
        self.commit(|| root.count_word().store(last as u64, Release));
        self.gone.borrow_mut().1.push(block);
        Ok(())
    }

    /// The last leaf, if there is one.
    pub(super) fn last(&self) -> Result<Option<(Root<'static>, usize, Leaf<'static>)>> {
        let Some(root) = self.root()? else { return Ok(None) };
        let Some(last) = root.names.len().checked_sub(1) else { return Ok(None) };
        Ok(Some((root, last, root.leaf(last).map_err(corrupted)?)))
    }
}
