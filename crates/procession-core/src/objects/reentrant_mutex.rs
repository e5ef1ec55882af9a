//! A lock around plain data that its own thread can take again.

use super::{
    handle, lock, lock_record,
    place::Place,
    poison::{Panics, Poison, poisonable},
    record,
};
use crate::{
    atomic::{AtomicU32, Ordering::Relaxed},
    error::{Error, ErrorKind, Result},
    family,
    references::{Header, Share, Shared},
    sync::{Locked, ThreadMutex, WouldDeadlock},
    sys::clock::Deadline,
};
use bytemuck::Pod;
use std::{cell::Cell, fmt, marker::PhantomData, ops::Deref, sync::Arc};

#[derive(Debug)]
#[repr(C)]
pub(crate) struct ReentrantMutexRecord {
    header: Header,
    lock: ThreadMutex,
    /// How often the thread that has the lock has taken it. Its own business.
    depth: AtomicU32,
    poison: Poison,
}

lock_record!(ReentrantMutexRecord, ReentrantMutex);

/// A lock around plain data that its own thread can take again.
pub struct ReentrantMutex<T> {
    shared: Shared<ReentrantMutexRecord>,
    place: Place<T>,
}

handle!(ReentrantMutex<T>, place);
poisonable!(ReentrantMutex, ReentrantMutexGuard: mutex);

impl<T: Pod> ReentrantMutex<T> {
    /// A lock that is free.
    pub fn new(value: T) -> Result<ReentrantMutex<T>> {
        let (shared, place) = Place::create(1, |record: &ReentrantMutexRecord, place| {
            record.lock.reset();
            record.depth.store(0, Relaxed);
            record.poison.reset();
            // SAFETY: bounds: one value. Aliasing: nobody else knows the block. Lifetime: see `Place`.
            unsafe { place.write(value) };
        })?;
        Ok(ReentrantMutex { shared, place })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<ReentrantMutex<T>> {
        let (shared, place) = Place::open(share, |_: &ReentrantMutexRecord| 1)?;
        Ok(ReentrantMutex { shared, place })
    }

    /// Takes the lock, for the first time or once more; `None` when the deadline passed first.
    pub fn lock(&self, deadline: Deadline) -> Result<Option<ReentrantMutexGuard<'_, T>>> {
        let arena = self.shared.checked()?;
        self.guard(lock(&self.shared, &self.shared.lock, arena, deadline)?)
    }

    /// Takes the lock if that's possible at once.
    pub fn try_lock(&self) -> Result<Option<ReentrantMutexGuard<'_, T>>> {
        let arena = self.shared.checked()?;
        self.guard(self.shared.lock.try_lock(arena.me().tag(), arena))
    }

    fn guard(
        &self,
        locked: Result<Option<Locked>, WouldDeadlock>,
    ) -> Result<Option<ReentrantMutexGuard<'_, T>>> {
        let depth = match locked {
            Ok(None) => return Ok(None),
            Ok(Some(locked)) => {
                self.shared.poison.inherit(locked);
                0
            }
            // This thread has it.
            Err(WouldDeadlock) => self.shared.depth.load(Relaxed),
        };
        // Guards that were leaked are never released.
        let depth = depth.checked_add(1).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "a lock was taken 2^32 times without being released")
        })?;
        self.shared.depth.store(depth, Relaxed);
        Ok(Some(ReentrantMutexGuard { mutex: self, panics: Panics::watch(), not_send: PhantomData }))
    }

    fn details(&self) -> [(&'static str, u64); 2] {
        let depth = self.shared.depth.load(Relaxed);
        [("depth", depth.into()), ("poisoned", self.is_poisoned().into())]
    }
}

/// Access to what a [`ReentrantMutex`] protects; releases it when the last one of the thread is dropped.
///
/// Dereferences to a [`Cell`], because a thread may have several.
#[must_use = "a guard that is dropped releases the lock at once"]
pub struct ReentrantMutexGuard<'a, T: Pod> {
    mutex: &'a ReentrantMutex<T>,
    panics: Panics,
    /// The thread that took the lock releases it, and the cell is for it alone.
    not_send: PhantomData<*mut ()>,
}

impl<T: Pod> Deref for ReentrantMutexGuard<'_, T> {
    type Target = Cell<T>;
    fn deref(&self) -> &Cell<T> {
        // SAFETY: bounds, lifetime: see `Place`. Aliasing: the lock is held by this thread, which the guard doesn't leave, and
        // all that it has are such cells.
        unsafe { self.mutex.place.cell() }
    }
}

impl<T: Pod> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        // In a plain fork the lock is the original's.
        if family::current().is_err() {
            return;
        }
        if self.panics.began() {
            self.mutex.shared.poison.set();
        }
        if self.mutex.shared.depth.fetch_sub(1, Relaxed) == 1 {
            self.mutex.shared.lock.unlock();
        }
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
