//! The record of one reference, and what the arena does with it.

use super::Count;
use crate::{
    arena::{Arena, Block, BlockState, Handle, Kind, Shared, Stable},
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed},
    },
    error::{Error, ErrorKind, Result},
    kill_point::kill_point,
    members::{Owner, Tag},
};

/// Which object a reference is to. Lies in a class of blocks of its own, whose states say who has it: see the README.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ReferenceRecord {
    offset: AtomicU64,
    generation: AtomicU64,
}

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for ReferenceRecord {}

/// What every object that can be referred to begins with.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) references: Count,
    /// A hash of the type of the value in it.
    pub(crate) signature: AtomicU64,
}

// SAFETY: as for ReferenceRecord.
unsafe impl Shared for Header {}

/// An object that can be referred to. It's there as long as there is a reference.
pub(crate) trait Held: Shared {
    /// `dead`, which had a reference, has died: say so in the words that it may hold, and wake everybody who waits here.
    fn mark(&self, dead: Owner);

    /// Take the dead out of what the object records of its holders.
    fn forget(&self, _dead: Owner) {}

    /// Who has it: for people.
    fn holders(&self, _arena: &Arena) -> Holders {
        Holders::default()
    }
}

/// Who has an object.
#[derive(Debug, Default)]
pub(crate) struct Holders {
    /// Members and their threads (0 if not known).
    pub(crate) who: Vec<(Owner, u32)>,
    /// One of them is enough for somebody who waits to go on.
    pub(crate) any: bool,
}

impl Holders {
    /// Who has a lock, if anybody has.
    pub(crate) fn of_lock(arena: &Arena, holder: Option<(Tag, u32)>) -> Holders {
        let holder = holder.and_then(|(tag, thread)| Some((arena.members().by_tag(tag)?, thread)));
        Holders { who: holder.into_iter().collect(), any: false }
    }
}

/// Names one reference: its block, and a number that no other reference ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    pub(crate) offset: u64,
    pub(crate) number: u64,
}

impl ReferenceRecord {
    pub(super) fn target(&self) -> Handle {
        Handle { offset: self.offset.load(Acquire), generation: self.generation.load(Acquire) }
    }
}

fn state(slot: usize, number: u64) -> BlockState {
    BlockState::Reference { slot: slot as u16, number }
}

impl Arena {
    /// A block of this process's that will be a reference to `target`. Those who look for references see it from now on;
    /// it counts for nothing yet.
    pub(super) fn prepare_reference(&self, target: Handle) -> Result<Block<'_>> {
        let block = self.alloc_stable(Stable::Reference)?;
        let record: &ReferenceRecord = self.record(block)?;
        record.offset.store(target.offset, Relaxed);
        record.generation.store(target.generation, Relaxed);
        Ok(block)
    }

    /// Completes a reference to a block that has become an object in the meantime.
    pub(super) fn name_target(&self, reference: Block<'_>, target: Handle) -> Result<()> {
        self.record::<ReferenceRecord>(reference)?.generation.store(target.generation, Relaxed);
        Ok(())
    }

    /// The store that makes the block a reference of `holder`'s.
    pub(super) fn publish_reference(&self, block: Block<'_>, holder: Owner) -> Reference {
        let number = self.new_generation() & BlockState::NUMBER_MASK;
        block.set_state(state(holder.slot(), number));
        kill_point!(ReferenceAfterPublish);
        Reference { offset: block.offset(), number }
    }

    /// One more reference to an object that this process has one to.
    pub(super) fn add_reference(&self, target: Handle, holder: Owner) -> Result<Reference> {
        let block = self.prepare_reference(target)?;
        kill_point!(ReferenceBeforeCount);
        self.header_of(target)?.references.add();
        kill_point!(ReferenceAfterCount);
        Ok(self.publish_reference(block, holder))
    }

    fn header_of(&self, target: Handle) -> Result<&Header> {
        let (block, ..) = self.target(target)?;
        self.record(block)
    }

    /// The block, state and kind of an object that can be referred to.
    fn target(&self, target: Handle) -> Result<(Block<'_>, BlockState, Kind)> {
        let block = self.block(target.offset)?;
        let state = block.state();
        match state {
            BlockState::Object { kind, generation } if generation == target.generation => {
                match Kind::from_bits(kind).filter(|kind| kind.is_held()) {
                    Some(kind) => Ok((block, state, kind)),
                    None => Err(Error::corrupted("a reference to what can't be referred to")),
                }
            }
            _ => Err(Error::new(ErrorKind::Closed, "what the handle names has been freed")),
        }
    }

    fn reference(&self, reference: Reference) -> Result<(Block<'_>, &ReferenceRecord)> {
        let record = self.stable_record(reference.offset, Stable::Reference)?;
        Ok((self.block(reference.offset)?, record))
    }

    /// Makes a reference that is in a message this process's: what it's to.
    ///
    /// # Errors
    ///
    /// Closed when it isn't there any more.
    pub(super) fn adopt_reference(&self, reference: Reference) -> Result<(Handle, Kind)> {
        let (block, record) = self.reference(reference)?;
        let gone =
            || Error::new(ErrorKind::Closed, "a handle in a message has been received before, or is lost");
        loop {
            let found = block.state();
            match found {
                BlockState::Reference { number, .. } if number == reference.number => {}
                _ => return Err(gone()),
            }
            if block.change_state(found, state(self.me().slot(), reference.number)) {
                kill_point!(ReferenceAfterAdopt);
                let target = record.target();
                return self.target(target).map(|(.., kind)| (target, kind));
            }
        }
    }

    /// Takes a reference back, unless that has been done; `mine`: also unless another process has it now. The last one to
    /// go ends the object.
    pub(crate) fn release_reference(&self, reference: Reference, mine: bool) {
        let Ok((block, record)) = self.reference(reference) else { return };
        let found = block.state();
        match found {
            BlockState::Reference { slot, number }
                if number == reference.number && (!mine || usize::from(slot) == self.me().slot()) => {}
            _ => return,
        }
        // From here on it counts for nobody; but it's seen by those who look for references, so that the object isn't ended
        // under the next steps.
        if !block.change_state(found, BlockState::Raw(self.me())) {
            return;
        }
        kill_point!(ReferenceBeforeUncount);
        if let Ok((object, state, _)) = self.target(record.target())
            && let Ok(header) = self.record::<Header>(object)
        {
            let last = header.references.remove();
            kill_point!(ReferenceAfterUncount);
            if last {
                self.end_object(object, state);
            }
        }
        self.free(block, self.me());
    }

    /// Frees an object that nobody refers to.
    pub(crate) fn end_object(&self, block: Block<'_>, state: BlockState) {
        if block.change_state(state, BlockState::Raw(self.me())) {
            self.free(block, self.me());
        }
    }

    /// Every object that can be referred to, with its state and what it begins with.
    pub(crate) fn for_each_held<'a>(&'a self, mut f: impl FnMut(Block<'a>, BlockState, &'a Header)) {
        self.for_each_block(|block, state| {
            if let BlockState::Object { kind, .. } = state
                && Kind::from_bits(kind).is_some_and(Kind::is_held)
                && let Ok(header) = self.record(block)
            {
                f(block, state, header);
            }
        });
    }

    /// Every block that is a reference, or is about to become or has just been one: its state, and what it's to.
    pub(crate) fn for_each_reference(&self, mut f: impl FnMut(Block<'_>, BlockState, Handle)) {
        self.for_each_stable(Stable::Reference, |block| {
            let state = block.state();
            if state != BlockState::Free
                && let Ok(record) = self.record::<ReferenceRecord>(block)
            {
                f(block, state, record.target());
            }
        });
    }
}
