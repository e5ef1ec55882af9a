//! A block that nothing names yet.

use super::{Arena, Block};
use crate::error::Result;
use std::ops::Deref;

/// A block of this process's that something will name. Freed unless that has been committed.
pub(crate) struct NewBlock {
    arena: &'static Arena,
    block: Block<'static>,
    is_committed: bool,
}

impl NewBlock {
    pub(crate) fn new(arena: &'static Arena, len: usize) -> Result<NewBlock> {
        Ok(NewBlock { arena, block: arena.alloc(len)?, is_committed: false })
    }

    /// It's named by what everybody sees.
    pub(crate) fn committed(&mut self) {
        self.is_committed = true;
    }
}

impl Deref for NewBlock {
    type Target = Block<'static>;
    fn deref(&self) -> &Block<'static> {
        &self.block
    }
}

impl Drop for NewBlock {
    fn drop(&mut self) {
        if !self.is_committed {
            self.arena.free(self.block, self.arena.me());
        }
    }
}
