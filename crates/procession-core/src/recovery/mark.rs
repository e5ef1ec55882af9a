//! Marking: one store in the process table says that a member is dead, and everybody who may wait for it is woken.

use super::kinds::for_each_object;
use crate::{arena::Arena, members::Owner};

/// Marks the member dead and wakes all who wait on an object. Idempotent; safe beside anything.
///
/// Mends nothing: it stores state words and wakes, so that a wrong byte in shared memory cannot bring the monitor down.
pub(crate) fn mark_dead(arena: &Arena, dead: Owner) {
    if arena.members().mark_dead(dead) {
        arena.count_death();
    }
    arena.mark_locks(dead);
    for_each_object(arena, |_, _, object| object.mark(arena, dead));
}

/// Gives up a member that `starter` reserved and that never arrived, unless somebody else goes on with its start: then it's
/// theirs to give up.
pub(crate) fn give_up(arena: &Arena, owner: Owner, starter: Owner) {
    if arena.members().give_up(owner, starter) {
        arena.count_death();
        // It held nothing, but others may wait for it.
        mark_dead(arena, owner);
    }
}
