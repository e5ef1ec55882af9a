//! What a map consists of: for the sweep, and for who frees it.

use super::{
    cell::Cell,
    page::{Page, PageName},
    record::{GROUP, MapRecord},
    shape::{FEWEST, Shape},
    shard::Shard,
    transaction::decided,
};
use crate::{
    arena::Arena,
    atomic::Ordering::{Acquire, SeqCst},
    kill_point::kill_point,
    message::Lent,
    recovery::Collection,
    references::Part,
    sync::Deaths,
};

/// So often a shard, or the map, is looked at until nothing moved meanwhile.
const LOOKS: usize = 100;

impl Collection for MapRecord {
    fn parts(&self, arena: &Arena, visit: &mut dyn FnMut(Part)) -> bool {
        let shape = self.shape();
        self.structure(arena, shape.shards()).for_each(|(_, block)| visit(Part::Block(block.offset())));
        for (index, shard) in self.shards(arena).enumerate() {
            for name in pages(arena, shard, index, shape) {
                visit(Part::Block(name.offset()));
            }
            let journal = shard.intent.load(Acquire);
            if journal != 0 {
                visit(Part::Block(journal));
            }
        }
        true
    }

    fn contents(&self, arena: &Arena, visit: &mut dyn FnMut(Part)) -> bool {
        for _ in 0..LOOKS {
            let shape = self.shape();
            let is_whole = self.shards(arena).enumerate().all(|(index, shard)| {
                shard.boxes.load(Acquire) == 0
                    || look_at_boxes(arena, (shard, &self.deaths), index, shape, visit)
            });
            // What is moved to another shard might be missed in both.
            if is_whole && self.shape() == shape {
                return true;
            }
        }
        false
    }

    fn dispose(&self, arena: &Arena) {
        dispose(arena, self);
    }
}

/// The pages that a shard has, or is to have by a transaction that is decided.
fn pages(arena: &Arena, shard: &Shard, index: usize, shape: Shape) -> impl Iterator<Item = PageName> {
    let journal = shard.intent.load(Acquire);
    let next = if journal == 0 { None } else { decided(arena, journal, index).ok().flatten() };
    let names = [Some(shard.page.load(Acquire)), next].into_iter().flatten();
    names.map(move |word| PageName::of_epoch(word, shape.epoch())).filter(|name| !name.is_none())
}

fn look_at_boxes(
    arena: &Arena,
    (shard, deaths): (&Shard, &Deaths),
    index: usize,
    shape: Shape,
    visit: &mut dyn FnMut(Part),
) -> bool {
    (0..LOOKS).any(|_| {
        let seen = shard.version.observe(deaths, || {
            let mut boxes = Vec::new();
            for name in pages(arena, shard, index, shape) {
                for_each_cell(arena, name, |cell| boxes.extend(cell.lent()));
            }
            boxes
        });
        let Some(boxes) = seen else { return false };
        boxes.into_iter().for_each(|lent| lent.visit(arena, visit));
        // Of a box that went meanwhile perhaps another's list was seen: too much. But none was missed.
        true
    })
}

/// Corrupted ones are passed over.
fn for_each_cell(arena: &Arena, name: PageName, mut f: impl FnMut(Cell<'_>)) {
    if let Ok(page) = Page::open(arena, name) {
        page.entries().flatten().for_each(|entry| f(entry.cell));
    }
}

/// What is named is there until it's taken over.
pub(super) fn dispose(arena: &Arena, record: &MapRecord) {
    let shape = record.shape();
    for (index, shard) in record.shards(arena).enumerate() {
        // A transaction that is decided and was never carried out: its process is dead, and what is named no more is swept.
        let journal = shard.intent.load(Acquire);
        if journal != 0 {
            if let Ok(Some(page)) = decided(arena, journal, index) {
                shard.page.store(page, SeqCst);
            }
            shard.intent.store(0, SeqCst);
            // It was named until now, and passed by: the next sweep looks again.
            arena.count_death();
        }
    }
    for shard in record.shards(arena) {
        let name = PageName::of_epoch(shard.page.load(Acquire), shape.epoch());
        if !name.is_none() {
            for_each_cell(arena, name, |cell| {
                if let Some(lent) = cell.lent() {
                    discard(arena, lent);
                }
            });
            kill_point!(MapWhileEnding);
            arena.free_named(&shard.page, name.offset());
        }
    }
    for first in (0..shape.shards()).step_by(GROUP).rev() {
        if let Some(word) = record.group(arena, first / GROUP) {
            arena.free_named(word, word.load(Acquire));
        }
    }
    for root in &record.roots {
        arena.free_named(root, root.load(Acquire));
    }
    if shape.shards() > FEWEST {
        arena.trim();
    }
    // Records that are free name nothing.
    record.shape.store(Shape::new().0, SeqCst);
}

fn discard(arena: &Arena, lent: Lent) {
    // Twice is no harm: the block's stamp goes first.
    if lent.take_all(arena).is_ok() {
        lent.discard(arena);
    }
}
