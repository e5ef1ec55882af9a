//! Something that one process does, once.

use super::{handle, lock, lock_record, place::Place, record, would_deadlock};
use crate::{
    arena::Kind,
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::Result,
    family,
    kill_point::kill_point,
    references::{Header, Share, Shared},
    sync::ThreadMutex,
    sys::clock::Deadline,
};
use bytemuck::Pod;
use std::sync::Arc;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct OnceRecord {
    header: Header,
    /// Had by whoever is doing it.
    lock: ThreadMutex,
    /// 1 once it's done: the store that commits it.
    done: AtomicU32,
}

lock_record!(OnceRecord, Once);

/// Something that one process does, once, and what came of it.
pub struct Once<T> {
    shared: Shared<OnceRecord>,
    place: Place<T>,
}

handle!(Once<T>, place);

impl<T: Pod> Once<T> {
    /// It hasn't been done.
    pub fn new() -> Result<Once<T>> {
        let (shared, place) = Place::create(1, |record: &OnceRecord, _| {
            record.lock.reset();
            record.done.store(0, Relaxed);
        })?;
        Ok(Once { shared, place })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<Once<T>> {
        let (shared, place) = Place::open(share, |_: &OnceRecord| 1)?;
        Ok(Once { shared, place })
    }

    /// What came of it, if it has been done.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: bounds, lifetime: see `Place`. Aliasing: written before `done`, and never again.
        (self.shared.done.load(Acquire) != 0).then(|| unsafe { self.place.get() })
    }

    /// What came of it. If it hasn't been done, this thread does it, or waits for the one that does; `None` when the deadline
    /// passed first. `f` isn't called then. An error of `f` is given on, and the next one tries again.
    pub fn get_or_try_init<E: From<crate::Error>>(
        &self,
        deadline: Deadline,
        f: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<&T>, E> {
        self.shared.check()?;
        if let Some(value) = self.get() {
            return Ok(Some(value));
        }
        let arena = self.shared.checked()?;
        let locked = lock(&self.shared, &self.shared.lock, arena, deadline)?;
        // Who died doing it hasn't done it.
        if locked.map_err(would_deadlock(Kind::Once))?.is_none() {
            return Ok(None);
        }
        let _unlock = Unlock(&self.shared.lock);
        if self.get().is_none() {
            let value = f()?;
            // A plain fork that comes back from it as well hasn't done it.
            self.shared.checked()?;
            // SAFETY: bounds, lifetime: see `Place`. Aliasing: the lock is held, and nobody reads before `done`.
            unsafe { self.place.write(value) };
            kill_point!(OnceBeforeCommit);
            self.shared.done.store(1, Release);
        }
        Ok(self.get())
    }

    fn details(&self) -> [(&'static str, u64); 1] {
        [("done", self.get().is_some().into())]
    }
}

struct Unlock<'a>(&'a ThreadMutex);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        if family::current().is_ok() {
            self.0.unlock();
        }
    }
}
