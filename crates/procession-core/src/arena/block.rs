//! Blocks: pieces of shared memory with a state word that names who may free them.

use crate::{
    arena::{
        Arena, Shared, Stable,
        chunks::Use,
        layout::{CHUNK, CLASSES},
        spans::blocks_in,
    },
    atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
    },
    error::{Error, ErrorKind, Result},
    members::Owner,
};

/// Who a block belongs to.
///
/// | bits 56..64 | bits 0..56 | meaning |
/// |---|---|---|
/// | 0 | 0 | free |
/// | 1 | an owner | raw memory; this process frees it, or the sweep after its death |
/// | 2 | a holder (12 bits), a number (44 bits) | a reference to an object, see `references` |
/// | a kind | a generation | an object, freed when the last process that has it lets go |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockState {
    Free,
    Raw(Owner),
    Reference {
        holder: Holder,
        number: u64,
    },
    /// The kind is kept as bits: a scribbled one is found when it's looked up.
    Object {
        kind: u8,
        generation: u64,
    },
}

/// Who has a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The slot's member. (It may be in a message as well.)
    Member(usize),
    /// A message that the slot's member has sent, or is about to send.
    Message(usize),
    /// No member any more: only a message that lists it.
    Nobody,
}

impl Holder {
    /// Messages are behind all slots.
    const MESSAGES: u16 = 1 << 11;
    const NOBODY: u16 = (1 << 12) - 1;

    fn to_bits(self) -> u16 {
        match self {
            Holder::Member(slot) => slot as u16,
            Holder::Message(slot) => slot as u16 + Holder::MESSAGES,
            Holder::Nobody => Holder::NOBODY,
        }
    }

    #[inline]
    fn from_bits(bits: u16) -> Holder {
        match bits {
            Holder::NOBODY => Holder::Nobody,
            Holder::MESSAGES.. => Holder::Message((bits - Holder::MESSAGES).into()),
            _ => Holder::Member(bits.into()),
        }
    }

    /// The member in whose name it is.
    pub(crate) fn slot(self) -> Option<usize> {
        match self {
            Holder::Member(slot) | Holder::Message(slot) => Some(slot),
            Holder::Nobody => None,
        }
    }
}

const RAW: u64 = 1;
const REFERENCE: u64 = 2;
const NUMBER_BITS: u32 = 44;

impl BlockState {
    pub(crate) const GENERATION_MASK: u64 = (1 << 56) - 1;
    pub(crate) const NUMBER_MASK: u64 = (1 << NUMBER_BITS) - 1;

    #[inline]
    pub(crate) fn to_bits(self) -> u64 {
        match self {
            BlockState::Free => 0,
            BlockState::Raw(owner) => RAW << 56 | owner.to_bits(),
            BlockState::Reference { holder, number } => {
                REFERENCE << 56
                    | u64::from(holder.to_bits()) << NUMBER_BITS
                    | number & BlockState::NUMBER_MASK
            }
            BlockState::Object { kind, generation } => {
                (kind as u64) << 56 | generation & BlockState::GENERATION_MASK
            }
        }
    }

    #[inline]
    fn from_bits(bits: u64) -> BlockState {
        let (kind, rest) = ((bits >> 56) as u8, bits & BlockState::GENERATION_MASK);
        match (kind, Owner::from_bits(rest)) {
            (0, _) if rest == 0 => BlockState::Free,
            (1, Some(owner)) => BlockState::Raw(owner),
            (2, _) => BlockState::Reference {
                holder: Holder::from_bits((rest >> NUMBER_BITS) as u16),
                number: rest & BlockState::NUMBER_MASK,
            },
            _ => BlockState::Object { kind, generation: rest },
        }
    }
}

/// A block that exists: its place and size were derived from the chunk table, not from what is written in it.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(super) arena: &'a Arena,
    pub(super) offset: u64,
    pub(super) size: usize,
    pub(super) state: &'a AtomicU64,
}

impl std::fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "block of {} at {:#x}: {:?}", self.size, self.offset, self.state())
    }
}

impl<'a> Block<'a> {
    pub(crate) fn offset(self) -> u64 {
        self.offset
    }

    pub(crate) fn size(self) -> usize {
        self.size
    }

    #[inline]
    pub(crate) fn state(self) -> BlockState {
        BlockState::from_bits(self.state.load(Acquire))
    }

    /// Whether the block is in this state.
    #[inline]
    pub(crate) fn is(self, state: BlockState) -> bool {
        self.state.load(Acquire) == state.to_bits()
    }

    pub(crate) fn set_state(self, state: BlockState) {
        self.state.store(state.to_bits(), Release);
    }

    pub(crate) fn change_state(self, from: BlockState, to: BlockState) -> bool {
        self.state.compare_exchange(from.to_bits(), to.to_bits(), AcqRel, Relaxed).is_ok()
    }

    /// So many records at `at`.
    pub(crate) fn records<T: Shared>(self, at: usize, count: usize) -> Result<&'a [T]> {
        let pointer = self.pointer(at, count.saturating_mul(size_of::<T>()))?.cast::<T>();
        assert!(pointer.is_aligned(), "misaligned records in the arena");
        // SAFETY: bounds and alignment: checked above. Aliasing: `Shared` types are made of atomics and valid for any bits, so other
        // processes may write at any time. Lifetime: the mapping outlives the process's use of it.
        Ok(unsafe { std::slice::from_raw_parts(pointer.as_ptr(), count) })
    }

    /// A pointer to `len` bytes at `at`, for the ring and for copying.
    pub(crate) fn pointer(self, at: usize, len: usize) -> Result<std::ptr::NonNull<u8>> {
        if at.checked_add(len).is_none_or(|end| end > self.size) {
            return Err(Error::corrupted("a length reaches over the end of its block"));
        }
        Ok(self.arena.pointer(self.offset as usize + at, len))
    }

    /// Copies bytes into the block.
    pub(crate) fn write(self, at: usize, bytes: &[u8]) -> Result<()> {
        let target = self.pointer(at, bytes.len())?;
        // SAFETY: bounds: checked by `pointer`. Aliasing: the caller's block, or a part of an object that is the
        // caller's until it's committed, so no correct process reads it; `bytes` is private memory. Lifetime: the mapping is never unmapped.
        unsafe { target.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Ok(())
    }

    /// A number that lies in the block.
    pub(crate) fn read_word(self, at: usize) -> Result<u64> {
        let source = self.pointer(at, 8)?.cast::<u64>();
        // SAFETY: bounds: checked by `pointer`. Aliasing, lifetime: as for `read`.
        Ok(u64::from_le(unsafe { source.as_ptr().read_unaligned() }))
    }

    /// Copies bytes out of the block: whoever writes it later cannot change what the caller looks at.
    pub(crate) fn read(self, at: usize, len: usize) -> Result<Vec<u8>> {
        let source = self.pointer(at, len)?;
        let mut bytes = Vec::new();
        // The length may be a wrong one, and as large as the arena.
        let too_large =
            |_| Error::new(ErrorKind::OutOfMemory, format!("no memory for a copy of {len} bytes"));
        bytes.try_reserve_exact(len).map_err(too_large)?;
        // SAFETY: bounds: checked by `pointer`, and the vector has room for `len`. Aliasing: committed bytes are not
        // written any more by a correct process; a copy of wrong bytes is still only bytes. Lifetime: as for `write`.
        unsafe {
            source.as_ptr().copy_to_nonoverlapping(bytes.as_mut_ptr(), len);
            bytes.set_len(len);
        }
        Ok(bytes)
    }
}

impl Arena {
    /// The block that begins at `offset`, whether or not it's free.
    ///
    /// # Errors
    ///
    /// Corrupted when no block can begin there.
    pub(crate) fn block(&self, offset: u64) -> Result<Block<'_>> {
        let wrong = || Error::corrupted(format_args!("no block begins at {offset:#x}"));
        let data = (offset as usize).checked_sub(self.geometry.chunk(0)).ok_or_else(wrong)?;
        let (chunk, within) = (data / CHUNK, data % CHUNK);
        if chunk >= self.high_water() {
            return Err(wrong());
        }
        match self.chunk_use(chunk)? {
            Use::Span(class)
                if within % CLASSES[class] == 0 && within / CLASSES[class] < blocks_in(class) =>
            {
                Ok(self.small_block(chunk, class, within / CLASSES[class]))
            }
            Use::Large(count) if within == 0 => Ok(self.large_block(chunk, count)),
            _ => Err(wrong()),
        }
    }

    /// The record in a block of a class that holds only such records.
    #[inline(always)]
    pub(crate) fn stable_record<T: Shared>(&self, offset: u64, class: Stable) -> Result<&T> {
        let class = class as usize;
        let is_there = (offset as usize).checked_sub(self.geometry.chunk(0)).is_some_and(|data| {
            let (chunk, within) = (data / CHUNK, data % CHUNK);
            chunk < self.high_water()
                && self.chunk_use(chunk).ok() == Some(Use::Span(class))
                && within % CLASSES[class] == 0
                && within / CLASSES[class] < blocks_in(class)
                && size_of::<T>() <= CLASSES[class]
        });
        if is_there {
            Ok(self.shared(offset as usize))
        } else {
            Err(Error::corrupted("a record lies where none can be"))
        }
    }

    pub(super) fn class_of(&self, block: Block<'_>) -> Option<usize> {
        match self.chunk_use((block.offset as usize - self.geometry.chunk(0)) / CHUNK) {
            Ok(Use::Span(class)) => Some(class),
            _ => None,
        }
    }

    /// Takes a block of at least `len` bytes for this process.
    pub(crate) fn alloc(&self, len: usize) -> Result<Block<'_>> {
        self.alloc_for(len, self.me())
    }

    /// Takes over a block that another process allocated for this one to free; false if somebody else was faster.
    pub(crate) fn take_over(&self, block: Block<'_>, from: Owner) -> bool {
        block.change_state(BlockState::Raw(from), BlockState::Raw(self.me()))
    }

    /// Takes over a block of whomever, dead or alive: for who has been given it. False if it's nobody's.
    pub(crate) fn take_over_any(&self, block: Block<'_>) -> bool {
        loop {
            match block.state() {
                found @ BlockState::Raw(_) if block.change_state(found, BlockState::Raw(self.me())) => {
                    return true;
                }
                BlockState::Raw(_) => {}
                _ => return false,
            }
        }
    }

    /// Frees the block at the offset that a word of a record has, whoever had it; then the word names nothing. In between the block is
    /// this process's.
    pub(crate) fn free_named(&self, word: &AtomicU64, offset: u64) {
        if offset != 0
            && let Ok(block) = self.block(offset)
            && self.take_over_any(block)
        {
            word.store(0, SeqCst);
            self.free(block, self.me());
        }
    }

    /// Calls `f` with every small block that isn't free, and with every large one.
    pub(crate) fn for_each_block<'a>(&'a self, mut f: impl FnMut(Block<'a>, BlockState)) {
        for (chunk, found) in self.uses() {
            match found {
                Use::Span(class) => {
                    for block in self.small_blocks(chunk, class) {
                        match block.state() {
                            BlockState::Free => {}
                            state => f(block, state),
                        }
                    }
                }
                Use::Large(count) => {
                    let block = self.large_block(chunk, count);
                    f(block, block.state());
                }
                Use::Free | Use::Empty => {}
            }
        }
    }
}
