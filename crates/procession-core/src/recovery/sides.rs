//! The two processes that have an object.

use crate::{
    atomic::{
        AtomicU64,
        Ordering::{Relaxed, SeqCst},
    },
    members::Owner,
};

/// Which process an object is shared by, on each of its two sides: owner bits, 0 once that side has let go. The last to let
/// go frees the object.
///
/// Each side clears its own word and then looks at the other's, so both steps are sequentially consistent: of two that let go
/// at the same time, at least one sees that it's the last. (Both may; `Arena::destroy` lets one of them through.)
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Sides([AtomicU64; 2]);

/// What no other word in shared memory has that looks like an owner's: a sweep may come late, when the record has been freed and
/// something else is there.
const SIDE: u64 = 0b101 << 61;

fn word(owner: Owner) -> u64 {
    owner.to_bits() | SIDE
}

fn owner(word: u64) -> Option<Owner> {
    if word & SIDE == SIDE { Owner::from_bits(word & !SIDE) } else { None }
}

impl Sides {
    /// For an object that nobody knows yet.
    pub(crate) fn set(&self, first: Option<Owner>, second: Option<Owner>) {
        for (side, owner) in self.0.iter().zip([first, second]) {
            side.store(owner.map_or(Owner::NOBODY, word), Relaxed);
        }
    }

    /// Says who the second side will be, before it starts.
    pub(crate) fn set_second(&self, owner: Owner) {
        self.0[1].store(word(owner), SeqCst);
    }

    pub(crate) fn first(&self) -> Option<Owner> {
        owner(self.0[0].load(SeqCst))
    }

    pub(crate) fn second(&self) -> Option<Owner> {
        owner(self.0[1].load(SeqCst))
    }

    /// The first side lets go: true when nobody is left.
    pub(crate) fn leave_first(&self, owner: Owner) -> bool {
        self.leave(0, owner);
        self.is_abandoned()
    }

    /// The second side lets go: true when nobody is left.
    pub(crate) fn leave_second(&self, owner: Owner) -> bool {
        self.leave(1, owner);
        self.is_abandoned()
    }

    /// The processes have died: true when nobody is left. Also when the one who let go last was killed before it could free
    /// the object.
    ///
    /// Whoever is left may free the object as soon as the other side is taken out here; so nothing is written after that.
    pub(crate) fn forget(&self, dead: &[Owner]) -> bool {
        let gone = [self.first(), self.second()].map(|owner| owner.filter(|owner| dead.contains(owner)));
        for (side, owner) in gone.into_iter().enumerate() {
            if let Some(owner) = owner {
                self.leave(side, owner);
            }
        }
        self.is_abandoned()
    }

    fn leave(&self, side: usize, owner: Owner) {
        let _ = self.0[side].compare_exchange(word(owner), Owner::NOBODY, SeqCst, SeqCst);
    }

    fn is_abandoned(&self) -> bool {
        self.0.iter().all(|side| side.load(SeqCst) == Owner::NOBODY)
    }
}
