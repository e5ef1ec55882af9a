//! The sweep: frees what dead members held, then their slots.

use super::{kinds::for_each_object, mark::give_up};
use crate::{
    arena::{Arena, Audit, BlockState},
    kill_point::kill_point,
    members::Owner,
};
use std::collections::HashSet;

/// Sweeps after every member that is marked dead. Runs in any member; only one at a time.
pub(crate) fn sweep(arena: &Arena) {
    arena.recovering(|| {
        let dead: Vec<Owner> = arena.members().dead().collect();
        let mut abandoned = Vec::new();
        for_each_object(arena, |block, state, object| {
            let mut last = false;
            for owner in &dead {
                last |= object.forget(*owner);
            }
            if last {
                abandoned.push((block, state));
            }
        });
        for (block, state) in abandoned {
            if block.change_state(state, BlockState::Raw(arena.me())) {
                arena.free(block, arena.me());
            }
        }
        kill_point!(SweepAfterObjects);
        // In this order: a block is taken over by its reader before the record that names it is retired, so one that is
        // still the dead's and that no record names now, nobody will ever look at.
        let ownerless = arena.ownerless_blocks();
        let referenced = referenced(arena);
        for (offset, owner) in ownerless {
            if !referenced.contains(&offset)
                && let Ok(block) = arena.block(offset)
            {
                arena.free(block, owner);
            }
        }
        arena.mend_blocks();
        kill_point!(SweepAfterBlocks);
        for owner in dead {
            // A process that the dead one was about to start, and that has not arrived, will be turned away.
            for reserved in arena.members().reserved_by(owner) {
                give_up(arena, reserved, owner);
            }
            arena.members().release(owner);
            kill_point!(SweepAfterRelease);
        }
    });
}

/// The offsets of all raw blocks that some object refers to.
fn referenced(arena: &Arena) -> HashSet<u64> {
    let mut found = HashSet::new();
    for_each_object(arena, |_, _, object| {
        object.parts(arena, &mut |offset| {
            found.insert(offset);
        });
    });
    found
}

/// Walks the whole arena; see [`Audit`].
pub(crate) fn audit(arena: &Arena) -> Audit {
    let referenced = referenced(arena);
    arena.audit(|offset| referenced.contains(&offset))
}
