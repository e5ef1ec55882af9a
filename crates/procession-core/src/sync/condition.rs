//! A condition variable: one waits for a notification, having let go of a lock only after it was sure to be noticed.

use super::EventCount;
use crate::{sys::clock::Deadline, wait};

/// Where those who wait sleep. Its number changes with each notification, and the one it had when they let go of the lock is
/// what they compare.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(transparent))]
pub(crate) struct RawCondition {
    change: EventCount,
}

impl RawCondition {
    /// Lets go of the lock, and waits for a notification that comes after that: whether there was one before the deadline.
    /// `asleep` is called with what sleeps until a deadline, if it comes to that.
    pub(crate) fn wait<E>(
        &self,
        unlock: impl FnOnce(),
        deadline: Deadline,
        asleep: impl FnOnce(&mut dyn FnMut(Deadline) -> Option<()>) -> Result<Option<()>, E>,
    ) -> Result<bool, E> {
        // Under the lock: who notifies after this thread has let go of it sees this.
        let key = self.change.announce();
        unlock();
        let notified = || self.change.has_changed(key).then_some(());
        let mut sleep = |deadline: Deadline| {
            loop {
                if notified().is_some() || deadline.has_passed() {
                    return notified();
                }
                self.change.sleep(key, deadline);
            }
        };
        let notified = match wait::spin(deadline, notified) {
            None => asleep(&mut sleep)?,
            notified => notified,
        };
        Ok(notified.is_some())
    }

    pub(crate) fn notify_one(&self) {
        self.change.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.change.notify();
    }

    /// Wakes everybody, after a death: one who was woken may be the one that died.
    pub(crate) fn mark(&self) {
        self.change.broadcast();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        kill_point::{KillPoint, check, until},
        members::Tag,
        sync::{
            RawMutex,
            model::{Dead, tag},
        },
    };
    use loom::{cell::UnsafeCell, sync::Arc, thread};

    struct World {
        lock: RawMutex,
        condition: RawCondition,
        tokens: UnsafeCell<u32>,
        dead: Dead,
    }

    impl World {
        fn new() -> Arc<World> {
            Arc::new(World {
                lock: RawMutex::new(),
                condition: RawCondition { change: EventCount::new() },
                tokens: UnsafeCell::new(0),
                dead: Dead::nobody(),
            })
        }

        fn lock(&self, me: Tag) {
            let _ = self.lock.lock(me, &self.dead, Deadline::NEVER).unwrap();
        }

        fn tokens<R>(&self, f: impl FnOnce(&mut u32) -> R) -> R {
            // SAFETY: bounds: one value. Aliasing: the lock is held, which loom checks. Lifetime: in the world.
            self.tokens.with_mut(|tokens| f(unsafe { &mut *tokens }))
        }

        fn take(&self, me: Tag) {
            self.lock(me);
            while self.tokens(|tokens| *tokens == 0) {
                let asleep =
                    |sleep: &mut dyn FnMut(Deadline) -> Option<()>| Ok::<_, ()>(sleep(Deadline::NEVER));
                self.condition.wait(|| self.lock.unlock(), Deadline::NEVER, asleep).unwrap();
                self.lock(me);
            }
            self.tokens(|tokens| *tokens -= 1);
            self.lock.unlock();
        }

        fn put(&self, me: Tag, all: bool) {
            self.lock(me);
            self.tokens(|tokens| *tokens += 1);
            self.lock.unlock();
            if all { self.condition.notify_all() } else { self.condition.notify_one() }
        }

        fn bury(&self, dead: Tag) {
            self.dead.set(dead);
            self.lock.mark(dead);
            self.condition.mark();
        }
    }

    #[test]
    fn no_notification_after_the_lock_is_lost() {
        for all in [true, false] {
            check(move || {
                let world = World::new();
                let taker = world.clone();
                let taker = thread::spawn(move || taker.take(tag(1)));
                world.put(tag(2), all);
                taker.join().unwrap();
            });
        }
    }

    #[test]
    fn one_token_for_each_of_two() {
        check(|| {
            let world = World::new();
            let (first, second) = (world.clone(), world.clone());
            let first = thread::spawn(move || first.take(tag(1)));
            let second = thread::spawn(move || second.take(tag(2)));
            world.put(tag(3), false);
            world.put(tag(3), false);
            first.join().unwrap();
            second.join().unwrap();
        });
    }

    /// One of two who wait is killed; the other gets the token, or the dead one had taken it.
    fn survives(point: KillPoint) {
        check(move || {
            let world = World::new();
            let victim = world.clone();
            let victim = thread::spawn(move || {
                let died = until(point, || victim.take(tag(1)));
                if died {
                    victim.bury(tag(1));
                }
                died
            });
            world.put(tag(3), false);
            let died = victim.join().unwrap();
            if !died {
                world.put(tag(3), false);
            }
            world.take(tag(2));
        });
    }

    #[test]
    fn survives_one_about_to_sleep() {
        survives(KillPoint::EventCountBeforeSleep);
    }

    #[test]
    fn survives_one_woken_that_waits_for_the_lock() {
        survives(KillPoint::MutexBeforeSleep);
    }

    #[test]
    fn survives_one_that_notifies() {
        check(|| {
            let world = World::new();
            let victim = world.clone();
            let victim = thread::spawn(move || {
                if until(KillPoint::EventCountBeforeWakeOne, || victim.put(tag(1), false)) {
                    victim.bury(tag(1));
                }
            });
            world.take(tag(2));
            victim.join().unwrap();
        });
    }
}
