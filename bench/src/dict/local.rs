//! A map of the standard library behind a mutex, in one process: what threads that share memory have, and nobody survives.

use super::{
    contest::{Does, Store, contest, fill, take_part},
    entries::{Value, add_one, counter},
};
use crate::{measure::Result, sync::area::Area};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    thread,
};

#[derive(Default)]
pub(super) struct Local(Mutex<HashMap<String, Value>>);

impl Local {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Value>> {
        self.0.lock().expect("no thread panics")
    }

    pub(super) fn new() -> Result<Local> {
        let local = Local::default();
        fill(&mut &local)?;
        Ok(local)
    }

    pub(super) fn alone(&self, does: Does) -> Result<f64> {
        contest(&Area::new()?, 1, &mut &*self, does, || Ok(()))
    }

    /// Two threads instead of two processes.
    pub(super) fn two(&self, does: Does) -> Result<f64> {
        let area = Area::new()?;
        thread::scope(|scope| {
            let other = scope.spawn(|| take_part(&area, &mut &*self, does).map_err(|e| e.to_string()));
            contest(&area, 2, &mut &*self, does, || Ok(other.join().expect("no panic")?))
        })
    }
}

impl Store for &Local {
    #[inline]
    fn get(&mut self, key: &str) -> Result<Value> {
        Ok(*self.lock().get(key).ok_or("no such key")?)
    }

    #[inline]
    fn put(&mut self, key: &str, value: &Value) -> Result<()> {
        let mut entries = self.lock();
        match entries.get_mut(key) {
            Some(place) => *place = *value,
            None => {
                entries.insert(key.to_string(), *value);
            }
        }
        Ok(())
    }

    #[inline]
    fn update(&mut self, key: &str) -> Result<()> {
        add_one(&mut self.lock().get_mut(key).ok_or("no such key")?[..]);
        Ok(())
    }

    fn total(&mut self) -> Result<u64> {
        Ok(self.lock().values().map(|value| counter(&value[..])).sum())
    }
}
