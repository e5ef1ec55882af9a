//! An event count: sleep until something changed that one looked at before.
//!
//! The idea is from Reed and Kanodia (1979); this form, one word with a sequence and a waiter bit, is folklore. The
//! condition itself lies elsewhere (a ring's tail, a state word), so one event count serves any number of conditions.

use crate::{
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, SeqCst},
    },
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
    #[cfg(loom)]
    pub(crate) fn new() -> EventCount {
        EventCount { word: futex::Futex::new(0) }
    }

    /// Wakes everybody who waits. To be called after the change was published; nearly free when nobody sleeps.
    #[inline]
    pub(crate) fn notify(&self) {
        barrier::light();
        if self.word.load(Relaxed) & WAITERS != 0 {
            self.notify_slow();
        }
    }

    /// Wakes one of those who wait, whoever it is: for changes that one of them uses up. To be called after the change was
    /// published.
    ///
    /// The bit stays: if the one who was woken is killed before it uses the change up, that's seen by the mark, which wakes
    /// all; if others still sleep, the next call wakes another.
    #[inline]
    pub(crate) fn notify_one(&self) {
        barrier::light();
        if self.word.load(Relaxed) & WAITERS != 0 {
            self.notify_one_slow();
        }
    }

    /// For one that was woken and doesn't use up what it was woken for: wakes another instead. Without a change, since that was published
    /// before: whoever isn't asleep sees it.
    pub(crate) fn pass_on(&self) {
        if self.word.load(Relaxed) & WAITERS != 0 {
            self.word.wake(1);
        }
    }

    #[cold]
    fn notify_one_slow(&self) {
        self.word.fetch_add(STEP, SeqCst);
        kill_point!(EventCountBeforeWakeOne);
        if self.word.wake(1) == 0 {
            // Nobody slept, so the bit can go; whoever is about to sleep looks again, because the word changes once more.
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
                    kill_point!(EventCountBeforeWake);
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

    /// Announces a wait for whatever comes after this call; to be given to `has_changed` and `sleep`.
    pub(crate) fn announce(&self) -> u32 {
        self.word.fetch_or(WAITERS, SeqCst) | WAITERS
    }

    /// The word to sleep on after the announcement, and what is expected of it.
    pub(crate) fn word(&self, key: u32) -> (&AtomicU32, u32) {
        (&self.word, key)
    }

    /// Whether somebody notified since the announcement.
    pub(crate) fn has_changed(&self, key: u32) -> bool {
        self.word.load(Acquire) & !WAITERS != key & !WAITERS
    }

    /// Sleeps until somebody notifies; or the deadline passes, or a slice of it, or for no reason at all.
    pub(crate) fn sleep(&self, key: u32, deadline: Deadline) {
        kill_point!(EventCountBeforeSleep);
        self.word.wait(key, deadline.at_most(wait::SLICE));
    }

    /// Waits until `ready` gives something; `None` when the deadline passed first.
    ///
    /// `ready` is also called now and then without a notification, so that it can look at who is alive.
    pub(crate) fn wait_until<T>(
        &self,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        wait::spin(deadline, &mut ready).or_else(|| self.sleep_until(deadline, ready))
    }

    /// Like `wait_until`, for one whom nobody expects to be quick: sleeps at once instead of looking for a while first.
    pub(crate) fn sleep_until<T>(
        &self,
        deadline: Deadline,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        loop {
            let key = self.announce();
            // Either the notifier sees the bit, or `ready` sees the change.
            barrier::heavy();
            if let Some(value) = ready() {
                return Some(value);
            }
            if deadline.has_passed() {
                return None;
            }
            self.sleep(key, deadline);
            // Before the next announcement, whose fence is dear: mostly it was woken because there is something.
            if let Some(value) = ready() {
                return Some(value);
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        atomic::AtomicU64,
        kill_point::{KillPoint, check, until},
        sys::futex::Futex,
    };
    use loom::{
        sync::{Arc, atomic::Ordering::Release},
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
    fn nobody_sleeps_through_being_called_off() {
        check(|| {
            let world = World::new();
            let news: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
            let waiters = [(); 2].map(|()| {
                let world = world.clone();
                let deadline = Deadline::NEVER.called_off_by(news, 0);
                thread::spawn(move || assert!(world.event.wait_until(deadline, || None::<()>).is_none()))
            });
            news.store(1, SeqCst);
            world.event.broadcast();
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        });
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

    /// Two waiters for two things, each notified once to one of them.
    #[test]
    fn each_of_two_changes_wakes_one() {
        check(|| {
            let world = World::new();
            let waiters: Vec<_> = (0..2)
                .map(|_| {
                    let world = world.clone();
                    thread::spawn(move || {
                        let take = |n: u32| n.checked_sub(1);
                        let ready = || world.done.fetch_update(Acquire, Acquire, take).ok();
                        world.event.wait_until(Deadline::NEVER, ready);
                    })
                })
                .collect();
            for _ in 0..2 {
                world.done.fetch_add(1, Release);
                world.event.notify_one();
            }
            for waiter in waiters {
                waiter.join().unwrap();
            }
        });
    }

    #[test]
    fn one_killed_before_it_wakes_one_is_made_good_by_the_broadcast() {
        check(|| {
            let world = World::new();
            let victim = world.clone();
            let victim = thread::spawn(move || {
                let died = until(KillPoint::EventCountBeforeWakeOne, || {
                    victim.done.store(1, Release);
                    victim.event.notify_one();
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
    fn a_notifier_killed_before_the_wake_is_made_good_by_the_broadcast() {
        check(|| {
            let world = World::new();
            let victim = world.clone();
            let victim = thread::spawn(move || {
                let died = until(KillPoint::EventCountBeforeWake, || {
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
                until(KillPoint::EventCountBeforeSleep, || victim.wait_for(1));
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
