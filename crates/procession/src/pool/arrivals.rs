//! What has arrived of a call's tasks and that its calling thread hasn't seen.

use super::sink::{Later, Part, Sink};
use crate::TaskError;
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

/// Outcomes with the number of their first task, as they came.
#[derive(Default)]
pub(super) struct Arrivals(Mutex<Vec<(usize, Part)>>);

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Vec<(usize, Part)>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn take(&self) -> Vec<(usize, Part)> {
        std::mem::take(&mut *self.lock())
    }

    pub(super) fn add(&self, first: usize, part: Part) {
        self.lock().push((first, part));
    }
}

impl Sink for Arrivals {
    fn deliver(&self, first: usize, part: Part, _later: &mut Vec<Later>) {
        self.add(first, part);
    }
}

/// Puts them into the order of their numbers.
#[derive(Default)]
pub(super) struct InOrder {
    early: BTreeMap<usize, Part>,
    next: usize,
}

impl InOrder {
    /// So many have come in order.
    pub(super) fn count(&self) -> usize {
        self.next
    }

    /// Takes some, and calls `each` with those before which there are none missing.
    pub(super) fn add(&mut self, arrivals: Vec<(usize, Part)>, mut each: impl FnMut(Part)) {
        self.early.extend(arrivals);
        while let Some(part) = self.early.remove(&self.next) {
            self.next += part.len();
            each(part);
        }
    }
}

/// The values of tasks in their order, or the first failure.
pub(super) struct Values<R>(Result<Vec<R>, TaskError>);

impl<R> Default for Values<R> {
    fn default() -> Values<R> {
        Values(Ok(Vec::new()))
    }
}

impl<R: DeserializeOwned> Values<R> {
    pub(super) fn add(&mut self, part: &Part) {
        let Ok(values) = &mut self.0 else { return };
        values.reserve(part.len());
        let mut failure = None;
        part.decode(|value| match value {
            Ok(value) => values.push(value),
            Err(error) => drop(failure.get_or_insert(error)),
        });
        if let Some(error) = failure {
            self.0 = Err(error);
        }
    }

    pub(super) fn finish(self) -> Result<Vec<R>, TaskError> {
        self.0
    }
}
