//! A lock around plain data.

use super::{
    handle, lock, lock_record,
    place::Place,
    poison::{Panics, Poison, poisonable},
    record, would_deadlock,
};
use crate::{
    arena::Kind,
    error::Result,
    family,
    references::{Header, Share, Shared},
    sync::{Locked, ThreadMutex},
    sys::clock::Deadline,
};
use bytemuck::Pod;
use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::Arc,
};

#[derive(Debug)]
#[repr(C)]
pub(crate) struct MutexRecord {
    header: Header,
    lock: ThreadMutex,
    poison: Poison,
}

lock_record!(MutexRecord, Mutex);

/// A lock around plain data.
pub struct Mutex<T> {
    shared: Shared<MutexRecord>,
    place: Place<T>,
}

handle!(Mutex<T>, place);
poisonable!(Mutex, MutexGuard: mutex);

impl<T: Pod> Mutex<T> {
    /// A lock that is free.
    pub fn new(value: T) -> Result<Mutex<T>> {
        let (shared, place) = Place::create(1, |record: &MutexRecord, place| {
            record.lock.reset();
            record.poison.reset();
            // SAFETY: bounds: one value. Aliasing: nobody else knows the block. Lifetime: see `Place`.
            unsafe { place.write(value) };
        })?;
        Ok(Mutex { shared, place })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<Mutex<T>> {
        let (shared, place) = Place::open(share, |_: &MutexRecord| 1)?;
        Ok(Mutex { shared, place })
    }

    /// Takes the lock; `None` when the deadline passed first.
    #[inline]
    pub fn lock(&self, deadline: Deadline) -> Result<Option<MutexGuard<'_, T>>> {
        let arena = self.shared.checked()?;
        let locked = lock(&self.shared, &self.shared.lock, arena, deadline)?;
        Ok(locked.map_err(would_deadlock(Kind::Mutex))?.map(|locked| self.guard(locked)))
    }

    /// Takes the lock if that's possible at once.
    pub fn try_lock(&self) -> Result<Option<MutexGuard<'_, T>>> {
        let arena = self.shared.checked()?;
        let locked = self.shared.lock.try_lock(arena.me().tag(), arena);
        Ok(locked.map_err(would_deadlock(Kind::Mutex))?.map(|locked| self.guard(locked)))
    }

    #[inline]
    fn guard(&self, locked: Locked) -> MutexGuard<'_, T> {
        self.shared.poison.inherit(locked);
        MutexGuard { mutex: self, panics: Panics::watch(), not_send: PhantomData }
    }

    fn details(&self) -> [(&'static str, u64); 1] {
        [("poisoned", self.is_poisoned().into())]
    }
}

/// Access to what a [`Mutex`] protects; releases it when it's dropped.
#[must_use = "a guard that is dropped releases the lock at once"]
pub struct MutexGuard<'a, T: Pod> {
    mutex: &'a Mutex<T>,
    panics: Panics,
    /// The thread that took the lock releases it.
    not_send: PhantomData<*mut ()>,
}

// SAFETY: bounds, lifetime: it's a reference to the mutex. Aliasing: shared references to the guard give only shared references
// to plain data.
unsafe impl<T: Pod + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: Pod> MutexGuard<'a, T> {
    /// The lock that it's of.
    pub(crate) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

impl<T: Pod> Deref for MutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: bounds, lifetime: see `Place`. Aliasing: the lock is held.
        unsafe { self.mutex.place.get() }
    }
}

impl<T: Pod> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: bounds, lifetime: see `Place`. Aliasing: the lock is held, and `self` is borrowed mutably.
        unsafe { self.mutex.place.get_mut() }
    }
}

impl<T: Pod> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // In a plain fork the lock is the original's.
        if family::current().is_err() {
            return;
        }
        if self.panics.began() {
            self.mutex.shared.poison.set();
        }
        self.mutex.shared.lock.unlock();
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
