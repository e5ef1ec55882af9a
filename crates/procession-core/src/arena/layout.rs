//! Where things lie in the arena.

use crate::{
    arena::object::Shared,
    atomic::{AtomicU32, AtomicU64},
    members::{SLOTS, Slot},
    sync::RawMutex,
};

pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"PROCESS\x01");
/// To be raised with every change of a shared layout.
pub(super) const LAYOUT_VERSION: u64 = 5;

/// The unit in which the arena grows.
pub(crate) const CHUNK: usize = 64 << 10;

/// Sizes of small blocks. All are multiples of a cache line; each divides a chunk with little left over. The last ones
/// are for records of one type only, see `Stable`.
pub(super) const CLASSES: [usize; GENERAL + 9] = [
    64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6528, 8128, 10880, 16320, 21760, 32640,
    // Stable::Pool, Stable::Link, Stable::Reference, Stable::Wait, Stable::Stream, Stable::Map, Stable::Shards,
    // Stable::List, Stable::Manager
    64, 768, 64, 64, 768, 512, 1024, 64, 64,
];

/// How many of the classes are for anything.
pub(super) const GENERAL: usize = 18;

/// The largest small block; more takes whole chunks.
pub(super) const LARGEST_CLASS: usize = CLASSES[GENERAL - 1];

/// Classes whose blocks are never used for another type of record. So one who looked a record up and comes late, when it
/// has been freed, rings at worst for the owner of another of its kind, and never writes into somebody's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stable {
    Pool = GENERAL as isize,
    Link,
    Reference,
    Wait,
    Stream,
    Map,
    Shards,
    List,
    Manager,
}

/// How many states a chunk's control page has room for: bounds the number of blocks of the smallest class.
pub(super) const STATES: usize = 1008;
/// A bit per state, in words of 64.
pub(super) const HINT_WORDS: usize = 16;

/// The start of the arena. Everything in it is an atomic, because every member can write it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Header {
    pub(super) magic: AtomicU64,
    pub(super) layout: AtomicU64,
    pub(super) build: AtomicU64,
    /// The number of chunks that there may ever be.
    pub(super) chunks: AtomicU64,
    /// Whether every member uses the expedited barrier.
    pub(super) expedited: AtomicU64,
    pub(super) next_generation: AtomicU64,
    pub(super) next_member: AtomicU64,
    /// Slots of the process table from here on were never used.
    pub(super) slots_used: AtomicU64,
    pub(super) deaths: AtomicU64,
    /// What `deaths` was when the last sweep began. A cache: whoever finds it behind sweeps.
    pub(super) swept: AtomicU64,
    /// How often something was left that may be had by nobody but by what it would be needed for.
    pub(super) suspected: AtomicU64,
    /// What that was when the last sweep began.
    pub(super) cleared: AtomicU64,
    /// Chunks below this have a committed entry; raised by one store under `chunk_lock`.
    pub(super) high_water: AtomicU64,
    pub(super) chunk_lock: RawMutex,
    pub(super) recovery_lock: RawMutex,
    /// Had by who takes references to objects that it has none to. As long as it's had, no object ends that a manager made.
    pub(super) pinning_lock: RawMutex,
    /// Per class, the chunk to look in first. A hint: any value does.
    pub(super) class_hints: [AtomicU32; CLASSES.len()],
}

/// What a chunk is used for.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Entry {
    /// `Use` in bits 0..8, its number in bits 32..64.
    pub(super) word: AtomicU64,
    /// The block state of a large block that begins here.
    pub(super) state: AtomicU64,
}

/// The blocks of a chunk that is cut into small ones. Apart from the chunk itself, so that no payload ever lies where a
/// late step of a dead or slow process could still change a state.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Control {
    /// Set bits: blocks that are probably free.
    pub(super) hints: [AtomicU64; HINT_WORDS],
    pub(super) states: [AtomicU64; STATES],
}

const HEADER_SPACE: usize = 4096;
const CONTROL: usize = 8192;

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<Header>() <= HEADER_SPACE);
    assert!(size_of::<Slot>() == 128);
    assert!(size_of::<Entry>() == 16);
    assert!(size_of::<Control>() == CONTROL);
    assert!(STATES <= HINT_WORDS * 64);
    let mut i = 0;
    while i < CLASSES.len() {
        assert!(CLASSES[i] % 64 == 0);
        i += 1;
    }
};

// SAFETY: bounds: fixed sizes. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for Header {}
// SAFETY: as for Header.
unsafe impl Shared for Entry {}
// SAFETY: as for Header.
unsafe impl Shared for Control {}
// SAFETY: as for Header; a slot is made of atomics too.
unsafe impl Shared for [Slot; SLOTS] {}

/// The offsets of an arena's parts, from its number of chunks: header, slots, entries, controls, data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    chunks: usize,
    controls: usize,
    data: usize,
}

/// The most that an arena can be made for: names of parts of maps and lists have an offset of 40 bits.
pub(crate) const LARGEST_LIMIT: usize = 7 << 37;

impl Geometry {
    pub(super) fn new(chunks: usize) -> Geometry {
        let mut geometry = Geometry { chunks, controls: 0, data: 0 };
        geometry.controls = geometry.entry(chunks).next_multiple_of(CONTROL);
        geometry.data = geometry.control(chunks).next_multiple_of(2 << 20);
        geometry
    }

    pub(super) fn chunks(self) -> usize {
        self.chunks
    }

    pub(super) fn slots(self) -> usize {
        HEADER_SPACE
    }

    /// What must have memory from the start: header and slots.
    pub(super) fn fixed(self) -> usize {
        HEADER_SPACE + SLOTS * 128
    }

    pub(super) fn entry(self, chunk: usize) -> usize {
        self.fixed() + chunk * 16
    }

    pub(super) fn control(self, chunk: usize) -> usize {
        self.controls + chunk * CONTROL
    }

    /// The first data byte of a chunk. Data begins on a 2 MiB boundary.
    pub(super) fn chunk(self, chunk: usize) -> usize {
        self.data + chunk * CHUNK
    }

    pub(super) fn total(self) -> usize {
        self.chunk(self.chunks)
    }
}
