//! The audit: walks everything in the arena and says what is there, what belongs to nobody and what cannot be.

use crate::{
    arena::{Arena, Block, BlockState, Kind, Stable},
    members::{Owner, State},
};
use std::collections::BTreeMap;

/// What a walk over the whole arena found.
///
/// Exact when nobody else works at that moment; otherwise a block on its way may be counted wrongly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// Objects, by the name of their kind.
    pub objects: BTreeMap<String, usize>,
    /// Raw blocks that belong to living processes.
    pub blocks: usize,
    /// Threads of living processes that have waited for an object: each keeps a note of that.
    pub threads: usize,
    /// References to objects: of living processes, and in messages.
    pub references: usize,
    /// Raw blocks and references that belong to nobody alive and to no object or message: what the sweep after the next death
    /// will free.
    pub leaked: usize,
    /// Blocks whose state cannot be.
    pub impossible: usize,
    /// Slots of the process table in use.
    pub members: usize,
    /// Bytes of chunks in use.
    pub used_bytes: usize,
    /// Bytes of chunks that have memory, whether in use or kept for the next allocation.
    pub committed_bytes: usize,
}

impl Arena {
    /// See [`Audit`]. `belongs` says what belongs to an object or message.
    pub(crate) fn audit(&self, belongs: impl Fn(Block<'_>, BlockState) -> bool) -> Audit {
        let (used, committed) = self.count_chunks();
        let mut audit = Audit {
            members: self.members().occupied(),
            used_bytes: used * super::layout::CHUNK,
            committed_bytes: committed * super::layout::CHUNK,
            ..Audit::default()
        };
        self.for_each_block(|block, state| match state {
            BlockState::Free => audit.leaked += 1,
            BlockState::Raw(owner) if self.members().is_alive(owner) => {
                if self.class_of(block) == Some(Stable::Wait as usize) {
                    audit.threads += 1;
                } else {
                    audit.blocks += 1;
                }
            }
            BlockState::Reference { holder, .. } => {
                let is_held = holder.slot().is_some_and(|slot| self.members().occupant(slot).is_some());
                *(if is_held || belongs(block, state) {
                    &mut audit.references
                } else {
                    &mut audit.leaked
                }) += 1;
            }
            BlockState::Raw(_) if belongs(block, state) => audit.blocks += 1,
            BlockState::Raw(_) => audit.leaked += 1,
            BlockState::Object { kind, .. } => match Kind::from_bits(kind) {
                Some(kind) => *audit.objects.entry(format!("{kind:?}")).or_default() += 1,
                None => audit.impossible += 1,
            },
        });
        audit
    }

    /// All raw blocks whose owner is dead, and not only about to be told of.
    pub(crate) fn ownerless_blocks(&self) -> Vec<(u64, Owner)> {
        let mut found = Vec::new();
        self.for_each_block(|block, state| {
            if let BlockState::Raw(owner) = state
                && matches!(self.members().state(owner), State::Dead | State::Free)
            {
                found.push((block.offset(), owner));
            }
        });
        found
    }
}
