//! What consumers of a queue of tasks have taken and not finished: taking on lease, finishing, giving back.

use super::{
    pop::next,
    stream::Stream,
    table::{Entry, LeaseTable, Phase, State},
};
use crate::{
    atomic::Ordering::{Acquire, Relaxed, Release, SeqCst},
    error::{Error, Result},
    kill_point::kill_point,
    message::Lent,
    references::Share,
    ring::Consuming,
    sync::thread_id,
    sys::clock::Deadline,
};
use std::sync::Arc;

/// A message that this process has taken and not finished.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) index: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) shares: Vec<Arc<Share>>,
}

impl Stream {
    fn leases(&self) -> &'static LeaseTable {
        &self.record.leases
    }

    /// Takes a message on lease: one that another didn't finish, or the next one.
    pub(super) fn lease(&self, deadline: Deadline) -> Result<Option<Leased>> {
        match self.lease_again(deadline)? {
            None => self.lease_next(deadline),
            leased => Ok(leased),
        }
    }

    fn lease_next(&self, deadline: Deadline) -> Result<Option<Leased>> {
        let (record, arena) = (self.record, self.arena);
        if record.ring.is_empty() {
            return Ok(None);
        }
        let Some(mut consuming) = self.consume(deadline) else { return Ok(None) };
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
        // With the lock only where somebody must be kept out.
        let leased = self.ward.is_some().then(|| self.read(index, lent));
        drop(consuming);
        record.ring.departures().notify();
        leased.unwrap_or_else(|| self.read(index, lent)).map(Some)
    }

    /// Keeps those out who free what the living have as well, once the manager has ended: while that is read. `None` until the deadline.
    fn keep_closers_out(&self, deadline: Deadline) -> Option<Option<Consuming<'_>>> {
        if self.ward.is_none() { Some(None) } else { self.consume(deadline).map(Some) }
    }

    /// Takes one that a dead consumer had, or that was returned.
    fn lease_again(&self, deadline: Deadline) -> Result<Option<Leased>> {
        let (leases, arena) = (self.leases(), self.arena);
        let deaths = arena.deaths();
        if leases.returned.load(Acquire) == 0 && self.deaths_seen().load(Relaxed) == deaths {
            return Ok(None);
        }
        self.settle();
        leases.returned.store(0, SeqCst);
        let mut taken = None;
        for (index, entry) in leases.entries(arena) {
            let state = entry.state();
            let is_orphan = state.phase != Phase::Free && state.is_orphaned(arena);
            if is_orphan && state.phase == Phase::Claimed {
                // It could not be settled now, and is looked at again.
                leases.returned.store(1, SeqCst);
                continue;
            }
            if !is_orphan && state.phase != Phase::Returned {
                continue;
            }
            if leases.is_last(state.deliveries) {
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
            let Some(_reading) = self.keep_closers_out(deadline) else {
                leases.returned.store(1, SeqCst);
                break;
            };
            if entry.change(state, mine) {
                entry.thread.store(thread_id(), Relaxed);
                kill_point!(LeaseAfterAgain);
                taken = Some(self.read(index, entry.lent()));
            }
        }
        self.deaths_seen().store(deaths, Relaxed);
        if leases.returned.load(Relaxed) != 0 {
            self.record.ring.arrivals().notify_one();
        }
        taken.transpose()
    }

    /// Gives up a message that nobody gets any more.
    fn lose(&self, entry: &Entry, state: State) {
        if let Some(lent) = entry.take_away(self.arena, state) {
            kill_point!(LeaseAfterLoss);
            if let Some(lent) = lent {
                lent.discard(self.arena);
            }
            self.tell_of_end();
        }
    }

    /// One more is finished or lost.
    fn tell_of_end(&self) {
        self.record.done.notify();
        if self.is_closed() {
            // Those who wait whether it comes back.
            self.record.ring.arrivals().notify();
        }
    }

    /// What a dead consumer was about to take when it died is in the ring again, or has been taken.
    fn settle(&self) {
        let arena = self.arena;
        let is_unsettled = |state: State| state.phase == Phase::Claimed && state.is_orphaned(arena);
        if self.leases().entries(arena).any(|(_, entry)| is_unsettled(entry.state())) {
            // Whoever takes the lock from it puts that right. Once for all entries: somebody else may have the lock for long.
            drop(self.consume(Deadline::PASSED));
        }
    }

    /// The message of an entry that is this process's. One that can't be read is lost.
    fn read(&self, index: u32, lent: Lent) -> Result<Leased> {
        let borrowed = lent.take_all(self.arena).and_then(|()| lent.borrow(self.arena));
        match borrowed {
            Ok((bytes, shares)) => Ok(Leased { index, bytes, shares }),
            // For want of memory nothing is lost.
            Err(e) if e.is_out_of_memory() => {
                self.give_back(index, false)?;
                Err(e)
            }
            Err(e) => {
                self.finish(index, false)?;
                Err(e)
            }
        }
    }

    /// This process's entry, and its state.
    fn own(&self, index: u32) -> Result<(&'static Entry, State)> {
        let entry = self.leases().entry(self.arena, index)?;
        let state = entry.state();
        if state.phase == Phase::Leased && state.is_of(self.arena.me().tag()) {
            Ok((entry, state))
        } else {
            Err(Error::corrupted("the entry of a task"))
        }
    }

    /// The message of this process's entry is done, or else lost.
    pub(super) fn finish(&self, index: u32, is_done: bool) -> Result<()> {
        let (entry, state) = self.own(index)?;
        let lent = entry.lent();
        if entry.change(state, state.freed(u32::from(!is_done))) {
            kill_point!(LeaseAfterDone);
            self.leases().hint.store(index, Relaxed);
            lent.discard(self.arena);
            self.tell_of_end();
        }
        Ok(())
    }

    /// Gives the message of this process's entry back, for another to have; unless it was delivered, and that once too often.
    pub(super) fn give_back(&self, index: u32, was_delivered: bool) -> Result<()> {
        let (entry, state) = self.own(index)?;
        let deliveries = state.deliveries.saturating_sub(u8::from(!was_delivered));
        if self.leases().is_last(deliveries) {
            self.lose(entry, state);
        } else if entry.change(state, State { owner: 0, deliveries, phase: Phase::Returned, ..state }) {
            kill_point!(LeaseAfterReturn);
            self.leases().returned.store(1, SeqCst);
            self.record.ring.arrivals().notify_one();
        }
        Ok(())
    }

    /// How many messages have been put and are neither done nor lost. Loses what the dead had for the last time.
    pub(super) fn unfinished(&self) -> usize {
        const LOOKS: usize = 8;
        let ring = &self.record.ring;
        let mut unfinished = 0;
        for _ in 0..LOOKS {
            let sent = ring.sent();
            // In this order: a message is in the table before it's taken from the ring.
            unfinished = ring.messages() as usize + self.taken();
            // What was put meanwhile, before what it was put for was finished, would be overlooked.
            if unfinished > 0 || ring.sent() == sent {
                return unfinished;
            }
        }
        unfinished.max(1)
    }

    /// How many messages have been taken and are neither done nor lost.
    fn taken(&self) -> usize {
        let (record, arena) = (self.record, self.arena);
        let mut taken = 0;
        self.settle();
        for (_, entry) in record.leases.entries(arena) {
            let state = entry.state();
            let number = entry.number.load(Acquire);
            match state.phase {
                Phase::Free => {}
                Phase::Claimed => taken += usize::from(record.ring.was_taken(number)),
                Phase::Leased if record.leases.is_last(state.deliveries) && state.is_orphaned(arena) => {
                    self.lose(entry, state);
                }
                Phase::Leased | Phase::Returned => taken += 1,
            }
        }
        taken
    }

    /// Whether somebody has something that may come back: another than this thread.
    pub(super) fn may_come_back(&self) -> bool {
        let (leases, me) = (self.leases(), self.arena.me().tag());
        leases.is_used()
            && leases.entries(self.arena).any(|(_, entry)| {
                let state = entry.state();
                state.phase != Phase::Free && !(state.is_of(me) && entry.thread.load(Relaxed) == thread_id())
            })
    }

    /// Whether there may be something that a consumer had and didn't finish.
    pub(super) fn has_returned(&self) -> bool {
        let leases = self.leases();
        leases.returned.load(Acquire) != 0
            || leases.is_used()
                && self.deaths_seen().load(Relaxed) != self.arena.deaths()
                && leases.entries(self.arena).any(|(_, entry)| {
                    let state = entry.state();
                    state.phase == Phase::Returned
                        || state.phase == Phase::Leased && state.is_orphaned(self.arena)
                })
    }

    /// How many messages were ever lost.
    pub(super) fn lost(&self) -> u64 {
        self.leases().losses(self.arena)
    }
}
