//! Marking: one store in the process table says that a member is dead, and everybody who may wait for it is woken.

use super::kinds::{for_each_record, with_object};
use crate::{
    arena::{Arena, BlockState},
    members::Owner,
};

/// Marks the member dead and wakes all who wait on an object. The first one who comes here does it.
///
/// Mends nothing: it stores state words and wakes, so that a wrong byte in shared memory cannot bring the monitor down.
pub(crate) fn mark_dead(arena: &Arena, dead: Owner) {
    if arena.members().mark(dead, arena.me()) {
        tell(arena, dead);
    }
}

/// Gives up a member that `starter` reserved and that never arrived, unless somebody else goes on with its start: then it's
/// theirs to give up.
pub(crate) fn give_up(arena: &Arena, owner: Owner, starter: Owner) {
    if arena.members().give_up(owner, starter) {
        // It held nothing but what was in its argument; but others may wait for it.
        tell(arena, owner);
    }
}

/// Tells everybody of a marked member. Until that is done nothing that it held is swept, so what it had a reference to is
/// there. Can be done twice.
pub(super) fn tell(arena: &Arena, dead: Owner) {
    arena.count_death();
    arena.mark_locks(dead);
    for_each_record(arena, |_, _, record| record.mark(arena, dead));
    // What it had no reference to it didn't touch.
    arena.for_each_reference(|_, state, target| {
        let was_its = match state {
            BlockState::Reference { slot, .. } => usize::from(slot) == dead.slot(),
            state => state == BlockState::Raw(dead),
        };
        if was_its {
            with_object(arena, target, |object| object.mark(dead));
        }
    });
    arena.members().finish_marking(dead);
    // Once more, for the sweep.
    arena.count_death();
}
