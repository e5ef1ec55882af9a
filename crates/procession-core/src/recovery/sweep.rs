//! The sweep: frees what dead members held, then their slots.

use super::{
    kinds::{for_each_record, with_object},
    mark::{give_up, tell},
};
use crate::{
    arena::{Arena, Audit, BlockState, Handle},
    kill_point::kill_point,
    members::Owner,
    references::{Header, Reference},
};
use std::collections::{HashMap, HashSet};

/// Sweeps after every member that is marked dead. Runs in any member; only one at a time.
pub(crate) fn sweep(arena: &Arena) {
    arena.recovering(|| {
        for owner in arena.members().half_marked() {
            tell(arena, owner);
        }
        let dead: Vec<Owner> = arena.members().dead().collect();
        sweep_records(arena, &dead);
        kill_point!(SweepAfterObjects);
        // In this order: a block is taken over by its reader before the record that names it is retired, so one that is
        // still the dead's and that no record names now, nobody will ever look at. The same holds for references.
        let ownerless = arena.ownerless_blocks();
        let unheld = unheld_references(arena);
        let belonging = belonging(arena);
        for (offset, owner) in ownerless {
            if !belonging.contains(&offset)
                && let Ok(block) = arena.block(offset)
            {
                arena.free(block, owner);
            }
        }
        for (reference, target) in unheld {
            if !belonging.contains(&reference.offset) {
                // As long as the reference is there, so is the object.
                with_object(arena, target, |object| dead.iter().for_each(|owner| object.forget(*owner)));
                arena.release_reference(reference, false);
            }
        }
        sweep_unreferenced(arena);
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

/// Takes the dead out of every record of two sides, and frees those that nobody has any more.
fn sweep_records(arena: &Arena, dead: &[Owner]) {
    let mut abandoned = Vec::new();
    for_each_record(arena, |block, state, record| {
        let mut last = false;
        for owner in dead {
            last |= record.forget(*owner);
        }
        if last {
            // First, so that none is lost if this process dies as well: they can be given back twice.
            record.messages(arena, &mut |listed| listed.release(arena, false));
            abandoned.push((block, state));
        }
    });
    for (block, state) in abandoned {
        arena.end_object(block, state);
    }
}

/// All references that no living member has, and what they are to.
fn unheld_references(arena: &Arena) -> Vec<(Reference, Handle)> {
    let mut found = Vec::new();
    arena.for_each_reference(|block, state, target| {
        if let BlockState::Reference { slot, number } = state
            && arena.members().occupant(slot.into()).is_none()
        {
            found.push((Reference { offset: block.offset(), number }, target));
        }
    });
    found
}

/// Frees the objects that count references of which there are none: of processes that were killed while they counted.
fn sweep_unreferenced(arena: &Arena) {
    let mut suspects = HashMap::new();
    arena.for_each_held(|block, state, header| {
        suspects.insert(block.offset(), (block, state, header.references.snapshot()));
    });
    arena.for_each_reference(|_, _, target| {
        suspects.remove(&target.offset);
    });
    for (block, state, before) in suspects.into_values() {
        // Had a reference been made from another that was given back before it was looked at, the count would have changed.
        if arena.record::<Header>(block).is_ok_and(|header| header.references.snapshot() == before) {
            arena.end_object(block, state);
        }
    }
}

/// The offsets of all raw blocks that belong to some object, and of all references in messages.
fn belonging(arena: &Arena) -> HashSet<u64> {
    let mut found = HashSet::new();
    for_each_record(arena, |_, _, object| {
        object.parts(arena, &mut |offset| {
            found.insert(offset);
        });
        object.messages(arena, &mut |listed| found.extend(listed.iter().map(|reference| reference.offset)));
    });
    found
}

/// Walks the whole arena; see [`Audit`].
pub(crate) fn audit(arena: &Arena) -> Audit {
    let belonging = belonging(arena);
    arena.audit(|offset| belonging.contains(&offset))
}
