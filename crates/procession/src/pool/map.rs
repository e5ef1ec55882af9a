//! Mapping a function over items: the calling thread encodes, hands out, collects and decodes.

use super::{batch::BatchBuilder, engine::Engine, plan, sink::Sink};
use crate::{
    TaskError, error,
    task::{Task, descriptor},
};
use procession_core::{
    Deadline,
    pool::{Link, Results},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

/// Outcomes that have arrived and that the calling thread hasn't seen.
#[derive(Default)]
struct Arrivals(Mutex<Vec<(usize, Part)>>);

enum Part {
    Ran(Results),
    Failed(TaskError),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Part::Ran(results) => results.len(),
            Part::Failed(_) => 1,
        }
    }
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Vec<(usize, Part)>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Sink for Arrivals {
    fn deliver(&self, first: usize, results: Results) {
        self.lock().push((first, Part::Ran(results)));
    }

    fn fail(&self, index: usize, error: TaskError) {
        self.lock().push((index, Part::Failed(error)));
    }
}

/// Values in the order of the items, decoded as soon as all before them are there.
struct Ordered<R> {
    early: BTreeMap<usize, Part>,
    next: usize,
    values: Vec<R>,
    error: Option<TaskError>,
}

impl<R: DeserializeOwned> Ordered<R> {
    fn add(&mut self, arrivals: Vec<(usize, Part)>) {
        self.early.extend(arrivals);
        while let Some(part) = self.early.remove(&self.next) {
            self.next += part.len();
            // The first failure in the order of the items is what the map gives.
            if self.error.is_none()
                && let Err(e) = self.decode(part)
            {
                self.error = Some(e);
            }
        }
    }

    fn decode(&mut self, part: Part) -> Result<(), TaskError> {
        match part {
            Part::Failed(error) => Err(error),
            Part::Ran(results) => {
                self.values.reserve(results.len());
                for (verdict, bytes, shares) in results.iter() {
                    self.values.push(error::outcome(verdict, bytes, shares)?);
                }
                Ok(())
            }
        }
    }
}

/// Runs `F` on all items; see `Pool::map`.
pub(super) fn map<F, Args>(
    engine: &Engine,
    workers: usize,
    items: impl Iterator<Item = Args>,
) -> Result<Vec<F::Output>, TaskError>
where
    F: Task<Args>,
    Args: Serialize + DeserializeOwned,
{
    engine.check_open()?;
    let function = descriptor::<F, Args>().id()?;
    let arrivals = Arc::new(Arrivals::default());
    let mut items = items.fuse().peekable();
    let mut ordered = Ordered { early: BTreeMap::new(), next: 0, values: Vec::new(), error: None };
    let mut submitted = 0;
    loop {
        while engine.wants_more() && items.peek().is_some() {
            // Of an iterator that doesn't know its length, about as much is expected as has come.
            let expected = items.size_hint().0.max(submitted);
            let wanted = plan::batch_len(expected, workers);
            let mut batch = BatchBuilder::new();
            while batch.len() < wanted && batch.size() < Link::BATCH_BYTES {
                match items.next() {
                    Some(item) => batch.push(&item)?,
                    None => break,
                }
            }
            let len = batch.len();
            engine.submit(batch.build(function, submitted, arrivals.clone()))?;
            submitted += len;
        }
        let arrived = std::mem::take(&mut *arrivals.lock());
        let nothing = arrived.is_empty();
        ordered.add(arrived);
        let more = items.peek().is_some();
        if ordered.next == submitted && !more {
            break;
        }
        if nothing {
            // A processor that a worker could use is better used by it than by looking for each result.
            std::thread::yield_now();
            engine.wait_for(Deadline::NEVER, || {
                let wake = !arrivals.lock().is_empty() || more && engine.wants_more();
                wake.then_some(())
            });
        }
    }
    match ordered.error {
        None => Ok(ordered.values),
        Some(e) => Err(e),
    }
}
