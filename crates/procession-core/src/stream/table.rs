//! The table of what consumers of a queue of tasks have taken and not finished.
//!
//! An entry's state is one word, which says whose it is, so that what a dead consumer had can be given to another with one
//! compare-and-swap. How many were lost is counted in the entries: each loss is the same store that frees the entry.

use crate::{
    arena::Arena,
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    error::{Error, ErrorKind, Result},
    kill_point::kill_point,
    members::Tag,
    message::Lent,
    sync::Census,
};

/// The entries: blocks of 64, 128, 256, … of them, made when they are needed and never moved.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LeaseTable {
    blocks: [AtomicU64; BLOCKS],
    /// How many times what a dead consumer had is given to another.
    redeliver: AtomicU32,
    /// Set when an entry was returned; cleared by one who looks for such.
    pub(super) returned: AtomicU32,
    /// Where to look for a free entry first. A hint.
    pub(super) hint: AtomicU32,
}

const BLOCKS: usize = 12;
const FIRST: usize = 64;

/// What one consumer has.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Entry {
    /// See `State`.
    pub(super) state: AtomicU64,
    /// Which message of the stream it was.
    pub(super) number: AtomicU32,
    /// Which thread of its owner has it.
    pub(super) thread: AtomicU32,
    pub(super) offset: AtomicU64,
    pub(super) len: AtomicU64,
    pub(super) stamp: AtomicU64,
}

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl crate::arena::Shared for Entry {}

/// An entry's state.
///
/// | bits 0..30 | 30..38 | 38..40 | 40..64 |
/// |---|---|---|---|
/// | whose it is | how many consumers have had it | phase | how many messages were lost by way of this entry |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) owner: u32,
    pub(super) deliveries: u8,
    pub(super) phase: Phase,
    pub(super) losses: u32,
}

/// | phase | the message is |
/// |---|---|
/// | free | none |
/// | claimed | still in the ring, or just taken: the consumers' lock is held, or was when its holder died |
/// | leased | its owner's |
/// | returned | nobody's: the next consumer gets it |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Free,
    Claimed,
    Leased,
    Returned,
}

impl State {
    pub(super) fn to_bits(self) -> u64 {
        u64::from(self.owner)
            | u64::from(self.deliveries) << 30
            | (self.phase as u64) << 38
            | u64::from(self.losses) << 40
    }

    fn from_bits(bits: u64) -> State {
        const PHASES: [Phase; 4] = [Phase::Free, Phase::Claimed, Phase::Leased, Phase::Returned];
        State {
            owner: bits as u32 & Tag::MASK,
            deliveries: (bits >> 30) as u8,
            phase: PHASES[(bits >> 38) as usize & 3],
            losses: (bits >> 40) as u32,
        }
    }

    pub(super) fn freed(self, lost: u32) -> State {
        let losses = (self.losses + lost) & ((1 << 24) - 1);
        State { owner: 0, deliveries: 0, phase: Phase::Free, losses }
    }

    pub(super) fn is_of(self, me: Tag) -> bool {
        self.owner == me.bits()
    }

    /// Whether its owner is dead.
    pub(super) fn is_orphaned(self, arena: &Arena) -> bool {
        Tag::from_word(self.owner).is_none_or(|tag| arena.is_marked_dead(tag))
    }
}

impl Entry {
    pub(super) fn state(&self) -> State {
        State::from_bits(self.state.load(Acquire))
    }

    pub(super) fn change(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from.to_bits(), to.to_bits(), AcqRel, Relaxed).is_ok()
    }

    /// Counts the message as lost and takes it away from whoever has the entry, if its state is still that: the message, which is this
    /// process's. (But not if it's none.)
    pub(super) fn take_away(&self, arena: &Arena, state: State) -> Option<Option<Lent>> {
        let lent = self.lent();
        // First the entry, which names the message until that is this process's as well: so whoever is killed in between leaves
        // nothing that others don't find.
        let mine = State { owner: arena.me().tag().bits(), phase: Phase::Leased, ..state };
        if !self.change(state, mine) {
            return None;
        }
        let taken = lent.take_all(arena).is_ok();
        self.change(mine, mine.freed(1)).then(|| taken.then_some(lent))
    }

    pub(super) fn lent(&self) -> Lent {
        Lent {
            offset: self.offset.load(Acquire),
            len: self.len.load(Relaxed),
            stamp: self.stamp.load(Relaxed),
        }
    }
}

impl LeaseTable {
    /// For a record that nobody knows yet.
    pub(super) fn reset(&self, redeliver: u32) {
        self.blocks.iter().for_each(|block| block.store(0, Relaxed));
        self.redeliver.store(redeliver, Relaxed);
        self.returned.store(0, Relaxed);
        self.hint.store(0, Relaxed);
    }

    /// The words that name the blocks.
    pub(super) fn tables(&self) -> impl Iterator<Item = &AtomicU64> {
        self.blocks.iter()
    }

    /// Whether no other consumer gets a message that so many have had.
    pub(super) fn is_last(&self, deliveries: u8) -> bool {
        u32::from(deliveries) > self.redeliver.load(Relaxed)
    }

    /// Whether there ever was an entry.
    pub(super) fn is_used(&self) -> bool {
        self.blocks[0].load(Acquire) != 0
    }

    /// The entries that there are, with their indexes.
    pub(super) fn entries<'a>(&'a self, arena: &'a Arena) -> impl Iterator<Item = (u32, &'a Entry)> {
        let blocks = self.blocks.iter().enumerate().map_while(|(i, block)| {
            let offset = block.load(Acquire);
            (offset != 0).then_some((i, offset))
        });
        blocks.flat_map(move |(i, offset)| {
            let entries = arena.block(offset).and_then(|block| block.records::<Entry>(0, FIRST << i));
            let first = FIRST * ((1 << i) - 1);
            entries.unwrap_or_default().iter().zip(first as u32..).map(|(entry, i)| (i, entry))
        })
    }

    pub(super) fn entry<'a>(&'a self, arena: &'a Arena, index: u32) -> Result<&'a Entry> {
        let which = (index as usize / FIRST + 1).ilog2() as usize;
        let first = FIRST * ((1 << which) - 1);
        let offset = self.blocks.get(which).map_or(0, |block| block.load(Acquire));
        let entries = arena.block(offset)?.records::<Entry>(0, FIRST << which)?;
        entries.get(index as usize - first).ok_or_else(|| Error::corrupted("a task's number"))
    }

    /// A free entry; made if there is none. Only with the consumers' lock.
    pub(super) fn find_free<'a>(&'a self, arena: &'a Arena) -> Result<(u32, &'a Entry)> {
        let is_free = |entry: &Entry| entry.state().phase == Phase::Free;
        let hint = self.hint.load(Relaxed);
        if let Ok(entry) = self.entry(arena, hint)
            && is_free(entry)
        {
            return Ok((hint, entry));
        }
        if let Some(found) = self.entries(arena).find(|(_, entry)| is_free(entry)) {
            return Ok(found);
        }
        let which = self.blocks.iter().position(|block| block.load(Relaxed) == 0).ok_or_else(|| {
            Error::new(ErrorKind::OutOfMemory, "more tasks have been taken and not finished than can be kept")
        })?;
        let count = FIRST << which;
        let block = arena.alloc(count * size_of::<Entry>())?;
        for entry in block.records::<Entry>(0, count)? {
            entry.state.store(0, Relaxed);
        }
        kill_point!(LeaseBeforeTable);
        self.blocks[which].store(block.offset(), Release);
        let first = (FIRST * ((1 << which) - 1)) as u32;
        Ok((first, self.entry(arena, first)?))
    }

    /// What a dead holder of the consumers' lock claimed is its own if it was taken, and in the ring if not. With the lock.
    pub(super) fn repair(&self, arena: &Arena, was_taken: impl Fn(u32) -> bool) {
        for (_, entry) in self.entries(arena) {
            let state = entry.state();
            if state.phase == Phase::Claimed {
                let was_taken = was_taken(entry.number.load(Acquire));
                let repaired =
                    if was_taken { State { phase: Phase::Leased, ..state } } else { state.freed(0) };
                entry.change(state, repaired);
            }
        }
    }

    /// Calls `f` with the message of each entry that has one.
    pub(super) fn for_each_block(&self, arena: &Arena, mut f: impl FnMut(Lent)) {
        for (_, entry) in self.entries(arena) {
            if entry.state().phase != Phase::Free {
                f(entry.lent());
            }
        }
    }

    /// Takes a message that somebody had and never finished; it's this process's. With the consumers' lock.
    pub(super) fn take_one(&self, arena: &Arena) -> Option<Option<Lent>> {
        self.entries(arena).find_map(|(_, entry)| {
            let state = entry.state();
            (state.phase != Phase::Free).then(|| entry.take_away(arena, state)).flatten()
        })
    }

    /// Whether nobody has anything.
    pub(super) fn is_empty(&self, arena: &Arena) -> bool {
        self.entries(arena).all(|(_, entry)| entry.state().phase == Phase::Free)
    }

    /// How many were lost.
    pub(super) fn losses(&self, arena: &Arena) -> u64 {
        self.entries(arena).map(|(_, entry)| u64::from(entry.state().losses)).sum()
    }
}
