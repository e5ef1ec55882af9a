//! An event count: sleep until something changed that one looked at before.
//!
//! The idea is from Reed and Kanodia (1979); this form, one word with a sequence and a waiter bit, is folklore. The
//! condition itself lies elsewhere (a ring's tail, a state word), so one event count serves any number of conditions.

use crate::{
    atomic::Ordering::{Relaxed, SeqCst},
    kill_point::kill_point,
    sys::{barrier, clock::Deadline, futex},
    wait,
};

/// The word: bit 0 is set while somebody may sleep; the rest counts notifications that found it set, and broadcasts.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(transparent))]
pub(crate) struct EventCount {
    word: futex::Futex,
}

const WAITERS: u32 = 1;
const STEP: u32 = 2;

impl EventCount {
    /// Wakes everybody who waits. To be called after the change was published; nearly free when nobody sleeps.
    #[inline]
    pub(crate) fn notify(&self) {
        barrier::light();
        if self.word.load(Relaxed) & WAITERS != 0 {
            self.notify_slow();
        }
    }

    #[cold]
    fn notify_slow(&self) {
        let bump = |word: u32| (word & WAITERS != 0).then(|| (word & !WAITERS).wrapping_add(STEP));
        let mut word = self.word.load(Relaxed);
        while let Some(next) = bump(word) {
            match self.word.compare_exchange(word, next, SeqCst, Relaxed) {
                Ok(_) => {
                    kill_point!(EventBeforeWake);
                    self.word.wake(futex::ALL);
                    return;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Wakes everybody, whatever the word says: after a death, when a notifier may have been killed in between.
    pub(crate) fn broadcast(&self) {
        self.word.fetch_add(STEP, SeqCst);
        self.word.wake(futex::ALL);
    }

    /// Waits until `ready` gives something; `None` when the deadline passed first.
    ///
    /// `ready` is also called now and then without a notification, so that it can look at who is alive.
    pub(crate) fn wait_until<T>(
        &self,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        wait::spin(&mut ready).or_else(|| self.sleep_until(deadline, ready))
    }

    /// Like `wait_until`, for one whom nobody expects to be quick: sleeps at once instead of looking for a while first.
    pub(crate) fn sleep_until<T>(
        &self,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        loop {
            let key = self.word.fetch_or(WAITERS, SeqCst) | WAITERS;
            // Either the notifier sees the bit, or `ready` sees the change.
            barrier::heavy();
            if let Some(value) = ready() {
                return Some(value);
            }
            if deadline.has_passed() {
                return None;
            }
            kill_point!(EventBeforeSleep);
            self.word.wait(key, deadline.at_most(wait::SLICE));
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        kill_point::{KillPoint, check, until},
        sys::futex::Futex,
    };
    use loom::{
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering::Acquire, Ordering::Release},
        },
        thread,
    };

    struct World {
        event: EventCount,
        done: AtomicU32,
    }

    impl World {
        fn new() -> Arc<World> {
            Arc::new(World { event: EventCount { word: Futex::new(0) }, done: AtomicU32::new(0) })
        }

        fn wait_for(&self, count: u32) {
            self.event.wait_until(Deadline::NEVER, || (self.done.load(Acquire) >= count).then_some(()));
        }
    }

    #[test]
    fn no_notification_is_lost() {
        check(|| {
            let world = World::new();
            let other = world.clone();
            let thread = thread::spawn(move || {
                for i in 1..=2 {
                    other.done.store(i, Release);
                    other.event.notify();
                }
            });
            world.wait_for(2);
            thread.join().unwrap();
        });
    }

    #[test]
    fn two_waiters_are_both_woken() {
        check(|| {
            let world = World::new();
            let (first, second) = (world.clone(), world.clone());
            let first = thread::spawn(move || first.wait_for(1));
            let second = thread::spawn(move || second.wait_for(1));
            world.done.store(1, Release);
            world.event.notify();
            first.join().unwrap();
            second.join().unwrap();
        });
    }

    #[test]
    fn a_notifier_killed_before_the_wake_is_made_good_by_the_broadcast() {
        check(|| {
            let world = World::new();
            let victim = world.clone();
            let victim = thread::spawn(move || {
                let died = until(KillPoint::EventBeforeWake, || {
                    victim.done.store(1, Release);
                    victim.event.notify();
                });
                if died {
                    victim.event.broadcast();
                }
            });
            world.wait_for(1);
            victim.join().unwrap();
        });
    }

    #[test]
    fn a_waiter_killed_before_its_sleep_leaves_a_bit_that_harms_nobody() {
        check(|| {
            let world = World::new();
            let victim = world.clone();
            let victim = thread::spawn(move || {
                until(KillPoint::EventBeforeSleep, || victim.wait_for(1));
            });
            let peer = world.clone();
            let peer = thread::spawn(move || peer.wait_for(1));
            world.done.store(1, Release);
            world.event.notify();
            victim.join().unwrap();
            peer.join().unwrap();
        });
    }
}
