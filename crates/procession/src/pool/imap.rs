//! Lazy maps: items are read only as fast as results are taken.

use super::{
    arrivals::{Arrivals, InOrder},
    batch::{BatchBuilder, Kind, Limits},
    engine::Engine,
    map::fill,
    plan,
    progress::Reporter,
    sink::{Part, Sink},
};
use crate::TaskError;
use procession_core::{Deadline, Result};
use serde::de::DeserializeOwned;
use std::{
    collections::VecDeque,
    fmt,
    iter::{Fuse, FusedIterator},
    sync::Arc,
    time::{Duration, Instant},
};

/// So long the flow of results is looked at before the window is made to fit it.
const PERIOD: Duration = Duration::from_micros(200);

/// The results of [`Pool::imap`](crate::Pool::imap) or [`Pool::imap_unordered`](crate::Pool::imap_unordered): an iterator that reads
/// items and hands them out when it's asked for results.
///
/// Dropping it cancels the tasks that have not begun; what is running then ends by itself.
///
/// # Process death
///
/// A worker that dies costs the task that it was running, which gives its error in its place; the iterator goes on.
#[must_use = "an iterator that nobody asks reads nothing and runs nothing"]
pub struct Imap<I: Iterator, R> {
    pub(super) engine: Arc<Engine>,
    pub(super) items: Fuse<I>,
    pub(super) push: fn(&mut BatchBuilder, I::Item) -> Result<()>,
    pub(super) limits: Limits,
    /// An error is given once, in the place of everything.
    pub(super) kind: Result<Kind, TaskError>,
    pub(super) arrivals: Arc<Arrivals>,
    /// For one that gives results in the order of the items.
    pub(super) order: Option<InOrder>,
    pub(super) progress: Reporter,
    pub(super) chunk: Option<usize>,
    pub(super) window: Window,
    pub(super) ready: VecDeque<Result<R, TaskError>>,
    pub(super) submitted: usize,
    pub(super) taken: usize,
    /// There are no more items, or nobody to give them to.
    pub(super) ended: bool,
}

/// How many tasks may be on their way: submitted, and their results not taken.
#[derive(Debug)]
pub(super) struct Window {
    /// Always the same, if the caller says so.
    fixed: Option<usize>,
    now: usize,
    since: Instant,
    /// Results taken since then.
    taken: usize,
}

impl Window {
    pub(super) fn new(fixed: Option<usize>) -> Window {
        Window { fixed, now: 0, since: Instant::now(), taken: 0 }
    }

    fn fit(&mut self, workers: usize) -> usize {
        if let Some(fixed) = self.fixed {
            self.now = fixed;
            return fixed;
        }
        let elapsed = self.since.elapsed();
        if elapsed >= PERIOD || self.now == 0 {
            self.now = plan::window(self.taken, elapsed, workers);
            (self.since, self.taken) = (Instant::now(), 0);
        }
        self.now
    }
}

impl<I: Iterator, R: DeserializeOwned> Imap<I, R> {
    /// Reads items and hands them out, as long as the window has room.
    fn feed(&mut self) {
        let Ok(kind) = &self.kind else { return };
        let workers = self.engine.width();
        let window = self.window.fit(workers).max(self.chunk.unwrap_or(0));
        while !self.ended {
            let room = window.saturating_sub(self.submitted - self.taken);
            if room == 0 || self.submitted > self.taken && !self.engine.has_room() {
                return;
            }
            let wanted = self.chunk.unwrap_or_else(|| plan::batch_len(room, workers)).min(room);
            let mut batch = BatchBuilder::new(self.limits);
            let filled = fill(&mut batch, &mut self.items, self.engine.portion(wanted), self.push);
            let len = batch.len();
            if len > 0
                && let Err(e) = self.engine.submit(batch.build(kind.clone(), self.submitted))
            {
                self.ended = true;
                for number in self.submitted..self.submitted + len {
                    self.arrivals.add(number, Part::Failed(TaskError::Failed(e.clone())));
                }
            }
            self.submitted += len;
            match filled {
                Ok(()) if len == 0 => self.ended = true,
                Ok(()) => {}
                Err(e) => {
                    self.arrivals.add(self.submitted, Part::Failed(e.into()));
                    self.submitted += 1;
                }
            }
        }
    }

    /// Takes what has arrived.
    fn collect(&mut self) {
        let arrived = self.arrivals.take();
        let count = arrived.iter().map(|(_, part)| part.len()).sum();
        let ready = &mut self.ready;
        let mut decode = |part: Part| part.decode(|value| ready.push_back(value));
        match &mut self.order {
            Some(order) => order.add(arrived, decode),
            None => arrived.into_iter().for_each(|(_, part)| decode(part)),
        }
        // Last of all: if it panics, whoever asks again has lost nothing.
        self.progress.add(count);
    }
}

impl<I: Iterator, R: DeserializeOwned> Iterator for Imap<I, R> {
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Result<R, TaskError>> {
        loop {
            if let Some(value) = self.ready.pop_front() {
                self.taken += 1;
                self.window.taken += 1;
                return Some(value);
            }
            if let Err(error) = &self.kind {
                let error = error.clone();
                return (!std::mem::replace(&mut self.ended, true)).then_some(Err(error));
            }
            if self.ended && self.submitted == self.taken {
                self.progress.end();
                return None;
            }
            if let Err(e) = procession_core::check() {
                (self.ended, self.taken) = (true, self.submitted);
                return Some(Err(e.into()));
            }
            self.collect();
            // Reading items may take long; what is there already needn't wait for that, as long as the workers have something to do.
            let running = self.submitted - self.taken - self.ready.len();
            if self.ready.is_empty() || running < self.window.now / 2 {
                self.feed();
            }
            if !self.ready.is_empty() || self.submitted == self.taken {
                continue;
            }
            let (engine, arrivals) = (&self.engine, &self.arrivals);
            std::thread::yield_now();
            engine.wait_for(Deadline::NEVER, || (!arrivals.is_empty()).then_some(()));
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let pending = self.submitted - self.taken;
        let (least, most) = if self.ended { (0, Some(0)) } else { self.items.size_hint() };
        (
            if self.kind.is_ok() { least.saturating_add(pending) } else { 0 },
            most.and_then(|most| most.checked_add(pending + self.kind.is_err() as usize)),
        )
    }
}

impl<I: Iterator, R: DeserializeOwned> FusedIterator for Imap<I, R> {}

impl<I: Iterator, R> Drop for Imap<I, R> {
    fn drop(&mut self) {
        if self.submitted > self.taken {
            let sink: Arc<dyn Sink> = self.arrivals.clone();
            self.engine.cancel(&sink, false);
        }
    }
}

impl<I: Iterator, R> fmt::Debug for Imap<I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Imap")
            .field("submitted", &self.submitted)
            .field("taken", &self.taken)
            .finish_non_exhaustive()
    }
}
