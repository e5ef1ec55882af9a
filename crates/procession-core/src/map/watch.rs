//! Waiting until something changes, without polling.

use super::map::Map;
use crate::{
    atomic::Ordering::{Acquire, SeqCst},
    error::Result,
    family,
    objects::waits,
    sync::EventCount,
    sys::{barrier, clock::Deadline},
    wait,
};

impl Map {
    /// Waits until `ready` says so, which looks at the key's value; false when the deadline passed first. It's asked whenever an entry
    /// of the key's shard has changed.
    pub fn wait_for(
        &self,
        key: &[u8],
        deadline: Deadline,
        mut ready: impl FnMut() -> Result<bool>,
    ) -> Result<bool> {
        let (arena, key, record) = (self.shared.checked()?, self.key(key), self.shared.get());
        record.is_watched.store(1, SeqCst);
        self.wait(deadline, &mut ready, |wait| {
            let index = record.shape().shard_of(key.hash);
            let shard = record.shard(arena, index)?;
            // Where the key is may have changed meanwhile: then it's asked again at once.
            wait(&shard.change, &|| record.shape().shard_of(key.hash) == index)
        })
    }

    /// A number that is another one after each change of any entry. It never gets lower, but may skip some.
    pub fn changes(&self) -> Result<u64> {
        let arena = self.for_locks()?;
        let growing = self.growing(arena)?;
        let record = self.shared.get();
        // Who died right after a change may not have said so: whoever mends what it left does.
        (0..record.shape().shards()).try_for_each(|index| self.mend(arena, index))?;
        let versions = record.shards(arena).map(|shard| shard.version.get());
        let changes = versions.fold(record.before.load(Acquire), u64::wrapping_add);
        drop(growing);
        Ok(changes)
    }

    /// Waits until `changes` isn't `since` any more: what it is then, or `None` when the deadline passed first.
    pub fn wait_for_change(&self, since: u64, deadline: Deadline) -> Result<Option<u64>> {
        let mut now = since;
        // Nor does one wait for a lock any longer.
        let map = Map { patience: deadline, ..self.clone() };
        let mut ready = || match map.changes() {
            Ok(changes) => {
                now = changes;
                Ok(now != since)
            }
            Err(e) if e.is_timeout() => Ok(false),
            Err(e) => Err(e),
        };
        let record = self.shared.get();
        let is_ready = self.wait(deadline, &mut ready, |wait| wait(&record.change, &|| true))?;
        Ok(is_ready.then_some(now))
    }

    /// `on` is told each time what to do with the event that there is to wait for, as long as it's the right one.
    fn wait(
        &self,
        deadline: Deadline,
        ready: &mut dyn FnMut() -> Result<bool>,
        mut on: impl FnMut(&mut dyn FnMut(&EventCount, &dyn Fn() -> bool) -> Result<()>) -> Result<()>,
    ) -> Result<bool> {
        let looked = wait::spin(deadline, || match ready() {
            Ok(false) => None,
            done => Some(done),
        });
        if let Some(done) = looked {
            return done;
        }
        let _note = waits::note(&self.shared, deadline);
        let done = self.shared.wait(deadline, |deadline| {
            let mut attempt = || {
                let mut done = ready()?;
                while !done && !deadline.has_passed() {
                    on(&mut |event, is_right| {
                        let key = event.announce();
                        // Either who changes something sees that somebody waits, or it's seen here.
                        barrier::heavy();
                        family::current()?;
                        done = ready()?;
                        if !done && is_right() && !deadline.has_passed() {
                            event.sleep(key, deadline);
                            done = ready()?;
                        }
                        Ok(())
                    })?;
                }
                Ok(done)
            };
            Some(attempt()).filter(|done| !matches!(done, Ok(false)))
        })?;
        done.unwrap_or(Ok(false))
    }
}
