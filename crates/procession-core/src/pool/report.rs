//! What a worker says of itself: only the worker writes, only the owner reads.
//!
//! All of it is for people and for time limits. An owner that believes a wrong word kills that worker too early or too late, and does
//! nobody else any harm.

use crate::{
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    sys::clock::now,
};
use std::time::Duration;

/// The words; times are moments of the monotonic clock, in nanoseconds. What changes often has a line of the cache of its own, since the
/// owner often looks at the rest.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct ReportRecord {
    /// When it was ready for tasks; 0 before that.
    ready: AtomicU64,
    /// How many of its threads wait for tasks of a pool.
    pub(super) waiting: AtomicU32,
    /// 1 once it aborts because it got no more memory.
    pub(super) starved: AtomicU32,
    times: Times,
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Times {
    /// When it began what it's doing: to get ready, or a batch, or a task of a batch with stamps. 0 while it waits.
    since: AtomicU64,
    /// The nanoseconds that it has spent on tasks, without those since `since`.
    busy: AtomicU64,
}

impl ReportRecord {
    pub(super) fn reset(&self) {
        for word in [&self.ready, &self.times.since, &self.times.busy] {
            word.store(0, Relaxed);
        }
        self.waiting.store(0, Relaxed);
        self.starved.store(0, Relaxed);
    }

    pub(super) fn set_ready(&self) {
        self.ready.store(now(), Release);
        self.times.since.store(0, Release);
    }

    /// Something begins now. Before a claim: so a claim that the owner sees is never taken to be older than it is.
    pub(super) fn begin(&self) {
        self.times.since.store(now(), Release);
    }

    /// Something has ended, and the next thing begins: from when to when the former went on.
    pub(super) fn next(&self) -> Span {
        let span = self.add();
        self.times.since.store(span.end, Release);
        span
    }

    /// There is nothing more to do for now.
    pub(super) fn end(&self) {
        self.add();
        self.times.since.store(0, Release);
    }

    fn add(&self) -> Span {
        let Times { since, busy } = &self.times;
        let span = Span { start: since.load(Relaxed), end: now() };
        // Not an addition in one step: nobody else writes.
        busy.store(busy.load(Relaxed).wrapping_add(span.end.saturating_sub(span.start)), Relaxed);
        span
    }

    /// Whether it's ready for tasks; whether it waits for one.
    #[inline]
    pub(super) fn flags(&self) -> (bool, bool) {
        (self.ready.load(Acquire) != 0, self.waiting.load(Acquire) != 0)
    }

    pub(super) fn read(&self) -> Report {
        let Times { since, busy } = &self.times;
        let (ready, since) = (self.ready.load(Acquire), since.load(Acquire));
        let now = now();
        Report {
            ready: (ready != 0).then(|| ready.min(now)),
            since: (since != 0).then(|| since.min(now)),
            busy: Duration::from_nanos(busy.load(Relaxed)),
            waits: self.waiting.load(Acquire) != 0,
        }
    }
}

/// What a worker says of itself; see `Link::report`. Moments are nanoseconds of the monotonic clock, none of them in the future.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// When it was ready for tasks, if it is.
    pub ready: Option<u64>,
    /// When it began what it's doing: to get ready, or a batch, or a task of a batch with stamps. None while it waits.
    pub since: Option<u64>,
    /// The time that it has spent on tasks, without those since `since`.
    pub busy: Duration,
    /// Whether it waits for a task of its own pool.
    pub waits: bool,
}

/// From when to when something was done, in nanoseconds of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub start: u64,
    /// When it had ended.
    pub end: u64,
}

impl Span {
    pub(super) const SIZE: usize = 16;

    pub(super) fn to_bytes(self) -> [u8; Span::SIZE] {
        let mut bytes = [0; Span::SIZE];
        bytes[..8].copy_from_slice(&self.start.to_le_bytes());
        bytes[8..].copy_from_slice(&self.end.to_le_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Span> {
        let (start, end) = bytes.split_first_chunk()?;
        let (start, end) = (u64::from_le_bytes(*start), u64::from_le_bytes(end.try_into().ok()?));
        Some(Span { start, end: end.max(start) })
    }
}
