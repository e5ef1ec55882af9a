//! The root: which leaves a list has, in their order.
//!
//! A block of words: how many leaves there are, then their names. A leaf's name is replaced by one store; one more leaf, or one less,
//! at the end is a store of the number; anything else is another root.

use super::leaf::{Leaf, LeafName};
use crate::{
    arena::{Arena, Block, NewBlock},
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed},
    },
    error::Result,
    map::Torn,
};

/// A root that may be one.
#[derive(Clone, Copy)]
pub(super) struct Root<'a> {
    arena: &'a Arena,
    count: &'a AtomicU64,
    pub(super) names: &'a [AtomicU64],
}

/// Where a value is: in which leaf, at which of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) leaf: usize,
    pub(super) at: usize,
}

impl<'a> Root<'a> {
    /// The root at that offset; without leaves if it's 0.
    #[inline]
    pub(super) fn open(arena: &'a Arena, offset: u64) -> Result<Option<Root<'a>>, Torn> {
        if offset == 0 {
            return Ok(None);
        }
        let count: &AtomicU64 = arena.record_at(offset).ok_or(Torn)?;
        let leaves = usize::try_from(count.load(Acquire)).map_err(|_| Torn)?;
        let names = arena.records_at(offset + 8, leaves).ok_or(Torn)?;
        Ok(Some(Root { arena, count, names }))
    }

    pub(super) fn count_word(self) -> &'a AtomicU64 {
        self.count
    }

    #[inline]
    pub(super) fn name(self, leaf: usize) -> Result<LeafName, Torn> {
        self.names.get(leaf).map(|name| LeafName(name.load(Acquire))).ok_or(Torn)
    }

    pub(super) fn leaf(self, leaf: usize) -> Result<Leaf<'a>, Torn> {
        Leaf::open(self.arena, self.name(leaf)?.offset())
    }

    /// How many values a leaf has.
    #[inline]
    pub(super) fn count(self, leaf: usize) -> Result<usize, Torn> {
        if leaf + 1 == self.names.len() { Ok(self.leaf(leaf)?.count()) } else { Ok(self.name(leaf)?.count()) }
    }

    /// How many values there are.
    pub(super) fn len(self) -> Result<usize, Torn> {
        (0..self.names.len()).try_fold(0_usize, |sum, leaf| Ok(sum.saturating_add(self.count(leaf)?)))
    }

    /// Where the value of this number is.
    #[inline]
    pub(super) fn find(self, index: usize) -> Result<Option<Position>, Torn> {
        let Some((_, before)) = self.names.split_last() else { return Ok(None) };
        let mut at = index;
        for (leaf, name) in before.iter().enumerate() {
            let count = LeafName(name.load(Relaxed)).count();
            if at < count {
                return Ok(Some(Position { leaf, at }));
            }
            at -= count;
        }
        let leaf = before.len();
        Ok((at < self.count(leaf)?).then_some(Position { leaf, at }))
    }
}

/// A root with these leaves, and room for as many more.
pub(super) fn build(arena: &'static Arena, names: &[LeafName]) -> Result<NewBlock> {
    let block = NewBlock::new(arena, (1 + names.len() * 2).max(8) * 8)?;
    let words = block.records::<AtomicU64>(0, 1 + names.len())?;
    words[0].store(names.len() as u64, Relaxed);
    for (word, name) in words[1..].iter().zip(names) {
        word.store(name.0, Relaxed);
    }
    Ok(block)
}

/// Whether there is room for one more leaf in the root's block.
pub(super) fn has_room(block: Block<'_>, leaves: usize) -> bool {
    (leaves + 2) * 8 <= block.size()
}
