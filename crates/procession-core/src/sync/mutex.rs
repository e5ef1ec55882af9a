//! A mutex in one word of shared memory that survives the death of whoever holds it, waits for it or was woken for it.

use crate::{
    atomic::Ordering::{AcqRel, Acquire, Relaxed, Release},
    kill_point::kill_point,
    members::Tag,
    sync::Census,
    sys::{clock::Deadline, futex},
    wait,
};

/// The word:
///
/// | bits 0..30 | bit 30 | bit 31 | meaning |
/// |---|---|---|---|
/// | 0 | 0 | 0 | free, nobody sleeps |
/// | 0 | 0 | 1 | free, somebody may sleep: the next unlocker wakes one again |
/// | tag | 0 | 0 or 1 | held by the process that the tag names; with bit 31 somebody may sleep |
/// | tag | 1 | 0 or 1 | its holder died; the next one steals it |
/// | 0 | 1 | any | impossible |
#[derive(Debug)]
#[cfg_attr(not(loom), repr(transparent))]
pub(crate) struct RawMutex {
    word: futex::Futex,
}

const DIED: u32 = 1 << 30;
const WAITERS: u32 = 1 << 31;

/// How the lock was got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Locked {
    /// From somebody who released it.
    Clean,
    /// From a dead holder: what it protects may be half changed, and is now the caller's to repair.
    Recovered,
}

impl RawMutex {
    #[cfg(loom)]
    pub(crate) fn new() -> RawMutex {
        RawMutex { word: futex::Futex::new(0) }
    }

    /// For a lock that nobody knows yet: it's free.
    pub(crate) fn reset(&self) {
        self.word.store(0, Relaxed);
    }

    /// Takes the lock, waiting until `deadline`; `None` when that passed.
    ///
    /// A stopped holder isn't dead: the lock is taken only from a process that is known to have ended.
    #[inline]
    pub(crate) fn lock(&self, me: Tag, census: &impl Census, deadline: Deadline) -> Option<Locked> {
        self.try_lock_clean(me)
            .or_else(|| wait::spin_at_lock(deadline, || self.try_lock(me, census)))
            .or_else(|| self.lock_asleep(me, census, deadline))
    }

    /// Takes the lock if nobody has it or sleeps for it.
    #[inline]
    pub(crate) fn try_lock_clean(&self, me: Tag) -> Option<Locked> {
        self.word.compare_exchange(0, me.bits(), Acquire, Relaxed).ok()?;
        kill_point!(MutexAfterLock);
        Some(Locked::Clean)
    }

    /// Takes the lock if it's free or its holder is dead.
    pub(crate) fn try_lock(&self, me: Tag, census: &impl Census) -> Option<Locked> {
        self.try_take(me, 0, census)
    }

    /// Who has the lock, dead or alive.
    pub(crate) fn holder(&self) -> Option<Tag> {
        Tag::from_word(self.word.load(Acquire))
    }

    /// Whether somebody has the lock who is said to be dead, by the word or the process table.
    pub(crate) fn has_dead_holder(&self, census: &impl Census) -> bool {
        let word = self.word.load(Acquire);
        Tag::from_word(word).is_some_and(|holder| RawMutex::is_dead(word, holder, census))
    }

    fn is_dead(word: u32, holder: Tag, census: &impl Census) -> bool {
        word & DIED != 0 || census.is_marked_dead(holder)
    }

    /// Takes the lock like `lock`, for one who has looked for long enough.
    #[cold]
    pub(crate) fn lock_asleep(&self, me: Tag, census: &impl Census, deadline: Deadline) -> Option<Locked> {
        // One who slept takes the lock with the bit set: others may sleep whose bit was cleared in the meantime.
        let mut slept = 0;
        loop {
            if let Some(locked) = self.try_take(me, slept, census) {
                return Some(locked);
            }
            if deadline.has_passed() {
                if deadline.is_called_off() {
                    // The bit that this thread set may keep another asleep, who didn't see that.
                    self.disturb();
                } else if slept != 0 {
                    self.pass_on();
                }
                return None;
            }
            let word = self.word.load(Relaxed);
            // Free, or to be stolen, since the look above: whoever marked it has already woken those who slept.
            let Some(holder) = Tag::from_word(word).filter(|_| word & DIED == 0) else { continue };
            let asleep = word | WAITERS;
            if word != asleep && self.word.compare_exchange(word, asleep, AcqRel, Relaxed).is_err() {
                continue;
            }
            kill_point!(MutexBeforeSleep);
            // With the bit set: who calls it off from now on changes the word.
            if deadline.is_called_off() {
                continue;
            }
            let slice = deadline.at_most(wait::SLICE);
            self.word.wait(asleep, slice);
            slept = WAITERS;
            kill_point!(MutexAfterWake);
            if slice.has_passed() && census.is_gone(holder) {
                self.mark(holder);
            }
        }
    }

    /// Of one who slept and goes without the lock: the wake-up that it may have had was for any of those who sleep.
    fn pass_on(&self) {
        if Tag::from_word(self.word.fetch_or(WAITERS, Relaxed)).is_none() {
            self.word.wake(1);
        }
    }

    /// Wakes everybody who waits: they look again whether they still want to. To be called after that was published.
    ///
    /// Takes the bit away, so that one who is about to sleep doesn't; whoever goes on waiting sets it again. If this process is killed
    /// in between, they look when their slice ends.
    pub(crate) fn disturb(&self) {
        self.word.fetch_and(!WAITERS, AcqRel);
        self.word.wake(futex::ALL);
    }

    /// Takes the lock if it's free or its holder is dead. Keeps the waiter bit: whoever slept is still asleep.
    fn try_take(&self, me: Tag, slept: u32, census: &impl Census) -> Option<Locked> {
        let word = self.word.load(Relaxed);
        let how = match Tag::from_word(word) {
            None => Locked::Clean,
            Some(holder) if RawMutex::is_dead(word, holder, census) => Locked::Recovered,
            Some(_) => return None,
        };
        self.word.compare_exchange(word, word & WAITERS | slept | me.bits(), Acquire, Relaxed).ok()?;
        if how == Locked::Recovered {
            kill_point!(MutexAfterSteal);
        } else {
            kill_point!(MutexAfterLock);
        }
        Some(how)
    }

    /// Releases the lock. Only for its holder.
    #[inline]
    pub(crate) fn unlock(&self) {
        kill_point!(MutexBeforeUnlock);
        // Subtracting is one instruction where clearing would be a loop; of these bits only the holder changes any.
        let holder = self.word.load(Relaxed) & Tag::MASK;
        if self.word.fetch_sub(holder, Release) & WAITERS != 0 {
            self.wake_one();
        }
    }

    /// Releases the lock as if its holder had died: the next one repairs what it protects. For one who took it from the dead, and
    /// isn't the one who can.
    #[cold]
    pub(crate) fn resign(&self) {
        if self.word.fetch_or(DIED, Release) & WAITERS != 0 {
            self.word.wake(1);
        }
    }

    #[cold]
    fn wake_one(&self) {
        kill_point!(MutexBeforeWake);
        // The bit stays while anybody sleeps: if the woken one is killed before it takes the lock, the next to unlock
        // wakes another.
        if self.word.wake(1) == 0 {
            let _ = self.word.compare_exchange(WAITERS, 0, Relaxed, Relaxed);
        }
    }

    /// Says that `dead` has died, and wakes everybody: they find the lock free, held by another, or to be stolen.
    ///
    /// Changes the word if `dead` holds the lock, so that one who was about to sleep on the old word doesn't.
    pub(crate) fn mark(&self, dead: Tag) {
        let mut word = self.word.load(Relaxed);
        while Tag::from_word(word) == Some(dead) && word & DIED == 0 {
            match self.word.compare_exchange(word, word | DIED, Release, Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        self.word.wake(futex::ALL);
    }

    /// The same for one of very many locks: wakes nobody if nobody seems to sleep. (One whose waker was killed may, at worst until its slice
    /// ends.)
    pub(crate) fn mark_one_of_many(&self, dead: Tag) {
        if self.word.load(Relaxed) != 0 {
            self.mark(dead);
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        atomic::{AtomicU64, Ordering::SeqCst},
        kill_point::{KillPoint, check, until},
        sync::model::{Dead, tag},
        sys::futex::Futex,
    };
    use loom::{cell::UnsafeCell, sync::Arc, thread};

    struct World {
        mutex: RawMutex,
        dead: Dead,
        value: UnsafeCell<u32>,
    }

    impl World {
        fn new() -> Arc<World> {
            Arc::new(World {
                mutex: RawMutex { word: Futex::new(0) },
                dead: Dead::nobody(),
                value: UnsafeCell::new(0),
            })
        }

        fn add_one(&self, me: Tag) {
            let _ = self.mutex.lock(me, &self.dead, Deadline::NEVER).unwrap();
            // SAFETY: bounds: one value. Aliasing: the lock is held, which loom checks. Lifetime: in the world.
            self.value.with_mut(|v| unsafe { *v += 1 });
            self.mutex.unlock();
        }
    }

    #[test]
    fn excludes_and_loses_no_wake() {
        check(|| {
            let world = World::new();
            let other = world.clone();
            let thread = thread::spawn(move || other.add_one(tag(1)));
            world.add_one(tag(2));
            thread.join().unwrap();
            let _ = world.mutex.lock(tag(3), &world.dead, Deadline::NEVER).unwrap();
            // SAFETY: bounds: one value. Aliasing: the lock is held. Lifetime: in the world.
            assert_eq!(world.value.with(|v| unsafe { *v }), 2);
        });
    }

    /// One process is killed at the point, the monitor marks it, and the others still get the lock.
    fn survives(point: KillPoint) {
        check(move || {
            let world = World::new();
            let (victim, peer) = (world.clone(), world.clone());
            let victim = thread::spawn(move || {
                if until(point, || victim.add_one(tag(1))) {
                    victim.dead.set(tag(1));
                    victim.mutex.mark(tag(1));
                }
            });
            let peer = thread::spawn(move || peer.add_one(tag(2)));
            world.add_one(tag(3));
            victim.join().unwrap();
            peer.join().unwrap();
            let _ = world.mutex.lock(tag(4), &world.dead, Deadline::NEVER).unwrap();
            // SAFETY: bounds: one value. Aliasing: the lock is held. Lifetime: in the world.
            assert!(world.value.with(|v| unsafe { *v }) >= 2);
        });
    }

    #[test]
    fn nobody_sleeps_through_being_called_off() {
        check(|| {
            let world = World::new();
            let news: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
            let _ = world.mutex.lock(tag(1), &world.dead, Deadline::NEVER).unwrap();
            let waiters = [2, 3].map(|slot| {
                let world = world.clone();
                let deadline = Deadline::NEVER.called_off_by(news, 0);
                thread::spawn(move || assert!(world.mutex.lock(tag(slot), &world.dead, deadline).is_none()))
            });
            news.store(1, SeqCst);
            world.mutex.disturb();
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
            world.mutex.unlock();
        });
    }

    #[test]
    fn others_get_the_lock_although_one_is_called_off() {
        check(|| {
            let world = World::new();
            let news: &'static AtomicU64 = Box::leak(Box::new(AtomicU64::new(0)));
            let (one, other) = (world.clone(), world.clone());
            let one = thread::spawn(move || {
                let deadline = Deadline::NEVER.called_off_by(news, 0);
                if one.mutex.lock(tag(1), &one.dead, deadline).is_some() {
                    one.mutex.unlock();
                }
            });
            let other = thread::spawn(move || other.add_one(tag(2)));
            news.store(1, SeqCst);
            world.mutex.disturb();
            world.add_one(tag(3));
            one.join().unwrap();
            other.join().unwrap();
        });
    }

    #[test]
    fn survives_the_holder() {
        survives(KillPoint::MutexAfterLock);
    }

    #[test]
    fn survives_one_about_to_unlock() {
        survives(KillPoint::MutexBeforeUnlock);
    }

    #[test]
    fn survives_an_unlocker_that_wakes_nobody() {
        survives(KillPoint::MutexBeforeWake);
    }

    #[test]
    fn survives_one_about_to_sleep() {
        survives(KillPoint::MutexBeforeSleep);
    }

    #[test]
    fn survives_a_waiter_that_was_woken() {
        survives(KillPoint::MutexAfterWake);
    }

    #[test]
    fn survives_the_thief() {
        check(|| {
            let world = World::new();
            let _ = world.mutex.lock(tag(1), &world.dead, Deadline::NEVER).unwrap();
            world.dead.set(tag(1));
            let thief = world.clone();
            let thief = thread::spawn(move || {
                if until(KillPoint::MutexAfterSteal, || thief.add_one(tag(2))) {
                    thief.dead.set(tag(2));
                    thief.mutex.mark(tag(2));
                }
            });
            world.mutex.mark(tag(1));
            world.add_one(tag(3));
            thief.join().unwrap();
        });
    }
}
