//! A list as one process has it: reading, and its lock.

use super::{leaf::corrupted, locked::Locked, record::ListRecord, root::Root};
use crate::{
    arena::{Arena, Kind},
    atomic::Ordering::Acquire,
    error::{Error, ErrorKind, Result},
    map::Torn,
    objects::{
        busy::{self, Busy},
        handle, lock_slowly,
    },
    references::{PATIENCE, Share, Shared},
    sync,
    sys::clock::Deadline,
};
use std::sync::Arc;

/// A list of bytes, with handles in them.
///
/// What is found is appended to a buffer of the caller's, and the handles in it are given.
pub struct List {
    pub(super) shared: Shared<ListRecord>,
    /// How long to wait for the lock.
    patience: Deadline,
}

handle!(List, patience);

/// A value's bytes, and the handles in it.
pub type Item = (Vec<u8>, Vec<Arc<Share>>);

/// So often one who reads without the lock tries again, before it takes that.
const TRIES: usize = 64;

impl List {
    /// A list without values.
    pub fn new(signature: u64) -> Result<List> {
        let shared = Shared::create(size_of::<ListRecord>(), signature, |record: &ListRecord, _| {
            record.set();
            Ok(())
        })?;
        Ok(List { shared, patience: Deadline::NEVER })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>, signature: u64) -> Result<List> {
        Ok(List { shared: Shared::from_share(share, signature)?, patience: Deadline::NEVER })
    }

    /// For who frees what is in it, its manager having ended: doesn't wait long for somebody who has been stopped.
    pub(super) fn to_clear(share: &Arc<Share>) -> Result<List> {
        Ok(List { shared: Shared::to_clear(share)?, patience: Deadline::after(PATIENCE) })
    }

    fn details(&self) -> [(&'static str, u64); 1] {
        [("len", self.len().unwrap_or(0) as u64)]
    }

    fn generation(&self) -> u64 {
        self.shared.share().target().generation
    }

    /// Keeps this thread from taking the lock twice, while code of the user's runs with it.
    pub(super) fn busy(&self) -> Busy {
        Busy::new(self.generation())
    }

    /// How many values there are.
    #[inline]
    pub fn len(&self) -> Result<usize> {
        let arena = self.shared.checked()?;
        let len = self.look(arena, |root| root.map_or(Ok(0), Root::len))?;
        match len {
            Some(len) => Ok(len),
            None => self.lock()?.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// The value of this number, counted from 0.
    #[inline]
    pub fn get(&self, index: usize, out: &mut Vec<u8>) -> Result<Option<Vec<Arc<Share>>>> {
        let (arena, start) = (self.shared.checked()?, out.len());
        let seen = self.look(arena, |root| {
            out.truncate(start);
            let Some(root) = root else { return Ok(Seen::Nothing) };
            let Some(position) = root.find(index)? else { return Ok(Seen::Nothing) };
            let cell = root.leaf(position.leaf)?.cell(position.at)?;
            if cell.is_boxed() && cell.has_handles()? {
                return Ok(Seen::Handles);
            }
            cell.value(out).map(|()| Seen::Value)
        })?;
        match seen {
            Some(Seen::Value) => Ok(Some(Vec::new())),
            Some(Seen::Nothing) => Ok(None),
            Some(Seen::Handles) | None => {
                out.truncate(start);
                let locked = self.lock()?;
                let Some(cell) = locked.find(index)? else { return Ok(None) };
                locked.read(cell, out).map(Some)
            }
        }
    }

    /// All values as they were at one moment: their bytes, and the handles in them.
    pub fn items(&self) -> Result<Vec<Item>> {
        let locked = self.lock()?;
        let mut items = Vec::new();
        locked.for_each(|cell| {
            let mut bytes = Vec::new();
            let shares = locked.read(cell, &mut bytes)?;
            items.push((bytes, shares));
            Ok(())
        })?;
        Ok(items)
    }

    /// What `f` sees, without the lock; `None` if others change the list all the time.
    #[inline]
    fn look<R>(
        &self,
        arena: &Arena,
        mut f: impl FnMut(Option<Root<'_>>) -> Result<R, Torn>,
    ) -> Result<Option<R>> {
        let record = self.shared.get();
        for _ in 0..TRIES {
            let seen =
                record.version.observe(&record.deaths, || f(Root::open(arena, record.root.load(Acquire))?));
            if let Some(seen) = seen {
                return seen.map(Some).map_err(corrupted);
            }
            std::hint::spin_loop();
        }
        Ok(None)
    }

    /// Takes the lock.
    pub(super) fn lock(&self) -> Result<Locked<'static>> {
        let arena = self.shared.checked()?;
        busy::check(Kind::List, self.generation())?;
        let record = self.shared.get();
        let me = arena.me().tag();
        let how = match record.lock.try_lock_clean(me) {
            Some(locked) => locked,
            None => lock_slowly(&self.shared, &record.lock, self.patience)?,
        };
        if how == sync::Locked::Recovered {
            // The dead one may not have said that it has changed something. All else is as the last store left it.
            record.version.raise();
        }
        let locked = Locked::new(arena, record);
        // What would come now would come after everything was freed.
        self.shared.check()?;
        Ok(locked)
    }

    /// A number that is another one after each change.
    pub fn changes(&self) -> Result<u64> {
        let arena = self.shared.checked()?;
        Ok(self.version(arena))
    }

    /// Who died right after a change may not have said so: then it's said here.
    fn version(&self, arena: &'static Arena) -> u64 {
        let record = self.shared.get();
        if record.lock.has_dead_holder(arena)
            && let Some(how) = record.lock.try_lock(arena.me().tag(), arena)
        {
            if how == sync::Locked::Recovered {
                record.version.raise();
            }
            record.lock.unlock();
        }
        record.version.get()
    }

    /// Waits until `changes` isn't `since` any more: what it is then, or `None` when the deadline passed first.
    pub fn wait_for_change(&self, since: u64, deadline: Deadline) -> Result<Option<u64>> {
        let (arena, record) = (self.shared.checked()?, self.shared.get());
        let ready = || Some(self.version(arena)).filter(|now| *now != since);
        crate::objects::block_on(&self.shared, &record.change, deadline, ready)
    }
}

/// What a look came to.
enum Seen {
    Value,
    Nothing,
    /// There are handles in the value: for that the lock is needed.
    Handles,
}

#[cold]
pub(super) fn out_of_range(what: &str, index: usize, len: usize) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("can't {what} number {index}: the list has {len} values, counted from 0"),
    )
}
