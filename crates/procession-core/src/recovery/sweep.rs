//! The sweep: frees what dead members held, then their slots.

use super::{
    kinds::{for_each_record, for_each_stream, free_ownerless},
    mark::{give_up, tell},
    reach::References,
};
use crate::{
    arena::{Arena, Audit, BlockState},
    kill_point::kill_point,
    manager,
    members::Owner,
    references::{Count, Header, Holder, Part, Reference},
    sys::clock::Deadline,
};
use std::collections::HashMap;

/// Sweeps after every member that is marked dead. Runs in any member; only one at a time.
pub(crate) fn sweep(arena: &Arena) {
    sweep_until(arena, Deadline::NEVER);
}

/// The same, unless somebody is sweeping already.
pub(crate) fn try_sweep(arena: &Arena) {
    sweep_until(arena, Deadline::PASSED);
}

/// The same, unless somebody else sweeps until then. Whether the dead were swept, by whomever.
pub(crate) fn sweep_until(arena: &Arena, deadline: Deadline) -> bool {
    arena.recovering(deadline, || {
        for owner in arena.members().half_marked() {
            tell(arena, owner);
        }
        let dead: Vec<Owner> = arena.members().dead().collect();
        sweep_records(arena, &dead);
        for_each_stream(arena, |block, state, stream| {
            let is_over = !stream.is_received(arena) || stream.is_shut_down(arena);
            if matches!(state, BlockState::Object { .. }) && is_over {
                stream.drain(arena, block, state);
            }
        });
        kill_point!(SweepAfterObjects);
        // Whoever died while it pinned objects isn't at it any more.
        arena.pinning(Deadline::PASSED, || ());
        let are_closed = manager::finish(arena);
        // In this order: a block is taken over by its reader before the record that names it is retired, so one that is
        // still the dead's and that no record names now, nobody will ever look at. The same holds for references.
        let ownerless = arena.ownerless_blocks();
        let references = References::list(arena, &dead);
        let belonging = references.belonging(arena);
        for (offset, owner) in ownerless {
            if !belonging.contains(Part::Block(offset))
                && let Ok(block) = arena.block(offset)
            {
                free_ownerless(arena, block, owner);
            }
        }
        let mut all_right = belonging.is_whole && are_closed;
        for (reference, holder) in references.unheld() {
            if !belonging.contains(Part::Reference(reference)) {
                arena.release_reference(reference, holder);
            } else if holder != Holder::Nobody && arena.pass_reference(reference, holder, Holder::Nobody) {
                // It's the message's alone from now on, since the slot goes to another. The message may be gone by now: the
                // next sweep sees.
                all_right = false;
            }
        }
        for (reference, holder) in references.within(&belonging.unreachable) {
            arena.release_reference(reference, holder);
        }
        kill_point!(SweepAfterBlocks);
        all_right &= end_unreferenced(arena);
        arena.mend_blocks();
        for owner in dead {
            // A process that the dead one was about to start, and that has not arrived, will be turned away.
            for reserved in arena.members().reserved_by(owner) {
                give_up(arena, reserved, owner);
            }
            arena.members().release(owner);
            kill_point!(SweepAfterRelease);
        }
        all_right
    })
}

/// Takes the dead out of every record of two sides, and frees those that nobody has any more.
fn sweep_records(arena: &Arena, dead: &[Owner]) {
    let mut abandoned = Vec::new();
    for_each_record(arena, |block, state, record| {
        if record.forget(arena, dead) {
            abandoned.push((block, state, record));
        }
    });
    for (block, state, record) in abandoned {
        record.end(arena, block, state);
    }
}

/// What a walk over all references found of an object.
#[derive(Default)]
struct Found {
    references: u32,
    /// Some may be about to come or to go.
    unsettled: bool,
}

/// Frees the objects to which there is no reference: of processes that were killed while they counted, and those that couldn't
/// be freed while somebody was told of a death; and corrects counts that are too high. True unless some could not be judged.
fn end_unreferenced(arena: &Arena) -> bool {
    let mut counted = Vec::new();
    arena.for_each_held(|block, state, header| counted.push((block, state, header.references.snapshot())));
    let mut found: HashMap<u64, Found> = HashMap::new();
    arena.for_each_reference(|reference, target| {
        let found = found.entry(target.offset).or_default();
        match reference {
            Some(_) => found.references += 1,
            None => found.unsettled = true,
        }
    });
    let mut all_right = true;
    for (block, state, before) in counted {
        let found = found.remove(&block.offset()).unwrap_or_default();
        let Ok(header) = arena.record::<Header>(block) else { continue };
        let is_seen = !found.unsettled && header.references.snapshot() == before && block.state() == state;
        if is_seen && found.references == 0 {
            // First the count: who takes a reference to what it has none to believes it.
            let is_counted = Count::counted(before) == 0 || header.references.correct(before, 0);
            all_right &= is_counted && arena.end_held(block, state);
        } else if is_seen && Count::counted(before) > found.references {
            header.references.correct(before, found.references);
        } else if !is_seen {
            // Somebody who found that he was the last may have left it to a sweep.
            all_right &= found.references > 0;
        }
    }
    all_right
}

/// Walks the whole arena; see [`Audit`].
pub(crate) fn audit(arena: &Arena) -> Audit {
    let belonging = References::list(arena, &[]).belonging(arena);
    arena.audit(|block, state| {
        belonging.contains(match state {
            BlockState::Reference { number, .. } => {
                Part::Reference(Reference { offset: block.offset(), number })
            }
            _ => Part::Block(block.offset()),
        })
    })
}
