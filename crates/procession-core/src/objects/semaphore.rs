//! So many permits, each of which one process has at a time.

use super::{Watch, block_on, handle, record};
use crate::{
    arena::Arena,
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed},
    },
    error::{Error, ErrorKind, Result},
    family,
    members::{Owner, SLOTS},
    references::{Header, Held, Holders, Share, Shared},
    sync::{EventCount, Ledger, MOST_PERMITS, RawSemaphore},
    sys::clock::Deadline,
};
use std::sync::Arc;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct SemaphoreRecord {
    header: Header,
    permits: RawSemaphore,
    change: EventCount,
    /// The most permits that there can be.
    limit: AtomicU32,
    ledger: [AtomicU64; SLOTS],
}

record!(SemaphoreRecord, Semaphore);

impl Held for SemaphoreRecord {
    fn mark(&self, _arena: &Arena, _dead: Owner) {
        // Those who wait look for the permits of the dead.
        self.change.broadcast();
    }

    fn disturb(&self, _arena: &Arena) {
        self.change.broadcast();
    }

    fn forget(&self, dead: Owner) {
        if self.permits.clear(&self.ledger, dead.slot(), || true) {
            self.change.notify();
        }
    }

    fn holders(&self, arena: &Arena) -> Holders {
        let who = self.permits.holders(&self.ledger);
        Holders {
            who: who.filter_map(|(slot, _)| Some((arena.members().occupant(slot)?, 0))).collect(),
            any: true,
        }
    }
}

/// So many permits, each of which one process has at a time.
pub struct Semaphore {
    shared: Shared<SemaphoreRecord>,
}

handle!(Semaphore);

impl Semaphore {
    /// A semaphore of `permits`; `bounded`: there can never be more.
    pub fn new(permits: u32, bounded: bool) -> Result<Semaphore> {
        if permits > MOST_PERMITS {
            let text = format!("a semaphore of {permits} permits: {MOST_PERMITS} is the most");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let shared = Shared::create(
            size_of::<SemaphoreRecord>(),
            u64::from(bounded),
            |record: &SemaphoreRecord, _| {
                record.permits.reset(permits);
                record.limit.store(if bounded { permits } else { MOST_PERMITS }, Relaxed);
                record.ledger.iter().for_each(|entry| entry.store(0, Relaxed));
                Ok(())
            },
        )?;
        Ok(Semaphore { shared })
    }

    /// What has travelled; `bounded` as it was made.
    pub fn from_share(share: Arc<Share>, bounded: bool) -> Result<Semaphore> {
        Ok(Semaphore { shared: Shared::from_share(share, u64::from(bounded))? })
    }

    /// Takes a permit; `None` when the deadline passed first.
    #[inline]
    pub fn acquire(&self, deadline: Deadline) -> Result<Option<Permit>> {
        let arena = self.shared.checked()?;
        if self.shared.permits.take(&self.shared.ledger, arena.me().slot()) {
            return Ok(Some(self.permit()));
        }
        let mut watch = Watch::new();
        let taken = block_on(&self.shared, &self.shared.change, deadline, || self.take(arena, &mut watch))?;
        Ok(taken.map(|()| self.permit()))
    }

    /// Takes a permit if there is one.
    pub fn try_acquire(&self) -> Result<Option<Permit>> {
        let arena = self.shared.checked()?;
        Ok(self.take(arena, &mut Watch::new()).map(|()| self.permit()))
    }

    fn permit(&self) -> Permit {
        Permit { semaphore: self.clone(), is_forgotten: false }
    }

    /// Takes a permit, also one that a dead process had.
    fn take(&self, arena: &'static Arena, watch: &mut Watch) -> Option<()> {
        let (record, slot) = (&*self.shared, arena.me().slot());
        if record.permits.take(&record.ledger, slot) {
            return Some(());
        }
        let is_vacant = watch.look(arena)?;
        let used: &Ledger = &record.ledger[..arena.members().used_slots()];
        let held: Vec<usize> = record.permits.holders(used).map(|(slot, _)| slot).collect();
        let mut cleared = false;
        for dead in held {
            cleared |= record.permits.clear(&record.ledger, dead, || is_vacant(dead));
        }
        if cleared {
            record.change.notify();
        }
        record.permits.take(&record.ledger, slot).then_some(())
    }

    /// One more permit, that was nobody's.
    pub fn release(&self) -> Result<()> {
        let arena = self.shared.checked()?;
        let record = &*self.shared;
        let limit = record.limit.load(Acquire);
        let used = || arena.members().used_slots();
        if record.permits.add(&record.ledger, used, limit).is_none() {
            let text = format!(
                "the semaphore was released too often: all of its {limit} permits are there or had by somebody"
            );
            return Err(Error::new(ErrorKind::NotHeld, text));
        }
        record.change.notify_one();
        Ok(())
    }

    /// How many permits are there.
    pub fn available(&self) -> u32 {
        self.shared.permits.permits()
    }

    fn details(&self) -> [(&'static str, u64); 1] {
        [("available", self.available().into())]
    }
}

/// A permit of a [`Semaphore`]; given back when it's dropped, or when its process dies.
#[must_use = "a permit that is dropped is given back at once"]
#[derive(Debug)]
pub struct Permit {
    /// Keeps this process's reference, by which its permits are found if it dies.
    semaphore: Semaphore,
    is_forgotten: bool,
}

impl Permit {
    /// Keeps the permit from coming back: the semaphore has one less, until somebody calls `release`.
    pub fn forget(mut self) {
        if let Ok(family) = family::current() {
            let record = &*self.semaphore.shared;
            record.permits.forget(&record.ledger, family.arena.me().slot());
        }
        self.is_forgotten = true;
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        // In a plain fork it's the original's.
        if !self.is_forgotten
            && let Ok(family) = family::current()
        {
            let record = &*self.semaphore.shared;
            record.permits.give(&record.ledger, family.arena.me().slot());
            record.change.notify_one();
        }
    }
}
