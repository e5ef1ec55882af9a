//! Deadlines: points on the monotonic clock, shared by all processes of a machine.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Nanoseconds on `CLOCK_MONOTONIC`.
pub(crate) fn now() -> u64 {
    let t = clock_gettime(ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// The moment at which a wait gives up.
///
/// Blocking calls take a `Duration` in public and a `Deadline` inside, so that a wait that is cut into slices, or that
/// is woken for nothing, never waits longer than it was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(u64);

impl Deadline {
    /// Wait as long as it takes.
    pub const NEVER: Deadline = Deadline(u64::MAX);

    /// Don't wait.
    pub const PASSED: Deadline = Deadline(0);

    /// The moment `timeout` from now; a duration too long for the clock means never.
    pub fn after(timeout: Duration) -> Deadline {
        Deadline(now().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Whether the moment has come.
    pub fn has_passed(self) -> bool {
        self.0 != u64::MAX && now() >= self.0
    }

    /// The earlier of this deadline and `timeout` from now.
    pub fn at_most(self, timeout: Duration) -> Deadline {
        self.min(Deadline::after(timeout))
    }

    /// The time left; `None` when there is no limit.
    pub fn remaining(self) -> Option<Duration> {
        (self.0 != u64::MAX).then(|| Duration::from_nanos(self.0.saturating_sub(now())))
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
        (self.0 != u64::MAX).then_some(rustix::time::Timespec {
            tv_sec: (self.0 / 1_000_000_000) as _,
            tv_nsec: (self.0 % 1_000_000_000) as _,
        })
    }
}
