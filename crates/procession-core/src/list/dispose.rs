//! What a list consists of: for the sweep, and for who frees it.

use super::{leaf::LeafName, record::ListRecord, root::Root};
use crate::{
    arena::Arena,
    atomic::Ordering::{Acquire, SeqCst},
    kill_point::kill_point,
    map::Torn,
    message::Lent,
    recovery::Collection,
    references::Part,
    sync::Locked,
    sys::clock::Deadline,
};
use std::time::Duration;

/// So often a list is looked at without its lock.
const LOOKS: usize = 10;

/// So long one waits for the lock then.
const PATIENCE: Duration = Duration::from_millis(10);

impl Collection for ListRecord {
    fn parts(&self, arena: &Arena, visit: &mut dyn FnMut(Part)) -> bool {
        let blocks = || {
            let offset = self.root.load(Acquire);
            let mut blocks = vec![offset];
            if let Some(root) = Root::open(arena, offset)? {
                blocks.extend(root.names.iter().map(|name| LeafName(name.load(Acquire)).offset()));
            }
            Ok(blocks)
        };
        self.look(arena, blocks, visit_all(visit))
    }

    fn contents(&self, arena: &Arena, visit: &mut dyn FnMut(Part)) -> bool {
        if self.boxes.load(Acquire) == 0 {
            return true;
        }
        self.look(arena, || self.lent(arena), |boxes| boxes.iter().for_each(|lent| lent.visit(arena, visit)))
    }

    fn dispose(&self, arena: &Arena) {
        dispose(arena, self);
    }
}

fn visit_all(visit: &mut dyn FnMut(Part)) -> impl FnOnce(Vec<u64>) {
    move |blocks| {
        blocks.into_iter().filter(|offset| *offset != 0).for_each(|offset| visit(Part::Block(offset)))
    }
}

impl ListRecord {
    /// The values that lie in blocks of their own.
    fn lent(&self, arena: &Arena) -> Result<Vec<Lent>, Torn> {
        let mut boxes = Vec::new();
        let Some(root) = Root::open(arena, self.root.load(Acquire))? else { return Ok(boxes) };
        for leaf in 0..root.names.len() {
            let opened = root.leaf(leaf)?;
            for at in 0..opened.check(root.count(leaf)?)? {
                boxes.extend(opened.cell(at)?.lent());
            }
        }
        Ok(boxes)
    }

    /// Calls `f` with what `look` sees when nothing is changed meanwhile: without the lock, or with it. False if that was had by
    /// somebody all the time. What is corrupted has nothing.
    fn look<R: Default>(&self, arena: &Arena, look: impl Fn() -> Result<R, Torn>, f: impl FnOnce(R)) -> bool {
        for _ in 0..LOOKS {
            if let Some(seen) = self.version.observe(&self.deaths, &look) {
                f(seen.unwrap_or_default());
                return true;
            }
        }
        let Some(locked) = self.lock.lock(arena.me().tag(), arena, Deadline::after(PATIENCE)) else {
            return false;
        };
        let seen = look();
        if locked == Locked::Recovered {
            self.version.raise();
        }
        self.lock.unlock();
        f(seen.unwrap_or_default());
        true
    }
}

/// What is named is there until it's taken over.
pub(super) fn dispose(arena: &Arena, record: &ListRecord) {
    for lent in record.lent(arena).unwrap_or_default() {
        // Twice is no harm: the block's stamp goes first.
        if lent.take_all(arena).is_ok() {
            lent.discard(arena);
        }
    }
    kill_point!(ListWhileEnding);
    let offset = record.root.load(Acquire);
    if let Ok(Some(root)) = Root::open(arena, offset) {
        for name in root.names {
            let leaf = LeafName(name.load(Acquire)).offset();
            arena.free_named(name, leaf);
        }
    }
    arena.free_named(&record.root, offset);
    // Records that are free name nothing.
    record.root.store(0, SeqCst);
}
