//! Our dictionary.

use super::{
    contest::{Does, Store, contest, fill, take_part},
    entries::{ENTRIES, Value, add_one, counter},
};
use crate::{family, measure::Result, sync::area::Area};
use procession::{Dict, audit};

pub(super) struct Ours {
    dict: Dict<String, Value>,
    /// What the arena used before there was any.
    before: usize,
}

impl Store for Dict<String, Value> {
    #[inline]
    fn get(&mut self, key: &str) -> Result<Value> {
        Ok(Dict::get(self, key)?.ok_or("no such key")?)
    }

    #[inline]
    fn put(&mut self, key: &str, value: &Value) -> Result<()> {
        self.insert(key, value)?;
        Ok(())
    }

    #[inline]
    fn update(&mut self, key: &str) -> Result<()> {
        Ok(Dict::update(self, key, |value| add_one(&mut value[..]))?.ok_or("no such key")?)
    }

    fn total(&mut self) -> Result<u64> {
        Ok(self.values()?.iter().map(|value| counter(&value[..])).sum())
    }
}

impl Ours {
    pub(super) fn new() -> Result<Ours> {
        // Of an arena that is there: the first dictionary of a program makes it.
        drop(Dict::<String, Value>::new()?);
        let before = audit()?.used_bytes;
        let mut dict = Dict::new()?;
        fill(&mut dict)?;
        Ok(Ours { dict, before })
    }

    pub(super) fn alone(&mut self, does: Does) -> Result<f64> {
        contest(&Area::new()?, 1, &mut self.dict, does, || Ok(()))
    }

    pub(super) fn two(&mut self, does: Does) -> Result<f64> {
        let area = Area::new()?;
        let other = family::start(&area, second, (self.dict.clone(), does.to_string()))?;
        contest(&area, 2, &mut self.dict, does, || family::join(other))
    }

    /// All that the arena uses for it.
    pub(super) fn bytes_per_entry(&self) -> Result<f64> {
        Ok((audit()?.used_bytes - self.before) as f64 / ENTRIES as f64)
    }
}

/// The second process.
fn second(mut dict: Dict<String, Value>, does: String) -> bool {
    family::take_part(|area| take_part(area, &mut dict, does.parse()?))
}
