//! Several entries changed at once, wholly or not at all.
//!
//! With the locks of all shards that are concerned, a new page is built for each. If it's one shard, the store of its page commits.
//! If there are more, a journal says which page each of them is to have; each shard names it as its *intent*, so that nobody reads
//! there without the lock; then one store in the journal decides. From there on, whoever gets one of the locks carries out what the
//! journal says of that shard.

use super::{
    Key,
    build::{Load, PageDraft, corrupted},
    cell::NewCell,
    grow,
    locked::{Growth, Locked},
    map::Map,
    shard::Shard,
};
use crate::{
    arena::{Arena, Block},
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::{Error, Result},
    kill_point::kill_point,
    message::Lent,
    objects::busy::Busy,
    references::Share,
};
use std::{collections::HashSet, fmt, sync::Arc};

/// What is to become of an entry.
#[derive(Debug, Default)]
pub enum Change {
    /// Nothing.
    #[default]
    Keep,
    /// It's removed, if there is one.
    Remove,
    /// It has this value, with these handles in it.
    Set(Vec<u8>, Vec<Arc<Share>>),
}

/// Several entries, which nobody else changes meanwhile.
pub struct Transaction<'m> {
    map: &'m Map,
    arena: &'static Arena,
    keys: Vec<Key<'m>>,
    /// Of which shard each key is: in `shards`.
    places: Vec<usize>,
    /// In the order of the shards.
    shards: Vec<Locked<'static>>,
    busy: Busy,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("keys", &self.keys).finish()
    }
}

impl Map {
    /// Takes the locks of all shards that these keys are in.
    pub fn transaction<'m>(&'m self, keys: &[&'m [u8]]) -> Result<Transaction<'m>> {
        let arena = self.for_locks()?;
        let keys: Vec<Key<'m>> = keys.iter().map(|bytes| self.key(bytes)).collect();
        loop {
            let shape = self.shared.shape();
            let mut indices: Vec<usize> = keys.iter().map(|key| shape.shard_of(key.hash)).collect();
            indices.sort_unstable();
            indices.dedup();
            let mut shards: Vec<Locked<'static>> = Vec::with_capacity(indices.len());
            let mut had = HashSet::new();
            for index in &indices {
                let is_had = |shard: &Shard| !had.insert(std::ptr::from_ref(shard));
                let Some(locked) = self.lock_another(arena, *index, is_had)? else { break };
                shards.push(locked);
            }
            // With the locks no key goes to another shard; before it may have.
            if shards.len() < indices.len() || self.shared.shape() != shape {
                continue;
            }
            let places = keys.iter().map(|key| shape.shard_of(key.hash));
            let places = places.map(|index| indices.binary_search(&index).expect("one of them")).collect();
            return Ok(Transaction { map: self, arena, keys, places, shards, busy: self.busy() });
        }
    }
}

impl Transaction<'_> {
    /// Appends the value of the key of this number, if there is one, and gives the handles in it.
    pub fn get(&self, number: usize, out: &mut Vec<u8>) -> Result<Option<Vec<Arc<Share>>>> {
        let Some(found) = self.shards[self.places[number]].find(&self.keys[number])? else { return Ok(None) };
        found.cell.value(out).map_err(corrupted)?;
        found.cell.shares(self.arena).map(Some)
    }

    /// Changes all of them: one change for each key.
    ///
    /// # Panics
    ///
    /// If there are not as many.
    pub fn commit(self, changes: &[Change]) -> Result<()> {
        let Transaction { map, arena, keys, places, shards, busy } = self;
        assert_eq!(changes.len(), keys.len(), "one change for each key");
        let mut parts: Vec<Part<'_>> = Vec::new();
        let mut boxes = Vec::new();
        // New entries come in the order of the keys, whichever shards they are in.
        let order = map.shared.get().next_orders(keys.len());
        for (place, locked) in shards.iter().enumerate() {
            let concerned = (0..keys.len()).filter(|number| places[*number] == place);
            let concerned = concerned.filter(|number| !matches!(changes[*number], Change::Keep));
            let concerned: Vec<_> = concerned
                .map(|number| (&keys[number], &changes[number], order.wrapping_add(number as u64)))
                .collect();
            if !concerned.is_empty() {
                parts.push(Part::build(locked, &concerned, &mut boxes)?);
            }
        }
        match parts.len() {
            0 => {}
            1 => parts.pop().map_or(Ok(()), Part::apply)?,
            _ => carry_out(arena, parts)?,
        }
        drop(busy);
        // None may be had still by who changes the number of shards.
        let growth = shards.iter().map(Locked::growth).find(|growth| *growth != Growth::None);
        drop(shards);
        boxes.into_iter().for_each(|lent: Lent| lent.discard(arena));
        grow::see_to(map, arena, growth.unwrap_or(Growth::None));
        Ok(())
    }
}

/// What one shard is to become.
struct Part<'l> {
    locked: &'l Locked<'static>,
    draft: PageDraft,
    new: Vec<NewCell<'l>>,
}

impl<'l> Part<'l> {
    /// Builds its page; what lies in boxes and goes is this process's then, and listed.
    fn build(
        locked: &'l Locked<'static>,
        changes: &[(&'l Key<'l>, &'l Change, u64)],
        boxes: &mut Vec<Lent>,
    ) -> Result<Part<'l>> {
        let arena = locked.arena;
        let (mut load, mut new, mut orders, mut gone) = (Load::default(), Vec::new(), Vec::new(), Vec::new());
        for (key, change, order) in changes {
            let old = locked.find(key)?;
            if let Change::Set(value, shares) = change {
                let cell = NewCell::new(arena, key, value, shares)?;
                load.add(cell.units());
                new.push((key.hash, cell));
                orders.push(old.as_ref().map_or(*order, |old| old.cell.order()));
            }
            gone.extend(old.map(|old| (old.position, old.cell)));
        }
        let is_gone = |position| gone.iter().any(|(gone, _)| *gone == position);
        let mut draft = locked.draft(load, is_gone)?;
        for ((hash, cell), order) in new.iter().zip(orders) {
            draft.write(*hash, cell, order)?;
        }
        for lent in gone.iter().filter_map(|(_, cell)| cell.lent()) {
            lent.take_all(arena)?;
            boxes.push(lent);
        }
        Ok(Part { locked, draft, new: new.into_iter().map(|(_, cell)| cell).collect() })
    }

    /// It's the only one: the store of the page commits.
    fn apply(self) -> Result<()> {
        self.locked.replace_page(self.draft)?;
        self.new.into_iter().for_each(NewCell::committed);
        self.locked.changed();
        Ok(())
    }
}

/// The journal: in words, whether it's decided, how many shards there are, and for each its number and the page that it's to have.
const DECIDED: u64 = u64::from_le_bytes(*b"decided!");
const HEAD: usize = 2;
const ENTRY: usize = 2;

fn carry_out(arena: &'static Arena, parts: Vec<Part<'_>>) -> Result<()> {
    let journal = Journal::write(arena, &parts)?;
    // Before anything goes, it's this process's.
    let old: Vec<_> = parts.iter().map(|part| part.locked.own_page()).collect::<Result<_>>()?;
    for part in &parts {
        part.draft.describe(part.locked.shard);
        part.locked.shard.intent.store(journal.block.offset(), Release);
        part.locked.shard.version.raise();
        kill_point!(MapAfterIntent);
    }
    journal.words[0].store(DECIDED, Release);
    kill_point!(MapAfterDecision);
    for part in &parts {
        part.locked.shard.page.store(part.draft.name().0, Release);
        kill_point!(MapAfterApply);
    }
    let mut all = Vec::new();
    for mut part in parts {
        part.draft.block.committed();
        part.new.into_iter().for_each(NewCell::committed);
        all.push(part.locked);
    }
    for locked in all {
        locked.changed();
        locked.shard.intent.store(0, Release);
        locked.shard.version.raise();
        kill_point!(MapAfterWithdrawal);
    }
    for page in old.into_iter().flatten() {
        arena.free(page, arena.me());
    }
    drop(journal);
    Ok(())
}

struct Journal {
    arena: &'static Arena,
    block: Block<'static>,
    words: &'static [AtomicU64],
}

impl Journal {
    fn write(arena: &'static Arena, parts: &[Part<'_>]) -> Result<Journal> {
        let len = HEAD + parts.len() * ENTRY;
        let block = arena.alloc(len * 8)?;
        let journal = Journal { arena, block, words: block.records(0, len)? };
        journal.words[0].store(0, Relaxed);
        journal.words[1].store(parts.len() as u64, Relaxed);
        for (entry, part) in journal.words[HEAD..].chunks_exact(ENTRY).zip(parts) {
            entry[0].store(part.locked.index as u64, Relaxed);
            entry[1].store(part.draft.name().0, Relaxed);
        }
        Ok(journal)
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.arena.free(self.block, self.arena.me());
    }
}

/// The page that the shard of this number is to have by the journal that lies there, if it's decided.
pub(super) fn decided(arena: &Arena, journal: u64, shard: usize) -> Result<Option<u64>> {
    let wrong = || Error::corrupted("the journal of a transaction");
    let head = arena.records_at::<AtomicU64>(journal, HEAD).ok_or_else(wrong)?;
    if head[0].load(Acquire) != DECIDED {
        return Ok(None);
    }
    let count = head[1].load(Relaxed) as usize;
    let entries = count
        .checked_mul(ENTRY)
        .and_then(|len| arena.records_at::<AtomicU64>(journal + HEAD as u64 * 8, len));
    let mut entries = entries.ok_or_else(wrong)?.chunks_exact(ENTRY);
    let entry = entries.find(|entry| entry[0].load(Relaxed) == shard as u64).ok_or_else(wrong)?;
    Ok(Some(entry[1].load(Relaxed)))
}

/// Of a shard whose lock was taken over from the dead: if that one was in a transaction that is decided, its part is carried out;
/// else there was none.
pub(super) fn resolve(locked: &Locked<'_>) -> Result<()> {
    let (shard, journal) = (locked.shard, locked.shard.intent.load(Acquire));
    if journal != 0 {
        if let Some(page) = decided(locked.arena, journal, locked.index)? {
            shard.page.store(page, Release);
            kill_point!(MapAfterResolve);
        }
        shard.intent.store(0, Release);
    }
    Ok(())
}
