//! The record of one reference, and what the arena does with it.

use super::{Count, Share, ward::MadeBy};
use crate::{
    arena::{Arena, Block, BlockState, Handle, Holder, Kind, Shared, Stable},
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Release},
    },
    error::{Error, ErrorKind, Result},
    kill_point::kill_point,
    members::{Owner, Tag},
    recovery,
};
use std::{cell::RefCell, sync::Arc};

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
    /// The manager that it ends with.
    pub(crate) made_by: MadeBy,
    /// A hash of the type of the value in it.
    pub(crate) signature: AtomicU64,
}

// SAFETY: as for ReferenceRecord.
unsafe impl Shared for Header {}

/// An object that can be referred to. It's there as long as there is a reference.
pub(crate) trait Held: Shared {
    /// `dead`, which had a reference, has died: say so in the words that it may hold, and wake everybody who waits here.
    fn mark(&self, arena: &Arena, dead: Owner);

    /// Take the dead out of what the object records of its holders.
    fn forget(&self, _dead: Owner) {}

    /// It can be swept now what that one had: wake those who wait for such an end.
    fn rouse(&self, _arena: &Arena) {}

    /// Wake everybody who waits here: they look whether the manager that made it is still there.
    fn disturb(&self, arena: &Arena);

    /// The manager that made it has ended: free what it holds. `share` is this process's, to the object. False if that can't be done
    /// now.
    fn clear(&self, _share: &Arc<Share>) -> bool {
        true
    }

    /// Whether there may be handles in messages that it holds.
    fn contains_handles(&self, _arena: &Arena) -> bool {
        false
    }

    /// Nobody has it any more, and it's about to be freed; `own` is what it was.
    fn end(&self, _arena: &Arena, _own: Handle) {}

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

thread_local! {
    /// What this thread still has to end, while it ends something.
    static ENDING: RefCell<Option<Vec<(u64, BlockState)>>> = const { RefCell::new(None) };
}

/// Whatever happens, the thread goes on to end things.
struct Done;

impl Drop for Done {
    fn drop(&mut self) {
        ENDING.set(None);
    }
}

impl ReferenceRecord {
    fn target(&self) -> Handle {
        Handle { offset: self.offset.load(Acquire), generation: self.generation.load(Acquire) }
    }
}

/// Names one reference: its block, and a number that no other reference ever had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    pub(crate) offset: u64,
    pub(crate) number: u64,
}

/// What belongs to a record, to a message in a stream, or to a value in a collection.
///
/// A reference with its number: what is read of a message that is just being freed may be another's by now, but that nobody's takes for this
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// Its offset.
    Block(u64),
    Reference(Reference),
}

impl Arena {
    /// A block of this process's that will be a reference to `target`. Those who look for references see it from now on;
    /// it counts for nothing yet.
    pub(super) fn prepare_reference(&self, target: Handle) -> Result<Block<'_>> {
        let block = self.alloc_stable(Stable::Reference)?;
        let record: &ReferenceRecord = self.record(block)?;
        // Whoever sees this also sees what became of the reference that was here before.
        record.offset.store(target.offset, Release);
        record.generation.store(target.generation, Release);
        Ok(block)
    }

    /// Completes a reference to a block that has become an object in the meantime.
    pub(super) fn name_target(&self, reference: Block<'_>, target: Handle) {
        if let Ok(record) = self.record::<ReferenceRecord>(reference) {
            record.generation.store(target.generation, Release);
        }
    }

    /// The store that makes the block a reference.
    pub(super) fn publish_reference(&self, block: Block<'_>, holder: Holder) -> Reference {
        let number = self.new_generation() & BlockState::NUMBER_MASK;
        block.set_state(BlockState::Reference { holder, number });
        kill_point!(ReferenceAfterPublish);
        Reference { offset: block.offset(), number }
    }

    /// One more reference to an object that this process has one to.
    pub(crate) fn add_reference(&self, target: Handle, holder: Holder) -> Result<Reference> {
        let (object, ..) = self.target(target)?;
        let header: &Header = self.record(object)?;
        let block = self.prepare_reference(target)?;
        kill_point!(ReferenceBeforeCount);
        header.references.add();
        kill_point!(ReferenceAfterCount);
        Ok(self.publish_reference(block, holder))
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
        let mine = Holder::Member(self.me().slot());
        loop {
            let found = block.state();
            match found {
                BlockState::Reference { number, .. } if number == reference.number => {}
                _ => {
                    let text = "a handle in a message has been received before, or is lost";
                    return Err(Error::new(ErrorKind::Closed, text));
                }
            }
            if block.change_state(found, BlockState::Reference { holder: mine, number: reference.number }) {
                kill_point!(ReferenceAfterAdopt);
                let target = record.target();
                return match self.target(target) {
                    Ok((.., kind)) => Ok((target, kind)),
                    Err(e) => {
                        self.release_reference(reference, mine);
                        Err(e)
                    }
                };
            }
        }
    }

    /// Who has the reference, if it's there.
    pub(crate) fn holder_of(&self, reference: Reference) -> Option<Holder> {
        match self.reference(reference).ok()?.0.state() {
            BlockState::Reference { holder, number } if number == reference.number => Some(holder),
            _ => None,
        }
    }

    /// Who has the reference, if it's a message's: one that a living member has itself is that one's, whatever lists it.
    pub(super) fn sent_by(&self, reference: Reference) -> Option<Holder> {
        // The kernel is asked as well: it may know of a death before it's marked.
        let is_member =
            |holder| matches!(holder, Holder::Member(slot) if !self.members().is_vacant(slot, true));
        self.holder_of(reference).filter(|holder| !is_member(*holder))
    }

    /// What a reference is to, for one who has the message that lists it.
    pub(super) fn target_of(&self, reference: Reference) -> Result<(Handle, Kind)> {
        let (_, record) = self.reference(reference)?;
        let target = record.target();
        match self.holder_of(reference) {
            Some(_) => self.target(target).map(|(.., kind)| (target, kind)),
            None => Err(Error::new(ErrorKind::Closed, "a handle in a message is lost")),
        }
    }

    /// Gives a reference to somebody else; false if the one who had it hasn't any more.
    pub(crate) fn pass_reference(&self, reference: Reference, from: Holder, to: Holder) -> bool {
        let state = |holder| BlockState::Reference { holder, number: reference.number };
        self.block(reference.offset).is_ok_and(|block| block.change_state(state(from), state(to)))
    }

    /// Takes a reference back from `holder`, unless another has it by now. The last one to go ends the object.
    pub(crate) fn release_reference(&self, reference: Reference, holder: Holder) {
        let Ok((block, record)) = self.reference(reference) else { return };
        // From here on it counts for nobody; but it's seen by those who look for references, so that the object isn't ended
        // under the next steps.
        let state = BlockState::Reference { holder, number: reference.number };
        if !block.change_state(state, BlockState::Raw(self.me())) {
            return;
        }
        kill_point!(ReferenceBeforeUncount);
        let target = record.target();
        if let Ok((object, state, kind)) = self.target(target)
            && let Ok(header) = self.record::<Header>(object)
        {
            let last = header.references.remove();
            kill_point!(ReferenceAfterUncount);
            if last {
                if !self.end_held(object, state) {
                    // A sweep does it, which is due then.
                    self.count_death();
                }
            } else if kind.is_container() {
                // Those that are left may lie in what they would be needed for to be received. A sweep sees.
                recovery::with_object(self, target, |object| {
                    if object.contains_handles(self) {
                        self.suspect();
                    }
                });
            }
        }
        self.free(block, self.me());
    }

    /// Frees an object to which there is no reference, with what is to end before it; unless somebody may just be telling it of a death:
    /// then the sweep that is due after that does it. False if it can't be done now for another reason.
    pub(crate) fn end_held(&self, block: Block<'_>, state: BlockState) -> bool {
        if !recovery::before_end(self, block, state) {
            return false;
        }
        // Who took a reference meanwhile gives it back, and ends it then.
        let is_had = |header: &Header| Count::counted(header.references.snapshot()) > 0;
        if !self.record(block).is_ok_and(is_had) && !self.members().is_marking() {
            self.end_object(block, state);
        }
        true
    }

    /// Frees an object that nobody has.
    pub(crate) fn end_object(&self, block: Block<'_>, state: BlockState) {
        if !block.change_state(state, BlockState::Raw(self.me())) {
            return;
        }
        // What ends with a message may have had messages itself, and so on: one after the other, not one within the other. (But when
        // the thread is ending, and has no such list any more.)
        let is_nested = ENDING.try_with(|ending| {
            let mut ending = ending.borrow_mut();
            let is_nested = ending.is_some();
            ending.get_or_insert_default().push((block.offset(), state));
            is_nested
        });
        match is_nested {
            Ok(true) => {}
            Ok(false) => {
                let _done = Done;
                while let Some((offset, state)) = ENDING.with_borrow_mut(|ending| ending.as_mut()?.pop()) {
                    if let Ok(block) = self.block(offset) {
                        self.finish_end(block, state);
                    }
                }
            }
            Err(_) => self.finish_end(block, state),
        }
    }

    fn finish_end(&self, block: Block<'_>, state: BlockState) {
        recovery::ended(self, block, state);
        self.free(block, self.me());
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

    /// Every block that is a reference, or is about to become or has just been one (`None`): who has it, and what it's to.
    pub(crate) fn for_each_reference(&self, mut f: impl FnMut(Option<(Reference, Holder)>, Handle)) {
        self.for_each_stable(Stable::Reference, |block| {
            let Ok(record) = self.record::<ReferenceRecord>(block) else { return };
            loop {
                let state = block.state();
                let target = record.target();
                // They belong together only if it's still the same reference.
                if block.state() != state {
                    continue;
                }
                match state {
                    BlockState::Free => {}
                    BlockState::Reference { holder, number } => {
                        let reference = Reference { offset: block.offset(), number };
                        f(Some((reference, holder)), target);
                    }
                    _ => f(None, target),
                }
                return;
            }
        });
    }
}
