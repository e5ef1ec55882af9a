//! Many plain values, of which several processes may each have a part.

use super::{
    Watch, block_on, handle,
    place::Place,
    poison::{Panics, Poison, poisonable},
    record, would_deadlock,
};
use crate::{
    arena::{Arena, Kind},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::{Error, ErrorKind, Result},
    family,
    kill_point::kill_point,
    members::Owner,
    references::{Header, Held, Holders, PATIENCE, Share, Shared},
    sync::{EventCount, RawMutex, WouldDeadlock, thread_id},
    sys::clock::Deadline,
};
use bytemuck::Pod;
use std::{
    fmt,
    marker::PhantomData,
    ops::{Bound, Deref, DerefMut, Range, RangeBounds},
    sync::Arc,
    time::Duration,
};

/// For who doesn't want to wait: so long may another be looking for a part.
const MOMENT: Duration = Duration::from_millis(1);

/// How many parts can be had at once.
const PARTS: usize = 128;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct ArrayRecord {
    header: Header,
    /// Had by who looks for a part to have.
    lock: RawMutex,
    change: EventCount,
    poison: Poison,
    len: AtomicU64,
    parts: [PartRecord; PARTS],
}

/// A part that somebody has.
#[derive(Debug)]
#[repr(C)]
struct PartRecord {
    /// Who has it; the store that takes it, and the one that releases it. The rest doesn't count while it's nobody.
    owner: AtomicU64,
    start: AtomicU64,
    end: AtomicU64,
    thread: AtomicU32,
}

record!(ArrayRecord, Array);

impl Held for ArrayRecord {
    fn mark(&self, _arena: &Arena, dead: Owner) {
        self.lock.mark(dead.tag());
        self.change.broadcast();
    }

    fn disturb(&self, _arena: &Arena) {
        self.change.broadcast();
    }

    fn holders(&self, arena: &Arena) -> Holders {
        let had = self.parts.iter().filter_map(|part| {
            let owner = Owner::from_bits(part.owner.load(Acquire))?;
            arena.members().is_alive(owner).then(|| (owner, part.thread.load(Relaxed)))
        });
        Holders { who: had.collect(), any: false }
    }
}

/// Many plain values, of which several processes may each have a part.
pub struct Array<T> {
    shared: Shared<ArrayRecord>,
    place: Place<T>,
    len: usize,
}

handle!(Array<T>, place, len);
poisonable!(Array, ArrayGuard: array);

impl<T: Pod> Array<T> {
    /// An array of so many values, all of them zero.
    pub fn zeroed(len: usize) -> Result<Array<T>> {
        Array::create(len, |values| values.fill(T::zeroed()))
    }

    /// An array of these values.
    pub fn from_slice(values: &[T]) -> Result<Array<T>> {
        Array::create(values.len(), |place| place.copy_from_slice(values))
    }

    fn create(len: usize, fill: impl FnOnce(&mut [T])) -> Result<Array<T>> {
        if len == 0 {
            return Err(Error::new(ErrorKind::InvalidArgument, "an array of no values"));
        }
        const { assert!(size_of::<T>() > 0, "values of no size need no array") };
        let (shared, place) = Place::create(len, |record: &ArrayRecord, place| {
            record.lock.reset();
            record.poison.reset();
            record.len.store(len as u64, Relaxed);
            record.parts.iter().for_each(|part| part.owner.store(Owner::NOBODY, Relaxed));
            // SAFETY: bounds: of so many. Aliasing: nobody else knows the block. Lifetime: see `Place`.
            fill(unsafe { place.slice_mut(0, len) });
        })?;
        Ok(Array { shared, place, len })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<Array<T>> {
        let mut len = 0;
        let count = |record: &ArrayRecord| {
            len = record.len.load(Acquire) as usize;
            len
        };
        let (shared, place) = Place::open(share, count)?;
        Ok(Array { shared, place, len })
    }

    /// How many values there are.
    #[allow(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Takes a part, once nobody has any of it; `None` when the deadline passed first.
    pub fn lock(
        &self,
        range: impl RangeBounds<usize>,
        deadline: Deadline,
    ) -> Result<Option<ArrayGuard<'_, T>>> {
        let (arena, range) = (self.shared.checked()?, self.range(range)?);
        let mut watch = Watch::new();
        let claimed = block_on(&self.shared, &self.shared.change, deadline, || {
            self.claim(arena, &range, &mut watch, deadline).transpose()
        })?;
        Ok(claimed.transpose()?.map(|part| self.guard(part, range)))
    }

    /// Takes a part if nobody has any of it.
    pub fn try_lock(&self, range: impl RangeBounds<usize>) -> Result<Option<ArrayGuard<'_, T>>> {
        let (arena, range) = (self.shared.checked()?, self.range(range)?);
        let claimed = self.claim(arena, &range, &mut Watch::new(), Deadline::after(MOMENT))?;
        Ok(claimed.map(|part| self.guard(part, range)))
    }

    fn range(&self, range: impl RangeBounds<usize>) -> Result<Range<usize>> {
        let start = match range.start_bound() {
            Bound::Included(start) => Some(*start),
            Bound::Excluded(before) => before.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match range.end_bound() {
            Bound::Included(last) => last.checked_add(1),
            Bound::Excluded(end) => Some(*end),
            Bound::Unbounded => Some(self.len),
        };
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= self.len => Ok(start..end),
            _ => {
                let range = (range.start_bound(), range.end_bound());
                let text = format!("{range:?} of an array of {} values", self.len);
                Err(Error::new(ErrorKind::InvalidArgument, text))
            }
        }
    }

    /// Takes the part if nobody alive has any of it: its place among the parts.
    fn claim(
        &self,
        arena: &'static Arena,
        range: &Range<usize>,
        watch: &mut Watch,
        deadline: Deadline,
    ) -> Result<Option<usize>> {
        let is_vacant = watch.look(arena);
        let is_dead = |owner: Owner| {
            !arena.members().is_alive(owner) || is_vacant.as_ref().is_some_and(|look| look(owner.slot()))
        };
        // Whoever had the lock and died has stored an owner or not.
        let claim = || self.claim_locked(arena.me(), range, is_dead);
        // If a manager made it one sees to it in between whether that's still there.
        let deadline = if self.shared.ward().is_some() { deadline.at_most(PATIENCE) } else { deadline };
        arena.locked_until(&self.shared.lock, deadline, claim).unwrap_or(Ok(None))
    }

    fn claim_locked(
        &self,
        me: Owner,
        range: &Range<usize>,
        is_dead: impl Fn(Owner) -> bool,
    ) -> Result<Option<usize>> {
        let record = &*self.shared;
        let (mut place, mut is_taken, mut mine) = (None, false, 0);
        for (i, part) in record.parts.iter().enumerate() {
            let owner = Owner::from_bits(part.owner.load(Acquire));
            if let Some(owner) = owner.filter(|owner| !is_dead(*owner)) {
                let overlaps = part.start.load(Relaxed) < range.end as u64
                    && (range.start as u64) < part.end.load(Relaxed);
                let is_mine = owner == me && part.thread.load(Relaxed) == thread_id();
                if overlaps && is_mine {
                    return Err(would_deadlock(Kind::Array)(WouldDeadlock));
                }
                mine += usize::from(is_mine);
                is_taken |= overlaps;
                continue;
            }
            if owner.is_some() {
                // It may have been half changed.
                record.poison.set();
                part.owner.store(Owner::NOBODY, Release);
            }
            place = place.or(Some(i));
        }
        if mine == PARTS {
            let text = format!("this thread has {PARTS} parts of the array already, which is the most");
            return Err(Error::new(ErrorKind::WouldDeadlock, text));
        }
        let Some(i) = place.filter(|_| !is_taken) else { return Ok(None) };
        let part = &record.parts[i];
        part.start.store(range.start as u64, Relaxed);
        part.end.store(range.end as u64, Relaxed);
        part.thread.store(thread_id(), Relaxed);
        kill_point!(ArrayBeforeClaim);
        part.owner.store(me.to_bits(), Release);
        kill_point!(ArrayAfterClaim);
        Ok(Some(i))
    }

    fn guard(&self, part: usize, range: Range<usize>) -> ArrayGuard<'_, T> {
        ArrayGuard { array: self, part, range, panics: Panics::watch(), not_send: PhantomData }
    }

    fn details(&self) -> [(&'static str, u64); 2] {
        [("len", self.len as u64), ("poisoned", self.is_poisoned().into())]
    }
}

/// A part of an [`Array`], for its holder alone; released when it's dropped.
#[must_use = "a guard that is dropped releases the lock at once"]
pub struct ArrayGuard<'a, T: Pod> {
    array: &'a Array<T>,
    part: usize,
    range: Range<usize>,
    panics: Panics,
    /// The thread that took the part releases it.
    not_send: PhantomData<*mut ()>,
}

// SAFETY: bounds, lifetime: it's a reference to the array. Aliasing: shared references to the guard give only shared references
// to plain data.
unsafe impl<T: Pod + Sync> Sync for ArrayGuard<'_, T> {}

impl<T: Pod> ArrayGuard<'_, T> {
    /// Which part it is.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

impl<T: Pod> Deref for ArrayGuard<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: bounds: `range` checked it. Aliasing: no other part that somebody has overlaps this one. Lifetime: see `Place`.
        unsafe { self.array.place.slice(self.range.start, self.range.len()) }
    }
}

impl<T: Pod> DerefMut for ArrayGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`, and `self` is borrowed mutably.
        unsafe { self.array.place.slice_mut(self.range.start, self.range.len()) }
    }
}

impl<T: Pod> Drop for ArrayGuard<'_, T> {
    fn drop(&mut self) {
        if family::current().is_err() {
            return;
        }
        let record = &*self.array.shared;
        if self.panics.began() {
            record.poison.set();
        }
        record.parts[self.part].owner.store(Owner::NOBODY, Release);
        kill_point!(ArrayAfterRelease);
        record.change.notify();
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for ArrayGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
