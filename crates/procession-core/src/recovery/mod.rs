//! Recovery: marking a death, and sweeping up after it. `README.md` has the protocol and its kill tables.
//!
//! The monitor *marks* (and wakes); whoever touches an object *repairs*; the *sweep* frees what the dead held, before its
//! slot can go to another. Each step is idempotent and may itself be killed.

mod kinds;
mod mark;
mod reach;
mod sides;
mod sweep;

pub(crate) use kinds::{before_end, ended, free_ownerless, with_object};
pub(crate) use mark::{give_up, mark_dead};
pub(crate) use sides::Sides;
pub(crate) use sweep::{audit, sweep, sweep_until, try_sweep};

use crate::{
    arena::{Arena, Block, BlockState},
    members::Owner,
    references::Part,
};

/// What recovery needs to know of an object that holds values in blocks that only it names.
pub(crate) trait Collection {
    /// Calls `visit` with every block that belongs to it, but what `contents` tells. False if all that couldn't be seen, for
    /// too much was going on.
    fn parts(&self, arena: &Arena, visit: &mut dyn FnMut(Part)) -> bool;

    /// Calls `visit` with every block of a value of its own, and with every reference in such a value. False as with `parts`.
    fn contents(&self, arena: &Arena, visit: &mut dyn FnMut(Part)) -> bool;

    /// Frees all that, for nobody has it any more, or it never was completed. Only for who has the record's block; if that one is killed
    /// another does it again.
    fn dispose(&self, arena: &Arena);
}

/// What recovery needs to know of a record that two processes share. (What any number of them refer to: `references::Held`.)
pub(crate) trait Recover {
    /// `dead` has died: say so in the words it may hold, and wake everybody who waits here.
    fn mark(&self, arena: &Arena, dead: Owner);

    /// The `dead` have let go of it. True when nobody is left who has it.
    fn forget(&self, arena: &Arena, dead: &[Owner]) -> bool;

    /// Calls `visit` with the offset of every raw block that belongs to it, and of every reference in its messages. `own` is the
    /// record's block.
    fn parts(&self, arena: &Arena, own: Block<'_>, visit: &mut dyn FnMut(Part));

    /// Nobody has it any more: frees it, if its state is still what it was.
    fn end(&self, arena: &Arena, own: Block<'_>, state: BlockState) {
        arena.end_object(own, state);
    }
}
