//! A lock around plain data, for many readers or one writer.

use super::{
    Watch, block_on, handle, lock,
    place::Place,
    poison::{Panics, Poison, poisonable},
    record, would_deadlock,
};
use crate::{
    arena::{Arena, Kind},
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed},
    },
    error::Result,
    family,
    members::{Owner, SLOTS},
    references::{Header, Held, Holders, Share, Shared},
    sync::{Locked, RawReadWrite, WouldDeadlock},
    sys::clock::Deadline,
};
use bytemuck::Pod;
use std::{
    cell::RefCell,
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::Arc,
};

#[derive(Debug)]
#[repr(C)]
pub(crate) struct RwLockRecord {
    header: Header,
    lock: RawReadWrite,
    poison: Poison,
    readers: [AtomicU32; SLOTS],
}

record!(RwLockRecord, RwLock);

impl Held for RwLockRecord {
    fn mark(&self, _arena: &Arena, dead: Owner) {
        self.lock.mark(dead.tag());
    }

    fn disturb(&self, _arena: &Arena) {
        self.lock.disturb();
    }

    fn forget(&self, dead: Owner) {
        self.lock.forget(&self.readers, dead.slot());
    }

    fn holders(&self, arena: &Arena) -> Holders {
        let mut holders = Holders::of_lock(arena, self.lock.writer().holder());
        let reading = self.readers.iter().enumerate().filter(|(_, count)| count.load(Acquire) != 0);
        holders.who.extend(reading.filter_map(|(slot, _)| Some((arena.members().occupant(slot)?, 0))));
        holders
    }
}

thread_local! {
    /// The locks that this thread has for reading, each as often as it has it.
    static READING: RefCell<Vec<*const RwLockRecord>> = const { RefCell::new(Vec::new()) };
}

/// A lock around plain data, for many readers or one writer.
pub struct RwLock<T> {
    shared: Shared<RwLockRecord>,
    place: Place<T>,
}

handle!(RwLock<T>, place);
poisonable!(RwLock, ReadGuard: lock, WriteGuard: lock);

impl<T: Pod> RwLock<T> {
    /// A lock that is free.
    pub fn new(value: T) -> Result<RwLock<T>> {
        let (shared, place) = Place::create(1, |record: &RwLockRecord, place| {
            record.lock.reset();
            record.poison.reset();
            record.readers.iter().for_each(|count| count.store(0, Relaxed));
            // SAFETY: bounds: one value. Aliasing: nobody else knows the block. Lifetime: see `Place`.
            unsafe { place.write(value) };
        })?;
        Ok(RwLock { shared, place })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<RwLock<T>> {
        let (shared, place) = Place::open(share, |_: &RwLockRecord| 1)?;
        Ok(RwLock { shared, place })
    }

    fn is_read_by_this_thread(&self) -> bool {
        let is_read =
            |reading: &RefCell<Vec<_>>| reading.borrow().contains(&std::ptr::from_ref(&*self.shared));
        // A thread that is ending doesn't know any more.
        READING.try_with(is_read).unwrap_or(false)
    }

    /// Takes the lock for reading; `None` when the deadline passed first.
    pub fn read(&self, deadline: Deadline) -> Result<Option<ReadGuard<'_, T>>> {
        let arena = self.shared.checked()?;
        let (record, me) = (&*self.shared, arena.me());
        let again = self.is_read_by_this_thread();
        if !again && record.lock.writer().is_held_by_this_thread(me.tag()) {
            return Err(would_deadlock(Kind::RwLock)(WouldDeadlock));
        }
        let mut watch = Watch::new();
        let ready = || {
            if record.lock.try_read(&record.readers, me.slot(), again) {
                return Some(());
            }
            if let Some(is_vacant) = watch.look(arena) {
                record.lock.mark_writer_if(is_vacant);
            }
            record.lock.bury_writer(me.tag(), arena, || record.poison.set());
            record.lock.try_read(&record.readers, me.slot(), again).then_some(())
        };
        let read = block_on(&self.shared, record.lock.change(), deadline, ready)?;
        Ok(read.map(|()| {
            let _ = READING.try_with(|reading| reading.borrow_mut().push(record));
            ReadGuard { lock: self, _share: self.share().clone(), not_send: PhantomData }
        }))
    }

    /// Takes the lock for writing; `None` when the deadline passed first.
    pub fn write(&self, deadline: Deadline) -> Result<Option<WriteGuard<'_, T>>> {
        let arena = self.check_write()?;
        let locked = self.shared.lock.begin_write(|writer| lock(&self.shared, writer, arena, deadline))?;
        self.finish_write(arena, locked, deadline)
    }

    /// Takes the lock for writing if that's possible at once.
    pub fn try_write(&self) -> Result<Option<WriteGuard<'_, T>>> {
        let arena = self.check_write()?;
        let locked = self.shared.lock.begin_write(|writer| writer.try_lock(arena.me().tag(), arena));
        self.finish_write(arena, locked, Deadline::PASSED)
    }

    fn check_write(&self) -> Result<&'static Arena> {
        let arena = self.shared.checked()?;
        if self.is_read_by_this_thread() {
            return Err(would_deadlock(Kind::RwLock)(WouldDeadlock));
        }
        Ok(arena)
    }

    /// With the writer's place taken, waits until the readers have left.
    fn finish_write(
        &self,
        arena: &'static Arena,
        locked: Result<Option<Locked>, WouldDeadlock>,
        deadline: Deadline,
    ) -> Result<Option<WriteGuard<'_, T>>> {
        let Some(locked) = locked.map_err(would_deadlock(Kind::RwLock))? else { return Ok(None) };
        let record = &*self.shared;
        record.poison.inherit(locked);
        let mut watch = Watch::new();
        let mut is_vacant = watch.look(arena);
        let left = || {
            if let Some(look) = watch.look(arena) {
                is_vacant = Some(look);
            }
            let is_dead = |slot| is_vacant.as_ref().is_some_and(|look| look(slot));
            (!record.lock.has_readers(&record.readers, is_dead)).then_some(())
        };
        let left = block_on(&self.shared, record.lock.change(), deadline, left);
        if !matches!(left, Ok(Some(()))) {
            record.lock.end_write();
            return left.map(|_| None);
        }
        Ok(Some(WriteGuard { lock: self, panics: Panics::watch(), not_send: PhantomData }))
    }

    fn details(&self) -> [(&'static str, u64); 1] {
        [("poisoned", self.is_poisoned().into())]
    }
}

/// Access to what a [`RwLock`] protects, to read it; releases it when it's dropped.
#[must_use = "a guard that is dropped releases the lock at once"]
pub struct ReadGuard<'a, T: Pod> {
    lock: &'a RwLock<T>,
    /// By this process's reference its readers are found if it dies: also if the guard is leaked.
    _share: Arc<Share>,
    /// The thread that took the lock releases it.
    not_send: PhantomData<*mut ()>,
}

/// Access to what a [`RwLock`] protects, to change it; releases it when it's dropped.
#[must_use = "a guard that is dropped releases the lock at once"]
pub struct WriteGuard<'a, T: Pod> {
    lock: &'a RwLock<T>,
    panics: Panics,
    /// The thread that took the lock releases it.
    not_send: PhantomData<*mut ()>,
}

// SAFETY: bounds, lifetime: it's a reference to the lock. Aliasing: shared references to the guard give only shared references to
// plain data.
unsafe impl<T: Pod + Sync> Sync for ReadGuard<'_, T> {}
// SAFETY: as for ReadGuard.
unsafe impl<T: Pod + Sync> Sync for WriteGuard<'_, T> {}

impl<T: Pod> Deref for ReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: bounds, lifetime: see `Place`. Aliasing: nobody writes while this process counts a reader.
        unsafe { self.lock.place.get() }
    }
}

impl<T: Pod> Deref for WriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: bounds, lifetime: see `Place`. Aliasing: the writer's place is held, and all readers had left.
        unsafe { self.lock.place.get() }
    }
}

impl<T: Pod> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: bounds, lifetime: see `Place`. Aliasing: as for `deref`, and `self` is borrowed mutably.
        unsafe { self.lock.place.get_mut() }
    }
}

impl<T: Pod> Drop for ReadGuard<'_, T> {
    fn drop(&mut self) {
        let Ok(family) = family::current() else { return };
        let record = &*self.lock.shared;
        // A thread that is ending has nothing to find any more.
        let _ = READING.try_with(|reading| {
            let mut reading = reading.borrow_mut();
            if let Some(at) = reading.iter().rposition(|read| std::ptr::eq(*read, record)) {
                reading.swap_remove(at);
            }
        });
        record.lock.end_read(&record.readers, family.arena.me().slot());
    }
}

impl<T: Pod> Drop for WriteGuard<'_, T> {
    fn drop(&mut self) {
        if family::current().is_err() {
            return;
        }
        if self.panics.began() {
            self.lock.shared.poison.set();
        }
        self.lock.shared.lock.end_write();
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
