//! A flag that processes wait for.

use super::EventCount;
use crate::{
    atomic::{
        AtomicU32,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    kill_point::kill_point,
};

/// The flag, and where those who wait sleep.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct RawEvent {
    /// Bit 0: whether it's set. The rest: how often it was set, so that those who waited then go on even if it's cleared at
    /// once.
    state: AtomicU32,
    change: EventCount,
}

const SET: u32 = 1;
const STEP: u32 = 2;

/// What the event was when one began to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before(u32);

impl RawEvent {
    /// For an event that nobody knows yet: it isn't set.
    pub(crate) fn reset(&self) {
        self.state.store(0, Relaxed);
    }

    pub(crate) fn set(&self) {
        let set = |state: u32| (state & SET == 0).then(|| state.wrapping_add(STEP) | SET);
        if self.state.fetch_update(AcqRel, Acquire, set).is_ok() {
            kill_point!(EventAfterSet);
        }
        // Also if it was set already: whoever set it may have been killed before it could wake anybody.
        self.change.notify();
    }

    pub(crate) fn clear(&self) {
        self.state.fetch_and(!SET, AcqRel);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.state.load(Acquire) & SET != 0
    }

    pub(crate) fn before(&self) -> Before {
        Before(self.state.load(Acquire) & !SET)
    }

    /// Whether it's set, or was since then.
    pub(crate) fn was_set_since(&self, before: Before) -> bool {
        let state = self.state.load(Acquire);
        state & SET != 0 || state & !SET != before.0
    }

    /// Where those who wait sleep.
    pub(crate) fn change(&self) -> &EventCount {
        &self.change
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        kill_point::{KillPoint, check, until},
        sys::clock::Deadline,
    };
    use loom::{sync::Arc, thread};

    fn event() -> Arc<RawEvent> {
        Arc::new(RawEvent { state: AtomicU32::new(0), change: EventCount::new() })
    }

    fn wait(event: &RawEvent, before: Before) {
        event.change.wait_until(Deadline::NEVER, || event.was_set_since(before).then_some(()));
    }

    #[test]
    fn who_waits_is_woken_even_if_it_is_cleared_at_once() {
        check(|| {
            let event = event();
            let before = event.before();
            let (first, second) = (event.clone(), event.clone());
            let first = thread::spawn(move || wait(&first, before));
            let second = thread::spawn(move || {
                second.set();
                second.clear();
            });
            wait(&event, before);
            first.join().unwrap();
            second.join().unwrap();
            assert!(!event.is_set());
        });
    }

    #[test]
    fn one_killed_after_it_set_it_is_made_good_by_the_broadcast_or_the_next_set() {
        for by_the_broadcast in [true, false] {
            check(move || {
                let event = event();
                let before = event.before();
                let victim = event.clone();
                let victim = thread::spawn(move || {
                    if until(KillPoint::EventAfterSet, || victim.set()) {
                        if by_the_broadcast {
                            victim.change.broadcast();
                        } else {
                            victim.set();
                        }
                    }
                });
                wait(&event, before);
                victim.join().unwrap();
            });
        }
    }
}
