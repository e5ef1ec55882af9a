//! Waiting, in one place: check, then check between yields, then sleep.
//!
//! Crossing to a process that sleeps on another core costs tens of microseconds, most of it in the one who wakes; a peer
//! that is still looking costs a third of one. So a waiter looks for a while before it sleeps. The looking is bounded,
//! so an idle program uses no processor, and it yields, because on one core the peer needs it to make progress.

use crate::sys::clock::{Deadline, now};
use std::time::Duration;

/// Looks without leaving the processor, first.
const CHECKS: u32 = 64;

/// But not for longer than this.
const CHECK_NANOS: u64 = 1_000;

/// Then looks between yields, for this long.
const YIELD_NANOS: u64 = 40_000;

/// And at least so often: where the processor is wanted by others, that time can pass in a single yield.
const YIELDS: u32 = 16;

/// No sleep is longer than this. Whoever wakes up looks again at what it waits for and at who is alive, so that it makes
/// progress even if the one who should have woken it was killed and the monitor is gone as well.
pub(crate) const SLICE: Duration = Duration::from_millis(500);

/// Looks until `ready` gives something, or it's time to sleep, or the deadline has passed.
#[cfg(not(loom))]
pub(crate) fn spin<T>(deadline: Deadline, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let start = now();
    for checks in 1..=CHECKS {
        if let Some(value) = ready() {
            return Some(value);
        }
        // Where a check is dear, or both are on one core, many of them only keep the peer from its work.
        if checks % 16 == 0 && now() - start > CHECK_NANOS {
            break;
        }
        std::hint::spin_loop();
    }
    let until = start + YIELD_NANOS;
    for yields in 1.. {
        // Where others want the processor, each yield may take milliseconds.
        if deadline.has_passed() {
            break;
        }
        std::thread::yield_now();
        if let Some(value) = ready() {
            return Some(value);
        }
        if yields >= YIELDS && now() >= until {
            break;
        }
    }
    None
}

/// Looks at a lock like `spin`, but less and less often at first: whoever has it needs the word as well, and as long as nobody else
/// looks at it, takes and releases it in a few nanoseconds.
#[cfg(not(loom))]
pub(crate) fn spin_at_lock<T>(deadline: Deadline, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let mut pause = 1;
    while pause <= LONGEST_PAUSE {
        if let Some(value) = ready() {
            return Some(value);
        }
        (0..pause).for_each(|_| std::hint::spin_loop());
        pause *= 2;
    }
    spin(deadline, ready)
}

/// In `spin_loop`s, of which each takes some tens of nanoseconds at most.
#[cfg(not(loom))]
const LONGEST_PAUSE: u32 = 64;

/// In the model, looking more than once only multiplies equal histories.
#[cfg(loom)]
pub(crate) fn spin<T>(_: Deadline, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let _ = (CHECKS, CHECK_NANOS, YIELD_NANOS, YIELDS, now as fn() -> u64);
    ready()
}

#[cfg(loom)]
pub(crate) use spin as spin_at_lock;
