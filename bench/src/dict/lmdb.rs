//! LMDB: a tree in a file that all processes map. Here the file is memory, and nothing is ever written out.

use super::{
    OTHER,
    contest::{Does, Store, contest, fill, take_part},
    entries::{ENTRIES, Value, add_one, counter},
};
use crate::{
    measure::Result,
    peers::{LMDB, Role, folder::Folder},
    sync::area::Area,
};
use heed::{Database, Env, EnvFlags, EnvOpenOptions, types::Bytes};
use std::{fs, os::unix::fs::MetadataExt};

/// What may be mapped.
const ROOM: usize = 1 << 30;

/// As one process has it. Each operation is a transaction: only so do others see what was done, and may do something themselves. (Many
/// at once in one would be a multiple as fast, and keep all others from changing anything for as long.)
pub(super) struct Entries {
    env: Env,
    database: Database<Bytes, Bytes>,
}

impl Entries {
    fn open(folder: &str) -> Result<Entries> {
        let mut options = EnvOpenOptions::new();
        options.map_size(ROOM);
        // SAFETY: bounds: the library's. Aliasing: the file is changed by this library only. Lifetime: nothing has to outlive the
        // machine, which is all that is given up by these flags.
        unsafe { options.flags(EnvFlags::NO_SYNC | EnvFlags::WRITE_MAP | EnvFlags::MAP_ASYNC) };
        // SAFETY: bounds, lifetime: the library's. Aliasing: the folder is this contest's, each process of it opens it once.
        let env = unsafe { options.open(folder) }?;
        let mut change = env.write_txn()?;
        let database = env.create_database(&mut change, None)?;
        change.commit()?;
        Ok(Entries { env, database })
    }
}

impl Store for Entries {
    #[inline]
    fn get(&mut self, key: &str) -> Result<Value> {
        let look = self.env.read_txn()?;
        let value = self.database.get(&look, key.as_bytes())?.ok_or("no such key")?;
        Ok(Value::new(value.try_into()?))
    }

    #[inline]
    fn put(&mut self, key: &str, value: &Value) -> Result<()> {
        let mut change = self.env.write_txn()?;
        self.database.put(&mut change, key.as_bytes(), &value[..])?;
        Ok(change.commit()?)
    }

    #[inline]
    fn update(&mut self, key: &str) -> Result<()> {
        let mut change = self.env.write_txn()?;
        let value = self.database.get(&change, key.as_bytes())?.ok_or("no such key")?;
        let mut value = Value::new(value.try_into()?);
        add_one(&mut value[..]);
        self.database.put(&mut change, key.as_bytes(), &value[..])?;
        Ok(change.commit()?)
    }

    fn total(&mut self) -> Result<u64> {
        let look = self.env.read_txn()?;
        let mut total = 0;
        for entry in self.database.iter(&look)? {
            total += counter(entry?.1);
        }
        Ok(total)
    }
}

pub(super) struct Lmdb {
    entries: Entries,
    /// After what lies in it.
    folder: Folder,
}

impl Lmdb {
    pub(super) fn new() -> Result<Lmdb> {
        let folder = Folder::new()?;
        let mut entries = Entries::open(folder.path())?;
        fill(&mut entries)?;
        Ok(Lmdb { entries, folder })
    }

    pub(super) fn alone(&mut self, does: Does) -> Result<f64> {
        contest(&Area::new()?, 1, &mut self.entries, does, || Ok(()))
    }

    pub(super) fn two(&mut self, does: Does) -> Result<f64> {
        let area = Area::new()?;
        let role = Role { other: OTHER, does: &does.to_string(), peer: LMDB };
        let other = role.start(&area, self.folder.path())?;
        contest(&area, 2, &mut self.entries, does, || other.join())
    }

    /// What the file has of memory.
    pub(super) fn bytes_per_entry(&self) -> Result<f64> {
        let blocks = fs::metadata(format!("{}/data.mdb", self.folder.path()))?.blocks();
        Ok((blocks * 512) as f64 / ENTRIES as f64)
    }
}

/// The second process.
pub(super) fn second(area: &Area, does: Does, folder: &str) -> Result<()> {
    take_part(area, &mut Entries::open(folder)?, does)
}
