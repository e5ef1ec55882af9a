//! A side of a ring whose lock this process has: what it commits, or takes, with one store.

use super::{
    locked::LockedRing,
    progress::{Cursor, Load},
};
use crate::{
    atomic::Ordering::{Relaxed, Release},
    error::Result,
    kill_point::kill_point,
};

/// The producers' lock is held.
#[derive(Debug)]
pub(crate) struct Producing<'a> {
    pub(super) ring: &'a LockedRing,
    pub(super) at: Cursor,
    /// Where the consumers were when somebody last looked.
    pub(super) seen: Cursor,
}

impl<'a> Producing<'a> {
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.at.position()
    }

    /// What the ring holds, or held when somebody last looked.
    #[inline]
    pub(crate) fn load(&self, capacity: usize) -> Result<Load> {
        Load::between(self.seen, self.at, capacity)
    }

    /// Looks where the consumers are: what the ring holds.
    #[inline]
    pub(crate) fn look(&mut self, capacity: usize) -> Result<Load> {
        let seen = Cursor::load(&self.ring.head.at);
        let load = Load::between(seen, self.at, capacity)?;
        self.ring.producers.seen.store(seen.to_bits(), Relaxed);
        self.seen = seen;
        Ok(load)
    }

    /// How many bytes lie in blocks outside of the ring, for messages that are in it.
    pub(crate) fn bulk(&self) -> u64 {
        let (ring, head) = (self.ring, Cursor::load(&self.ring.head.at));
        ring.producers.bulk(self.at).wrapping_sub(ring.consumers.bulk(head))
    }

    /// Commits `messages` that take `bytes` of the ring, and `bulk` outside of it, with one store.
    #[inline]
    pub(crate) fn commit(&mut self, messages: u32, bytes: usize, bulk: u64) {
        let next = self.at.advanced(messages, bytes);
        self.ring.producers.carry(self.at, next, bulk);
        kill_point!(RingBeforeCommit);
        self.ring.tail.at.store(next.to_bits(), Release);
        kill_point!(RingAfterCommit);
        self.at = next;
    }
}

impl Drop for Producing<'_> {
    #[inline]
    fn drop(&mut self) {
        self.ring.producers.lock.unlock();
    }
}

/// The consumers' lock is held.
#[derive(Debug)]
pub(crate) struct Consuming<'a> {
    pub(super) ring: &'a LockedRing,
    pub(super) at: Cursor,
    /// Where the producers were when somebody last looked.
    pub(super) seen: Cursor,
    pub(super) is_recovered: bool,
}

impl Consuming<'_> {
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.at.position()
    }

    /// Whether the lock's former holder died: it may have been about to take something.
    pub(crate) fn is_recovered(&self) -> bool {
        self.is_recovered
    }

    /// Which message comes next.
    pub(crate) fn number(&self) -> u32 {
        self.at.messages
    }

    /// Whether everything has been taken that was there when somebody last looked.
    #[inline]
    pub(crate) fn is_dry(&self) -> bool {
        self.seen == self.at
    }

    /// What there is to take.
    #[inline]
    pub(crate) fn load(&mut self, capacity: usize) -> Result<Load> {
        if self.is_dry() {
            self.look();
        }
        match Load::between(self.at, self.seen, capacity) {
            Ok(load) => Ok(load),
            // Of one who was killed between two stores, the cache may be old.
            Err(_) => {
                self.look();
                Load::between(self.at, self.seen, capacity)
            }
        }
    }

    #[inline]
    fn look(&mut self) {
        self.seen = Cursor::load(&self.ring.tail.at);
        self.ring.consumers.seen.store(self.seen.to_bits(), Relaxed);
    }

    /// Takes `messages` that take `bytes` of the ring, and `bulk` outside of it, with one store.
    #[inline]
    pub(crate) fn retire(&mut self, messages: u32, bytes: usize, bulk: u64) {
        let next = self.at.advanced(messages, bytes);
        self.ring.consumers.carry(self.at, next, bulk);
        kill_point!(RingBeforeRetire);
        self.ring.head.at.store(next.to_bits(), Release);
        kill_point!(RingAfterRetire);
        self.at = next;
    }
}

impl Drop for Consuming<'_> {
    #[inline]
    fn drop(&mut self) {
        self.ring.consumers.lock.unlock();
    }
}
