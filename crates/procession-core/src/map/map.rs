//! A map as one process has it: single entries.

use super::{
    Key,
    build::corrupted,
    cell::NewCell,
    grow,
    locked::Locked,
    page::{Page, PageName, Torn},
    record::MapRecord,
    shard::Shard,
};
use crate::{
    arena::{Arena, Kind},
    atomic::Ordering::{Acquire, Relaxed},
    error::{Error, Result},
    message::Lent,
    objects::{
        busy::{self, Busy},
        handle, lock_slowly,
    },
    references::{PATIENCE, Share, Shared},
    sync::{self, RawMutex},
    sys::clock::Deadline,
};
use std::sync::Arc;

/// A map of bytes to bytes, with handles in the values.
///
/// What is found is appended to a buffer of the caller's, and the handles in it are given.
pub struct Map {
    pub(super) shared: Shared<MapRecord>,
    pub(super) seed: u64,
    /// How long to wait for a lock.
    pub(super) patience: Deadline,
}

handle!(Map, seed, patience);

/// So often one who reads without the lock tries again, before it takes that.
const TRIES: usize = 64;

impl Map {
    /// A map without entries.
    pub fn new(signature: u64) -> Result<Map> {
        let mut seed = 0;
        let shared = Shared::create(size_of::<MapRecord>(), signature, |record: &MapRecord, _| {
            // Known to nobody outside: not to those whose keys these will be.
            seed =
                std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), record as *const MapRecord);
            record.set(&crate::family::current()?.arena, seed)
        })?;
        Ok(Map { shared, seed, patience: Deadline::NEVER })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>, signature: u64) -> Result<Map> {
        let shared: Shared<MapRecord> = Shared::from_share(share, signature)?;
        let seed = shared.seed.load(Acquire);
        Ok(Map { shared, seed, patience: Deadline::NEVER })
    }

    /// For who frees what is in it, its manager having ended: doesn't wait long for somebody who has been stopped.
    pub(super) fn to_clear(share: &Arc<Share>) -> Result<Map> {
        Ok(Map { shared: Shared::to_clear(share)?, seed: 0, patience: Deadline::after(PATIENCE) })
    }

    fn details(&self) -> [(&'static str, u64); 1] {
        // Of no one moment: a diagnosis waits for nobody.
        let family = crate::family::current();
        let shards = family.map(|family| self.shared.shards(&family.arena));
        let counts = shards.into_iter().flatten().map(|shard| u64::from(shard.count.load(Relaxed)));
        [("len", counts.sum())]
    }

    #[inline]
    pub(super) fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key::new(bytes, self.seed)
    }

    /// Says which map it is, to a thread that is about to change it.
    #[inline]
    pub(super) fn number(&self) -> u64 {
        self.shared.share().target().generation
    }

    /// The arena, for one who is about to take locks of this map.
    #[inline]
    pub(super) fn for_locks(&self) -> Result<&'static Arena> {
        let arena = self.shared.checked()?;
        busy::check(Kind::Dict, self.number())?;
        Ok(arena)
    }

    /// The key's value.
    #[inline]
    pub fn get(&self, key: &[u8], out: &mut Vec<u8>) -> Result<Option<Vec<Arc<Share>>>> {
        let (arena, key, start) = (self.shared.checked()?, self.key(key), out.len());
        let seen = self.look(arena, &key, |page| {
            out.truncate(start);
            match page.find(key.hash, |cell| cell.has_key(&key))? {
                Some(found) if found.cell.is_boxed() && found.cell.has_handles()? => Ok(Seen::Handles),
                Some(found) => found.cell.value(out).map(|()| Seen::Value),
                None => Ok(Seen::Nothing),
            }
        });
        match seen? {
            Seen::Value => Ok(Some(Vec::new())),
            Seen::Nothing => Ok(None),
            Seen::Handles | Seen::Unrest => self.get_locked(&key, out, start),
        }
    }

    #[cold]
    fn get_locked(&self, key: &Key<'_>, out: &mut Vec<u8>, start: usize) -> Result<Option<Vec<Arc<Share>>>> {
        out.truncate(start);
        let locked = self.lock(self.for_locks()?, key)?;
        let Some(found) = locked.find(key)? else { return Ok(None) };
        found.cell.value(out).map_err(corrupted)?;
        found.cell.shares(locked.arena).map(Some)
    }

    /// Whether there is such a key.
    #[inline]
    pub fn contains(&self, key: &[u8]) -> Result<bool> {
        let (arena, key) = (self.shared.checked()?, self.key(key));
        let seen = self.look(arena, &key, |page| {
            let found = page.find(key.hash, |cell| cell.has_key(&key))?;
            Ok(if found.is_some() { Seen::Value } else { Seen::Nothing })
        });
        match seen? {
            Seen::Value => Ok(true),
            Seen::Nothing => Ok(false),
            Seen::Handles | Seen::Unrest => Ok(self.lock(self.for_locks()?, &key)?.find(&key)?.is_some()),
        }
    }

    /// What `f` sees in the key's page, without a lock. A thread that is changing the map can't wait for another lock of it: it looks
    /// until there is rest.
    #[inline]
    fn look(
        &self,
        arena: &'static Arena,
        key: &Key<'_>,
        mut f: impl FnMut(Page<'_>) -> Result<Seen, Torn>,
    ) -> Result<Seen> {
        loop {
            match self.try_to_look(arena, key, &mut f)? {
                Seen::Unrest if busy::is_busy(self.number()) => self.let_it_rest(arena, key)?,
                seen => return Ok(seen),
            }
        }
    }

    /// Somebody is carrying out a transaction, and so has all locks for it; or has died in it.
    #[cold]
    fn let_it_rest(&self, arena: &'static Arena, key: &Key<'_>) -> Result<()> {
        self.mend(arena, self.shared.shape().shard_of(key.hash))?;
        std::thread::yield_now();
        Ok(())
    }

    #[inline]
    fn try_to_look(
        &self,
        arena: &'static Arena,
        key: &Key<'_>,
        mut f: impl FnMut(Page<'_>) -> Result<Seen, Torn>,
    ) -> Result<Seen> {
        let record = self.shared.get();
        for _ in 0..TRIES {
            let shape = record.shape();
            let Some(shard) = record.shard_unchecked(arena, shape.shard_of(key.hash)) else {
                if record.shape() == shape {
                    return Err(Error::corrupted("the shards of a map"));
                }
                continue;
            };
            let seen = shard.version.observe(&record.deaths, || {
                if shard.intent.load(Acquire) != 0 {
                    return Ok(Seen::Unrest);
                }
                let name = PageName::of_epoch(shard.page.load(Acquire), shape.epoch());
                if name.is_none() { Ok(Seen::Nothing) } else { f(Page::open(arena, name)?) }
            });
            if let Some(seen) = seen
                && record.shape() == shape
            {
                return seen.map_err(corrupted);
            }
            std::hint::spin_loop();
        }
        Ok(Seen::Unrest)
    }

    /// Takes the lock of the key's shard.
    #[inline(always)]
    pub(super) fn lock(&self, arena: &'static Arena, key: &Key<'_>) -> Result<Locked<'static>> {
        loop {
            let index = self.shared.shape().shard_of(key.hash);
            if let Some(locked) = self.lock_shard_for(arena, index, Some(key.hash))?
                && locked.shape.shard_of(key.hash) == index
            {
                return Ok(locked);
            }
        }
    }

    /// Takes the lock of a shard, and mends that if its last holder died. `None`: there is no such shard any more.
    #[inline]
    pub(super) fn lock_shard(&self, arena: &'static Arena, index: usize) -> Result<Option<Locked<'static>>> {
        self.lock_shard_for(arena, index, None)
    }

    /// The same, for one who has locks of others: with those no shard that they are of goes, nor one with a lower number. If names of
    /// groups were scribbled over, what is `had` may be in the place of another: one would wait for oneself.
    pub(super) fn lock_another(
        &self,
        arena: &'static Arena,
        index: usize,
        had: impl FnOnce(&Shard) -> bool,
    ) -> Result<Option<Locked<'static>>> {
        // A group that has gone keeps its name, and its block may be one of those that are there: names count only below this.
        if index >= self.shared.shape().shards() {
            return Ok(None);
        }
        let shard = self.shared.get().shard(arena, index)?;
        if had(shard) {
            return Err(Error::corrupted("two shards of a map are in the same place"));
        }
        self.locked(arena, index, shard, self.acquire(arena, &shard.lock)?)
    }

    /// The same, for one who looks for this hash then.
    #[inline(always)]
    fn lock_shard_for(
        &self,
        arena: &'static Arena,
        index: usize,
        hash: Option<u32>,
    ) -> Result<Option<Locked<'static>>> {
        let shard = self.shared.get().shard(arena, index)?;
        if let Some(hash) = hash {
            shard.prefetch(arena, hash);
        }
        self.locked(arena, index, shard, self.acquire(arena, &shard.lock)?)
    }

    /// What the last holder of a shard's lock left half done is mended, if it's dead. Doesn't wait for anybody.
    pub(super) fn mend(&self, arena: &'static Arena, index: usize) -> Result<()> {
        let shard = self.shared.get().shard(arena, index)?;
        // An intent that nobody carries out was scribbled.
        let is_nobodys = || shard.intent.load(Acquire) != 0 && shard.lock.holder().is_none();
        if (shard.lock.has_dead_holder(arena) || is_nobodys())
            && let Some(how) = shard.lock.try_lock(arena.me().tag(), arena)
        {
            self.locked(arena, index, shard, how)?;
        }
        Ok(())
    }

    /// For who has taken the lock of what was the shard of that number.
    #[inline(always)]
    fn locked(
        &self,
        arena: &'static Arena,
        index: usize,
        shard: &'static Shard,
        how: sync::Locked,
    ) -> Result<Option<Locked<'static>>> {
        let record = self.shared.get();
        // From here on the shard keeps its entries. What was locked may be out of use by now, or another map's.
        let shape = record.shape();
        let now = record.shard_unchecked(arena, index);
        if index >= shape.shards() || !now.is_some_and(|now| std::ptr::eq(now, shard)) {
            match how {
                sync::Locked::Clean => shard.lock.unlock(),
                // To be mended by who knows what it is.
                sync::Locked::Recovered => shard.lock.resign(),
            }
            return Ok(None);
        }
        let locked = Locked::new(arena, record, shard, index, shape);
        if how == sync::Locked::Recovered || shard.intent.load(Relaxed) != 0 {
            if let Err(e) = locked.repair() {
                // Its next holder is to know that it isn't mended.
                std::mem::forget(locked);
                shard.lock.resign();
                return Err(e);
            }
            // What the shard named until now may be nobody's, and a sweep has passed it by: the next one looks again.
            arena.count_death();
        }
        // What would come now would come after everything was freed.
        self.shared.check()?;
        Ok(Some(locked))
    }

    #[inline(always)]
    pub(super) fn acquire(&self, arena: &'static Arena, lock: &RawMutex) -> Result<sync::Locked> {
        match lock.try_lock_clean(arena.me().tag()) {
            Some(locked) => Ok(locked),
            None => lock_slowly(&self.shared, lock, self.patience),
        }
    }

    /// Sets the key's value. What it was before is appended to `before`, if that is wanted.
    #[inline]
    pub fn insert(
        &self,
        key: &[u8],
        value: &[u8],
        shares: &[Arc<Share>],
        before: Option<&mut Vec<u8>>,
    ) -> Result<Option<Vec<Arc<Share>>>> {
        self.put(key, value, shares, before, true)
    }

    /// Sets the key's value if there is such a key: what it was before.
    pub fn replace(
        &self,
        key: &[u8],
        value: &[u8],
        shares: &[Arc<Share>],
        before: &mut Vec<u8>,
    ) -> Result<Option<Vec<Arc<Share>>>> {
        self.put(key, value, shares, Some(before), false)
    }

    #[inline]
    fn put(
        &self,
        key: &[u8],
        value: &[u8],
        shares: &[Arc<Share>],
        before: Option<&mut Vec<u8>>,
        also_new: bool,
    ) -> Result<Option<Vec<Arc<Share>>>> {
        let (arena, key) = (self.for_locks()?, self.key(key));
        let new = NewCell::new(arena, &key, value, shares)?;
        let locked = self.lock(arena, &key)?;
        let old = locked.find(&key)?;
        if old.is_none() && !also_new {
            return Ok(None);
        }
        let seen = match (&old, before) {
            (Some(old), Some(before)) => {
                old.cell.value(before).map_err(corrupted)?;
                Some(old.cell.shares(arena)?)
            }
            (Some(_), None) => Some(Vec::new()),
            (None, _) => None,
        };
        let replaced = locked.put(&key, new, old)?;
        self.finish(locked, replaced);
        Ok(seen)
    }

    /// Removes the key: its value is appended to `before`.
    pub fn remove(&self, key: &[u8], before: &mut Vec<u8>) -> Result<Option<Vec<Arc<Share>>>> {
        let (arena, key) = (self.for_locks()?, self.key(key));
        let locked = self.lock(arena, &key)?;
        let Some(old) = locked.find(&key)? else { return Ok(None) };
        old.cell.value(before).map_err(corrupted)?;
        let shares = old.cell.shares(arena)?;
        let replaced = locked.take(&old)?;
        self.finish(locked, replaced);
        Ok(Some(shares))
    }

    /// Releases the lock; frees what lay in a box, and sees to the number of shards.
    #[inline(always)]
    pub(super) fn finish(&self, locked: Locked<'_>, replaced: Option<Lent>) {
        let (arena, growth) = (locked.arena, locked.growth());
        drop(locked);
        if let Some(lent) = replaced {
            lent.discard(arena);
        }
        grow::see_to(self, arena, growth);
    }

    /// Keeps this thread from taking a lock of this map twice, while code of the user's runs with one.
    pub(super) fn busy(&self) -> Busy {
        Busy::new(self.number())
    }
}

/// What a look came to.
enum Seen {
    Value,
    Nothing,
    /// There are handles in the value: for that the lock is needed.
    Handles,
    /// A transaction is being carried out, or others change the shard all the time.
    Unrest,
}
