//! What the models of this folder have in common: a family in which one process may die.

use super::Census;
use crate::{
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Release},
    },
    members::{Owner, Tag},
};

/// The process of that number.
pub(crate) fn tag(slot: usize) -> Tag {
    Owner::new(slot, 1).unwrap().tag()
}

/// Who has been marked dead, if anybody has. Nobody asks the kernel in a model.
pub(crate) struct Dead(AtomicU32);

impl Dead {
    pub(crate) fn nobody() -> Dead {
        Dead(AtomicU32::new(0))
    }

    pub(crate) fn set(&self, dead: Tag) {
        self.0.store(dead.bits(), Release);
    }
}

impl Census for Dead {
    fn is_marked_dead(&self, tag: Tag) -> bool {
        self.0.load(Acquire) == tag.bits()
    }

    fn is_gone(&self, _: Tag) -> bool {
        false
    }
}
