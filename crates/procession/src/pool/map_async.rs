//! Mapping a function over items while the caller does something else.

use super::{
    arrivals::InOrder,
    async_result::{AsyncResult, Cell, Outcome},
    batch::Kind,
    callbacks::Callbacks,
    options::Call,
    progress::Reporter,
    sink::{Later, Part, Sink, run},
};
use crate::task::Task;
use procession_core::Result;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::{Arc, Mutex};

/// Collects what becomes of the tasks of one call, until it has all.
struct Collector {
    cell: Arc<Cell>,
    collected: Mutex<Collected>,
    reports: Option<Reports>,
}

#[derive(Default)]
struct Collected {
    order: InOrder,
    parts: Vec<Part>,
    /// How many tasks there are, once all have been submitted.
    total: Option<usize>,
}

impl Collector {
    /// All have been submitted.
    fn complete(&self, total: usize) {
        let mut later = Vec::new();
        self.change(&mut later, |collected| collected.total = Some(total));
        later.into_iter().for_each(run);
    }

    fn change(&self, later: &mut Vec<Later>, change: impl FnOnce(&mut Collected)) {
        let mut collected = self.collected.lock().unwrap_or_else(|e| e.into_inner());
        change(&mut collected);
        if collected.total == Some(collected.order.count()) {
            let parts = std::mem::take(&mut collected.parts);
            drop(collected);
            self.cell.set(Outcome::Many(Arc::new(parts)), later);
        }
    }
}

impl Sink for Collector {
    fn deliver(&self, first: usize, part: Part, later: &mut Vec<Later>) {
        if let Some(reports) = &self.reports {
            reports.add(part.len());
        }
        self.change(later, |Collected { order, parts, .. }| {
            order.add(vec![(first, part)], |part| parts.push(part));
        });
    }
}

/// Reports of progress, on the thread for callbacks; one at a time, however many results come meanwhile.
struct Reports {
    callbacks: Arc<Callbacks>,
    shared: Arc<Mutex<Unreported>>,
    reporter: Arc<Mutex<Reporter>>,
}

#[derive(Default)]
struct Unreported {
    done: usize,
    queued: bool,
}

impl Reports {
    fn new(callbacks: Arc<Callbacks>, reporter: Reporter) -> Reports {
        // Somebody wants to hear of each result.
        callbacks.want(true);
        Reports { callbacks, shared: Arc::default(), reporter: Arc::new(Mutex::new(reporter)) }
    }

    fn add(&self, done: usize) {
        let mut unreported = self.shared.lock().unwrap_or_else(|e| e.into_inner());
        unreported.done += done;
        if !std::mem::replace(&mut unreported.queued, true) {
            let (shared, reporter) = (self.shared.clone(), self.reporter.clone());
            self.callbacks.run(Box::new(move || {
                let unreported = std::mem::take(&mut *shared.lock().unwrap_or_else(|e| e.into_inner()));
                reporter.lock().unwrap_or_else(|e| e.into_inner()).add(unreported.done);
            }));
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.callbacks.want(false);
        let reporter = self.reporter.clone();
        self.callbacks.run(Box::new(move || reporter.lock().unwrap_or_else(|e| e.into_inner()).end()));
    }
}

/// Submits all items; see `Pool::map_async`.
pub(super) fn map_async<F, Args>(
    mut call: Call<'_>,
    items: impl Iterator<Item = Args>,
) -> Result<AsyncResult<Vec<F::Output>>>
where
    F: Task<Args>,
    F::Output: 'static,
    Args: Serialize + DeserializeOwned,
{
    let engine = call.engine;
    engine.check_open()?;
    let mut items = items.fuse();
    call.progress.begin(items.size_hint());
    let progress = std::mem::take(&mut call.progress);
    let reports = progress.is_wanted().then(|| Reports::new(engine.callbacks.clone(), progress));
    if reports.is_some() {
        engine.wake_dispatcher();
    }
    let cell = Arc::new(Cell::default());
    let sink = Arc::new(Collector { cell: cell.clone(), collected: Mutex::default(), reports });
    let kind = Kind::new::<F, Args>(call.limits, sink.clone())?;
    let mut submitted = 0;
    loop {
        let batch = call.read(&mut items, submitted)?;
        let len = batch.len();
        if len == 0 {
            break;
        }
        engine.submit(batch.build(kind.clone(), submitted))?;
        submitted += len;
    }
    sink.complete(submitted);
    Ok(AsyncResult::new(engine.clone(), cell, sink, Outcome::many))
}
