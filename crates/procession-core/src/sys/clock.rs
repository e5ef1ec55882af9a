//! Deadlines: points on the monotonic clock, shared by all processes of a machine.

use crate::atomic::{AtomicU64, Ordering::Acquire};
use rustix::time::{ClockId, clock_gettime};
use std::{cmp::Ordering, time::Duration};

/// Nanoseconds on `CLOCK_MONOTONIC`, which is the same in all processes of a machine.
pub fn now() -> u64 {
    let t = clock_gettime(ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// The moment at which a wait gives up.
///
/// Blocking calls take a `Duration` in public and a `Deadline` inside, so that a wait that is cut into slices, or that
/// is woken for nothing, never waits longer than it was told to.
///
/// Inside, a wait can also be called off: then the deadline counts as passed from the moment at which a word changes. Compared are
/// only the moments.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: u64,
    news: Option<(&'static AtomicU64, u64)>,
}

impl Deadline {
    /// Wait as long as it takes.
    pub const NEVER: Deadline = Deadline { at: u64::MAX, news: None };

    /// Don't wait.
    pub const PASSED: Deadline = Deadline { at: 0, news: None };

    /// The moment `timeout` from now; a duration too long for the clock means never.
    pub fn after(timeout: Duration) -> Deadline {
        let at = now().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        Deadline { at, news: None }
    }

    /// Whether the moment has come.
    pub fn has_passed(self) -> bool {
        self.at != u64::MAX && now() >= self.at || self.is_called_off()
    }

    /// The same deadline, which has also passed once the word isn't `seen` any more. Whoever changes the word wakes those who sleep.
    pub(crate) fn called_off_by(self, word: &'static AtomicU64, seen: u64) -> Deadline {
        Deadline { news: Some((word, seen)), ..self }
    }

    /// Whether the wait has been called off.
    pub(crate) fn is_called_off(self) -> bool {
        self.news.is_some_and(|(word, seen)| word.load(Acquire) != seen)
    }

    /// The earlier of this deadline and `timeout` from now.
    pub fn at_most(self, timeout: Duration) -> Deadline {
        Deadline { at: self.at.min(Deadline::after(timeout).at), ..self }
    }

    /// The time left; `None` when there is no limit.
    pub fn remaining(self) -> Option<Duration> {
        (self.at != u64::MAX).then(|| Duration::from_nanos(self.at.saturating_sub(now())))
    }

    /// What is left of it, for calls that take a duration; `None` when there is no limit.
    pub(crate) fn timespec_left(self) -> Option<rustix::time::Timespec> {
        self.remaining().map(|left| {
            let left = left.min(Duration::from_secs(1 << 30));
            rustix::time::Timespec { tv_sec: left.as_secs() as _, tv_nsec: left.subsec_nanos() as _ }
        })
    }

    #[cfg(not(loom))]
    pub(crate) fn timespec(self) -> Option<rustix::time::Timespec> {
        (self.at != u64::MAX).then_some(rustix::time::Timespec {
            tv_sec: (self.at / 1_000_000_000) as _,
            tv_nsec: (self.at % 1_000_000_000) as _,
        })
    }
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Deadline) -> bool {
        self.at == other.at
    }
}

impl Eq for Deadline {}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Deadline) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Deadline) -> Ordering {
        self.at.cmp(&other.at)
    }
}
