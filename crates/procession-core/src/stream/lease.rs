//! What consumers of a queue of tasks have taken and not finished.
//!
//! A table with an entry for each. An entry's state is one word, which says whose it is, so that what a dead consumer had can be
//! given to another with one compare-and-swap. How many were lost is counted in the entries: each loss is the same store that
//! frees the entry.

use super::{
    message::Lent,
    stream::{Stream, next},
};
use crate::{
    arena::Arena,
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
    },
    error::{Error, ErrorKind, Result},
    kill_point::kill_point,
    members::Tag,
    references::Share,
    sync::{Census, thread_id},
    sys::clock::Deadline,
};
use std::sync::Arc;

/// The entries: blocks of 64, 128, 256, … of them, made when they are needed and never moved.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LeaseTable {
    blocks: [AtomicU64; BLOCKS],
    /// How many times what a dead consumer had is given to another.
    redeliver: AtomicU32,
    /// Set when an entry was returned; cleared by one who looks for such.
    returned: AtomicU32,
    /// Where to look for a free entry first. A hint.
    hint: AtomicU32,
}

const BLOCKS: usize = 12;
const FIRST: usize = 64;

/// What one consumer has.
#[derive(Debug)]
#[repr(C)]
struct Entry {
    /// See `State`.
    state: AtomicU64,
    /// Which message of the stream it was.
    number: AtomicU32,
    /// Which thread of its owner has it.
    thread: AtomicU32,
    offset: AtomicU64,
    len: AtomicU64,
    stamp: AtomicU64,
}

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl crate::arena::Shared for Entry {}

/// An entry's state.
///
/// | bits 0..30 | 30..38 | 38..40 | 40..64 |
/// |---|---|---|---|
/// | whose it is | how many consumers have had it | phase | how many messages were lost by way of this entry |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    owner: u32,
    deliveries: u8,
    phase: Phase,
    losses: u32,
}

/// | phase | the message is |
/// |---|---|
/// | free | none |
/// | claimed | still in the ring, or just taken: the consumers' lock is held, or was when its holder died |
/// | leased | its owner's |
/// | returned | nobody's: the next consumer gets it |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Free,
    Claimed,
    Leased,
    Returned,
}

impl State {
    fn to_bits(self) -> u64 {
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

    fn freed(self, lost: u32) -> State {
        let losses = (self.losses + lost) & ((1 << 24) - 1);
        State { owner: 0, deliveries: 0, phase: Phase::Free, losses }
    }

    fn is_of(self, me: Tag) -> bool {
        self.owner == me.bits()
    }

    /// Whether its owner is dead.
    fn is_orphaned(self, arena: &Arena) -> bool {
        Tag::from_word(self.owner).is_none_or(|tag| arena.is_marked_dead(tag))
    }
}

impl Entry {
    fn state(&self) -> State {
        State::from_bits(self.state.load(Acquire))
    }

    fn change(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from.to_bits(), to.to_bits(), AcqRel, Relaxed).is_ok()
    }

    fn lent(&self) -> Lent {
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

    /// The entries that there are, with their indexes.
    fn entries<'a>(&'a self, arena: &'a Arena) -> impl Iterator<Item = (u32, &'a Entry)> {
        let blocks = self.blocks.iter().enumerate().map_while(|(i, block)| {
            let offset = block.load(Acquire);
            (offset != 0).then_some((i, offset))
        });
        blocks.flat_map(move |(i, offset)| {
            let entries = arena.block(offset).and_then(|block| arena.records::<Entry>(block, FIRST << i));
            let first = FIRST * ((1 << i) - 1);
            entries.unwrap_or_default().iter().zip(first as u32..).map(|(entry, i)| (i, entry))
        })
    }

    fn entry<'a>(&'a self, arena: &'a Arena, index: u32) -> Result<&'a Entry> {
        let which = (index as usize / FIRST + 1).ilog2() as usize;
        let first = FIRST * ((1 << which) - 1);
        let offset = self.blocks.get(which).map_or(0, |block| block.load(Acquire));
        let entries = arena.records::<Entry>(arena.block(offset)?, FIRST << which)?;
        entries.get(index as usize - first).ok_or_else(|| Error::corrupted("a task's number"))
    }

    /// A free entry; made if there is none. Only with the consumers' lock.
    fn find_free<'a>(&'a self, arena: &'a Arena) -> Result<(u32, &'a Entry)> {
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
        for entry in arena.records::<Entry>(block, count)? {
            entry.state.store(0, Relaxed);
        }
        kill_point!(LeaseBeforeTable);
        self.blocks[which].store(block.offset(), Release);
        let first = (FIRST * ((1 << which) - 1)) as u32;
        Ok((first, self.entry(arena, first)?))
    }

    /// What a dead holder of the consumers' lock claimed is its own if it was taken, and in the ring if not. With the lock.
    pub(super) fn repair(&self, arena: &Arena, next: u32) -> Result<()> {
        for (_, entry) in self.entries(arena) {
            let state = entry.state();
            if state.phase == Phase::Claimed {
                let was_taken = next.wrapping_sub(entry.number.load(Acquire)) as i32 > 0;
                let repaired =
                    if was_taken { State { phase: Phase::Leased, ..state } } else { state.freed(0) };
                entry.change(state, repaired);
            }
        }
        Ok(())
    }

    /// Calls `f` with the message of each entry that has one.
    pub(super) fn for_each_block(&self, arena: &Arena, mut f: impl FnMut(Lent)) {
        for (_, entry) in self.entries(arena) {
            if entry.state().phase != Phase::Free {
                f(entry.lent());
            }
        }
    }

    /// Takes a message that somebody had and never finished; its block is this process's. With the consumers' lock.
    pub(super) fn take_one(&self, arena: &Arena) -> Option<Option<Lent>> {
        self.entries(arena).find_map(|(_, entry)| {
            let (state, lent) = (entry.state(), entry.lent());
            let block = lent.owned(arena);
            (state.phase != Phase::Free && entry.change(state, state.freed(1)))
                .then(|| block.filter(|(block, owner)| arena.take_over(*block, *owner)).map(|_| lent))
        })
    }

    /// How many were lost.
    fn losses(&self, arena: &Arena) -> u64 {
        self.entries(arena).map(|(_, entry)| u64::from(entry.state().losses)).sum()
    }
}

/// A message that this process has taken and not finished.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) index: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) shares: Vec<Arc<Share>>,
}

impl Stream {
    fn leases(&self) -> &'static LeaseTable {
        &self.record().leases
    }

    /// Takes a message on lease: one that another didn't finish, or the next one.
    pub(super) fn lease(&self, deadline: Deadline) -> Result<Option<Result<Leased>>> {
        match self.lease_again()? {
            None => self.lease_next(deadline),
            leased => Ok(leased),
        }
    }

    fn lease_next(&self, deadline: Deadline) -> Result<Option<Result<Leased>>> {
        let (record, arena) = (self.record(), self.arena());
        if record.ring.is_empty() {
            return Ok(None);
        }
        let Some(mut consuming) = self.consume(deadline)? else { return Ok(None) };
        let data = record.place().data(arena)?;
        let Some(next) = next(&mut consuming, &data, 0)? else { return Ok(None) };
        let (index, entry) = record.leases.find_free(arena)?;
        let lent = next.lent(&data)?;
        entry.number.store(consuming.number(), Relaxed);
        entry.thread.store(thread_id(), Relaxed);
        entry.len.store(lent.len, Relaxed);
        entry.stamp.store(lent.stamp, Relaxed);
        entry.offset.store(lent.offset, Release);
        let before = entry.state();
        let claimed =
            State { owner: arena.me().tag().bits(), deliveries: 1, phase: Phase::Claimed, ..before };
        entry.state.store(claimed.to_bits(), Release);
        kill_point!(LeaseAfterClaim);
        consuming.retire(1, next.end, lent.len);
        entry.state.store(State { phase: Phase::Leased, ..claimed }.to_bits(), Release);
        record.leases.hint.store(index + 1, Relaxed);
        drop(consuming);
        record.ring.departures().notify_one();
        Ok(Some(self.read(index, lent)))
    }

    /// Takes one that a dead consumer had, or that was returned.
    fn lease_again(&self) -> Result<Option<Result<Leased>>> {
        let (leases, arena) = (self.leases(), self.arena());
        let deaths = arena.deaths();
        if leases.returned.load(Acquire) == 0 && self.deaths_seen().load(Relaxed) == deaths {
            return Ok(None);
        }
        leases.returned.store(0, SeqCst);
        let most = leases.redeliver.load(Relaxed).saturating_add(1);
        let mut taken = None;
        for (index, entry) in leases.entries(arena) {
            let state = self.settled(entry)?;
            let is_orphan = match state.phase {
                Phase::Leased => state.is_orphaned(arena),
                Phase::Returned => true,
                _ => false,
            };
            if !is_orphan {
                continue;
            }
            if u32::from(state.deliveries) >= most {
                self.lose(entry, state);
                continue;
            }
            if taken.is_some() {
                // There is more.
                leases.returned.store(1, SeqCst);
                continue;
            }
            let mine = State {
                owner: arena.me().tag().bits(),
                deliveries: state.deliveries.saturating_add(1),
                phase: Phase::Leased,
                ..state
            };
            if entry.change(state, mine) {
                entry.thread.store(thread_id(), Relaxed);
                kill_point!(LeaseAfterAgain);
                taken = Some(self.read(index, entry.lent()));
            }
        }
        self.deaths_seen().store(deaths, Relaxed);
        if leases.returned.load(Relaxed) != 0 {
            self.record().ring.arrivals().notify_one();
        }
        Ok(taken)
    }

    /// Gives up a message that nobody gets any more.
    fn lose(&self, entry: &Entry, state: State) {
        let (arena, lent) = (self.arena(), entry.lent());
        // Who has the block is asked while the entry still names it: later a sweep may have freed it, and it may be anybody's.
        let block = lent.owned(arena);
        if entry.change(state, state.freed(1)) {
            kill_point!(LeaseAfterLoss);
            if block.is_some_and(|(block, owner)| arena.take_over(block, owner)) {
                lent.discard(arena);
            }
            self.tell_of_end();
        }
    }

    /// One more is finished or lost.
    fn tell_of_end(&self) {
        self.record().done.notify();
        if self.is_closed() {
            // Those who wait whether it comes back.
            self.record().ring.arrivals().notify();
        }
    }

    /// An entry's state. What a dead consumer was about to take when it died is in the ring again, or has been taken.
    fn settled(&self, entry: &Entry) -> Result<State> {
        let state = entry.state();
        if state.phase == Phase::Claimed && state.is_orphaned(self.arena()) {
            // Whoever takes the lock from it puts that right.
            drop(self.consume(Deadline::PASSED)?);
            return Ok(entry.state());
        }
        Ok(state)
    }

    /// The message of an entry that is this process's. One that can't be read is lost.
    fn read(&self, index: u32, lent: Lent) -> Result<Leased> {
        let borrowed = lent.take(self.arena()).and_then(|_| {
            lent.claim(self.arena())?;
            lent.borrow(self.arena())
        });
        match borrowed {
            Ok((bytes, shares)) => Ok(Leased { index, bytes, shares }),
            // For want of memory nothing is lost.
            Err(e) if e.is_out_of_memory() => {
                self.give_back(index)?;
                Err(e)
            }
            Err(e) => {
                self.finish(index, false)?;
                Err(e)
            }
        }
    }

    /// The message of this process's entry is done, or else lost.
    pub(super) fn finish(&self, index: u32, is_done: bool) -> Result<()> {
        let (arena, entry) = (self.arena(), self.leases().entry(self.arena(), index)?);
        let (state, lent) = (entry.state(), entry.lent());
        if state.phase != Phase::Leased || !state.is_of(arena.me().tag()) {
            return Err(Error::corrupted("the entry of a task"));
        }
        if entry.change(state, state.freed(u32::from(!is_done))) {
            kill_point!(LeaseAfterDone);
            self.leases().hint.store(index, Relaxed);
            lent.discard(arena);
            self.tell_of_end();
        }
        Ok(())
    }

    /// Gives the message of this process's entry back, for another to have.
    pub(super) fn give_back(&self, index: u32) -> Result<()> {
        let (arena, entry) = (self.arena(), self.leases().entry(self.arena(), index)?);
        let state = entry.state();
        let most = self.leases().redeliver.load(Relaxed).saturating_add(1);
        if state.phase != Phase::Leased || !state.is_of(arena.me().tag()) {
            return Err(Error::corrupted("the entry of a task"));
        }
        if u32::from(state.deliveries) >= most {
            self.lose(entry, state);
        } else if entry.change(state, State { owner: 0, phase: Phase::Returned, ..state }) {
            kill_point!(LeaseAfterReturn);
            self.leases().returned.store(1, SeqCst);
            self.record().ring.arrivals().notify_one();
        }
        Ok(())
    }

    /// How many messages have been put and are neither done nor lost. Loses what the dead had for the last time.
    pub(super) fn unfinished(&self) -> Result<usize> {
        const LOOKS: usize = 8;
        let ring = &self.record().ring;
        let mut unfinished = 0;
        for _ in 0..LOOKS {
            let sent = ring.sent();
            // In this order: a message is in the table before it's taken from the ring.
            unfinished = ring.messages() as usize + self.taken()?;
            // What was put meanwhile, before what it was put for was finished, would be overlooked.
            if unfinished > 0 || ring.sent() == sent {
                return Ok(unfinished);
            }
        }
        Ok(unfinished.max(1))
    }

    /// How many messages have been taken and are neither done nor lost.
    fn taken(&self) -> Result<usize> {
        let (record, arena) = (self.record(), self.arena());
        let most = record.leases.redeliver.load(Relaxed).saturating_add(1);
        let mut taken = 0;
        for (_, entry) in record.leases.entries(arena) {
            let state = self.settled(entry)?;
            let number = entry.number.load(Acquire);
            match state.phase {
                Phase::Free => {}
                Phase::Claimed => taken += usize::from(record.ring.was_taken(number)),
                Phase::Leased if u32::from(state.deliveries) >= most && state.is_orphaned(arena) => {
                    self.lose(entry, state);
                }
                Phase::Leased | Phase::Returned => taken += 1,
            }
        }
        Ok(taken)
    }

    /// Whether somebody has something that may come back: another than this thread.
    pub(super) fn may_come_back(&self) -> bool {
        let (leases, me) = (self.leases(), self.arena().me().tag());
        leases.blocks[0].load(Acquire) != 0
            && leases.entries(self.arena()).any(|(_, entry)| {
                let state = entry.state();
                state.phase != Phase::Free && !(state.is_of(me) && entry.thread.load(Relaxed) == thread_id())
            })
    }

    /// Whether there may be something that a consumer had and didn't finish.
    pub(super) fn has_returned(&self) -> bool {
        let leases = self.leases();
        leases.returned.load(Acquire) != 0
            || leases.blocks[0].load(Acquire) != 0
                && self.deaths_seen().load(Relaxed) != self.arena().deaths()
                && leases.entries(self.arena()).any(|(_, entry)| {
                    let state = entry.state();
                    state.phase == Phase::Leased && state.is_orphaned(self.arena())
                })
    }

    /// How many messages were ever lost.
    pub(super) fn lost(&self) -> u64 {
        self.leases().losses(self.arena())
    }
}
