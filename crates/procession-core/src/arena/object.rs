//! Objects: blocks that have a kind, are known to the whole family, and are found by a handle.

use crate::{
    arena::{Arena, Block, BlockState, Stable},
    atomic::{AtomicU32, AtomicU64},
    error::{Error, ErrorKind, Result},
    kill_point::kill_point,
    variants::with_all,
};

/// A record that lives in shared memory.
///
/// # Safety
///
/// The type has a fixed layout (`repr(C)`), consists only of atomics (or of `Shared` types), is valid for any bits, and
/// holds no pointers.
pub(crate) unsafe trait Shared: Sync {}

// SAFETY: bounds: fixed size. Aliasing: an atomic, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for AtomicU64 {}
// SAFETY: as for AtomicU64.
unsafe impl Shared for AtomicU32 {}

with_all! {
    /// What an object is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    #[repr(u8)]
    pub(crate) enum Kind {
        /// A process's function, arguments and result.
        Call = 16,
        /// What one worker shares with its pool's owner.
        Link,
        /// A ring of messages, and its ends.
        Stream,
        /// From here on: what can be referred to.
        Mutex,
        ReentrantMutex,
        RwLock,
        Semaphore,
        Condition,
        Event,
        Barrier,
        Once,
        Value,
        Array,
        Sender,
        Receiver,
        Queue,
        JoinableQueue,
        Dict,
        List,
        Manager,
    }
}

impl Kind {
    pub(crate) fn from_bits(bits: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(bits).checked_sub(Kind::Call as usize)?).copied()
    }

    /// Whether handles of it can travel: it ends with the last reference.
    pub(crate) fn is_held(self) -> bool {
        self >= Kind::Mutex
    }

    /// Whether it may hold messages with handles in them.
    pub(crate) fn is_container(self) -> bool {
        matches!(self, Kind::Receiver | Kind::Queue | Kind::JoinableQueue | Kind::Dict | Kind::List)
    }
}

/// A record that is the start of an object's block.
pub(crate) trait Object: Shared {
    const KIND: Kind;

    /// The class of blocks that it lies in, if that isn't one for anything.
    const CLASS: Option<Stable> = None;
}

/// Names an object: where it is, and which of the objects that were there in turn.
///
/// A plain value, the same in every process of the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    /// The block's offset in the arena.
    pub offset: u64,
    /// The family-wide number that the object was published under.
    pub generation: u64,
}

impl Arena {
    /// The record at the start of a block.
    pub(crate) fn record<T: Shared>(&self, block: Block<'_>) -> Result<&T> {
        if block.size() < size_of::<T>() || block.offset() as usize % align_of::<T>() != 0 {
            return Err(Error::corrupted("a block cannot hold what it should"));
        }
        Ok(self.shared(block.offset() as usize))
    }

    /// Makes a block of this process's an object. Its record must be complete: this is the one store that commits it.
    pub(crate) fn publish<T: Object>(&self, block: Block<'_>) -> Handle {
        let generation = self.new_generation() & BlockState::GENERATION_MASK;
        kill_point!(ObjectBeforePublish);
        block.set_state(BlockState::Object { kind: T::KIND as u8, generation });
        kill_point!(ObjectAfterPublish);
        Handle { offset: block.offset(), generation }
    }

    /// Whether what the handle names hasn't been freed.
    pub(crate) fn object_is_there(&self, handle: Handle) -> bool {
        let state = self.block(handle.offset).map(Block::state);
        matches!(state, Ok(BlockState::Object { generation, .. }) if generation == handle.generation)
    }

    /// The object that the handle names.
    ///
    /// # Errors
    ///
    /// Closed when it has been freed; corrupted when the handle cannot be one.
    pub(crate) fn object<T: Object>(&self, handle: Handle) -> Result<&T> {
        let block = self.block(handle.offset)?;
        if block.state() != (BlockState::Object { kind: T::KIND as u8, generation: handle.generation }) {
            return Err(Error::new(ErrorKind::Closed, format!("the {:?} has been freed", T::KIND)));
        }
        self.record(block)
    }

    /// Ends an object: of all who try at once, one succeeds, frees what only it referred to, and then the block itself.
    pub(crate) fn destroy<T: Object>(&self, handle: Handle, free_parts: impl FnOnce(&T, Block<'_>)) {
        let Ok(block) = self.block(handle.offset) else { return };
        let published = BlockState::Object { kind: T::KIND as u8, generation: handle.generation };
        // Taken over first, and freed last: if this process dies in between, the sweep finds the rest unreachable.
        if !block.change_state(published, BlockState::Raw(self.me())) {
            return;
        }
        if let Ok(record) = self.record(block) {
            free_parts(record, block);
        }
        self.free(block, self.me());
    }
}
