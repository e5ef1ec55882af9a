//! A lock around plain data that its own thread can take again.

use super::{
    handle,
    place::{Place, size},
    record, signature, waits,
};
use crate::{
    arena::Arena,
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::Result,
    family,
    members::Owner,
    references::{Header, Held, Holders, Share, Shared},
    sync::{Locked, ThreadMutex},
    sys::clock::Deadline,
};
use bytemuck::Pod;
use std::{cell::Cell, fmt, marker::PhantomData, ops::Deref, sync::Arc, thread::panicking};

#[derive(Debug)]
#[repr(C)]
pub(crate) struct ReentrantMutexRecord {
    header: Header,
    lock: ThreadMutex,
    /// How often the thread that has the lock has taken it. Its own business.
    depth: AtomicU32,
    poisoned: AtomicU32,
}

record!(ReentrantMutexRecord, ReentrantMutex);

impl Held for ReentrantMutexRecord {
    fn mark(&self, dead: Owner) {
        self.lock.mark(dead.tag());
    }

    fn holders(&self, arena: &Arena) -> Holders {
        Holders::of_lock(arena, self.lock.holder())
    }
}

/// A lock around plain data that its own thread can take again.
pub struct ReentrantMutex<T> {
    shared: Shared<ReentrantMutexRecord>,
    place: Place<T>,
}

handle!(ReentrantMutex<T>, place);

impl<T: Pod> ReentrantMutex<T> {
    /// A lock that is free.
    pub fn new(value: T) -> Result<ReentrantMutex<T>> {
        let mut place = None;
        let len = size::<ReentrantMutexRecord, T>(1)?;
        let shared = Shared::create(len, signature::<T>(), |record: &ReentrantMutexRecord, block| {
            record.lock.reset();
            record.depth.store(0, Relaxed);
            record.poisoned.store(0, Relaxed);
            // SAFETY: bounds: `of` was told of one value. Aliasing: nobody else knows the block. Lifetime: see `Place`.
            unsafe { place.insert(Place::of::<ReentrantMutexRecord>(block, 1)?).write(value) };
            Ok(())
        })?;
        Ok(ReentrantMutex { shared, place: place.expect("set while it was created") })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<ReentrantMutex<T>> {
        let shared: Shared<ReentrantMutexRecord> = Shared::from_share(share, signature::<T>())?;
        let place = Place::of::<ReentrantMutexRecord>(shared.block()?, 1)?;
        Ok(ReentrantMutex { shared, place })
    }

    /// Takes the lock, for the first time or once more; `None` when the deadline passed first.
    pub fn lock(&self, deadline: Deadline) -> Result<Option<ReentrantMutexGuard<'_, T>>> {
        let arena = self.shared.checked()?;
        let note = || waits::note(&self.shared);
        let locked = self.shared.lock.lock(arena.me().tag(), arena, deadline, note);
        // An error means that this thread has it.
        Ok(locked.unwrap_or(Some(Locked::Clean)).map(|locked| self.guard(locked)))
    }

    /// Takes the lock if that's possible at once.
    pub fn try_lock(&self) -> Result<Option<ReentrantMutexGuard<'_, T>>> {
        let arena = self.shared.checked()?;
        let locked = self.shared.lock.try_lock(arena.me().tag(), arena);
        Ok(locked.unwrap_or(Some(Locked::Clean)).map(|locked| self.guard(locked)))
    }

    fn guard(&self, locked: Locked) -> ReentrantMutexGuard<'_, T> {
        if locked == Locked::Recovered {
            self.shared.poisoned.store(1, Release);
            self.shared.depth.store(0, Relaxed);
        }
        self.shared.depth.fetch_add(1, Relaxed);
        ReentrantMutexGuard { mutex: self, was_panicking: panicking(), not_send: PhantomData }
    }

    /// Whether a holder died or panicked.
    pub fn is_poisoned(&self) -> bool {
        self.shared.poisoned.load(Acquire) != 0
    }

    /// Says that the data is all right again.
    pub fn clear_poison(&self) {
        self.shared.poisoned.store(0, Release);
    }

    fn details(&self) -> [(&'static str, u64); 2] {
        let depth = self.shared.depth.load(Relaxed);
        [("depth", depth.into()), ("poisoned", self.is_poisoned().into())]
    }
}

/// Access to what a [`ReentrantMutex`] protects; releases it when the last one of the thread is dropped.
///
/// Dereferences to a [`Cell`], because a thread may have several.
pub struct ReentrantMutexGuard<'a, T: Pod> {
    mutex: &'a ReentrantMutex<T>,
    was_panicking: bool,
    /// The thread that took the lock releases it, and the cell is for it alone.
    not_send: PhantomData<*mut ()>,
}

impl<T: Pod> ReentrantMutexGuard<'_, T> {
    /// Whether a holder died or panicked, and nobody said that the data is all right again.
    pub fn is_poisoned(&self) -> bool {
        self.mutex.is_poisoned()
    }
}

impl<T: Pod> Deref for ReentrantMutexGuard<'_, T> {
    type Target = Cell<T>;
    fn deref(&self) -> &Cell<T> {
        // SAFETY: bounds, lifetime: see `Place`. Aliasing: the lock is held by this thread, which the guard doesn't leave, and
        // all that it has are such cells.
        Cell::from_mut(unsafe { self.mutex.place.get_mut() })
    }
}

impl<T: Pod> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        // In a plain fork the lock is the original's.
        if family::current().is_err() {
            return;
        }
        if !self.was_panicking && panicking() {
            self.mutex.shared.poisoned.store(1, Release);
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
