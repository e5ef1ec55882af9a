//! Marking: one store in the process table says that a member is dead; everybody who may wait for it is woken, and what it had
//! forgets it.

use super::kinds::{for_each_record, with_object};
use crate::{
    arena::{Arena, Stable},
    atomic::{Ordering::SeqCst, fence},
    manager,
    members::Owner,
    references::{Holder, ManagerRecord},
};

/// Marks the member dead and wakes all who wait on an object. The first one who comes here does it.
///
/// Mends nothing but counts of what the member had: it stores state words and wakes, so that a wrong byte in shared memory cannot
/// bring the monitor down.
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

/// Tells everybody of a marked member, and has what it had a reference to forget it. Until that is done nothing that it held is
/// swept, its slot goes to nobody, and no object is ended. Can be done twice.
pub(super) fn tell(arena: &Arena, dead: Owner) {
    // Whatever was scribbled into the arena: it doesn't stay half marked.
    let _finish = Finish { arena, dead };
    arena.count_death();
    arena.mark_locks(dead);
    for_each_record(arena, |_, _, record| record.mark(arena, dead));
    // What is seen here as the dead one's is there until the marking is finished, even if somebody receives it meanwhile.
    fence(SeqCst);
    arena.for_each_reference(|reference, target| {
        // What it had no reference to it didn't touch.
        if matches!(reference, Some((_, holder)) if holder == Holder::Member(dead.slot())) {
            with_object(arena, target, |object| {
                object.mark(arena, dead);
                object.forget(dead);
            });
        }
    });
}

struct Finish<'a> {
    arena: &'a Arena,
    dead: Owner,
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let (arena, dead) = (self.arena, self.dead);
        arena.members().finish_marking(dead);
        // Once more, for the sweep.
        arena.count_death();
        // Whoever waits for the dead one's end of something can see to it now.
        let mut had_manager = false;
        arena.for_each_reference(|reference, target| {
            // One that is about to come or go may be the dead one's as well.
            let is_its = reference.is_none_or(|(_, holder)| holder == Holder::Member(dead.slot()));
            had_manager |=
                is_its && arena.stable_record::<ManagerRecord>(target.offset, Stable::Manager).is_ok();
            if is_its && reference.is_some() {
                with_object(arena, target, |object| object.rouse(arena));
            }
        });
        if had_manager {
            manager::doubt(arena);
        }
    }
}
