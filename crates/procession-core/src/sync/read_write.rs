//! A lock for many readers or one writer: each member counts its own readers, and a writer adds them up.
//!
//! The idea is the kernel's "big reader lock": readers of different processes share no word that they write.

use super::{Census, EventCount, Locked, ThreadMutex};
use crate::{
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, SeqCst},
        fence,
    },
    kill_point::kill_point,
    members::Tag,
    sys::barrier,
};

/// The words besides the readers' counts, of which there is one for each slot.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct RawReadWrite {
    /// Had by the writer; also while it waits for the readers to leave, so that no new ones come.
    writer: ThreadMutex,
    /// Readers wait here for the writer, the writer for the readers.
    change: EventCount,
}

/// For each slot, how many readers its member has.
pub(crate) type Readers = [AtomicU32];

impl RawReadWrite {
    /// For a lock that nobody knows yet.
    pub(crate) fn reset(&self) {
        self.writer.reset();
    }

    pub(crate) fn writer(&self) -> &ThreadMutex {
        &self.writer
    }

    pub(crate) fn change(&self) -> &EventCount {
        &self.change
    }

    /// Begins to read, if nobody writes or wants to. `again`: this thread reads already, so that nobody can be writing.
    pub(crate) fn try_read(&self, readers: &Readers, slot: usize, again: bool) -> bool {
        if again {
            readers[slot].fetch_add(1, SeqCst);
            return true;
        }
        if self.writer.is_held() {
            return false;
        }
        readers[slot].fetch_add(1, SeqCst);
        kill_point!(ReadWriteAfterCount);
        // Either the writer sees the count, or this sees the writer.
        barrier::after_locked();
        if self.writer.is_held() {
            self.end_read(readers, slot);
            return false;
        }
        true
    }

    /// Ends to read.
    pub(crate) fn end_read(&self, readers: &Readers, slot: usize) {
        readers[slot].fetch_sub(1, SeqCst);
        kill_point!(ReadWriteAfterUncount);
        self.change.notify();
    }

    /// Says that the writer is dead, if its slot is vacant.
    pub(crate) fn mark_writer_if(&self, is_vacant: impl Fn(usize) -> bool) {
        if let Some((holder, _)) = self.writer.holder()
            && holder.slot().is_some_and(is_vacant)
        {
            self.writer.mark(holder);
        }
    }

    /// On behalf of a reader: if the writer is dead, ends its writing. `found` is called if nobody else has found that.
    pub(crate) fn bury_writer(&self, me: Tag, census: &impl Census, found: impl FnOnce()) {
        if !self.writer.is_to_be_stolen(me, census) {
            return;
        }
        // Another may have been faster, and the lock may be free by now: then this had it for nothing.
        if let Ok(Some(locked)) = self.writer.try_lock(me, census) {
            if locked == Locked::Recovered {
                found();
            }
            self.end_write();
        }
    }

    /// Takes the writer's place, in one of the ways in which its lock can be taken; the readers that are there may still read.
    pub(crate) fn begin_write<R>(&self, take: impl FnOnce(&ThreadMutex) -> R) -> R {
        let taken = take(&self.writer);
        fence(SeqCst);
        taken
    }

    /// Whether somebody reads whose slot `is_dead` doesn't say has died.
    pub(crate) fn has_readers(&self, readers: &Readers, is_dead: impl Fn(usize) -> bool) -> bool {
        readers.iter().enumerate().any(|(slot, count)| count.load(SeqCst) != 0 && !is_dead(slot))
    }

    /// Ends to write, or to want to.
    pub(crate) fn end_write(&self) {
        self.writer.unlock();
        self.change.notify();
    }

    /// The dead member's readers are gone.
    pub(crate) fn forget(&self, readers: &Readers, slot: usize) {
        if readers[slot].load(Acquire) != 0 {
            readers[slot].store(0, Relaxed);
        }
    }

    pub(crate) fn mark(&self, dead: Tag) {
        self.writer.mark(dead);
        self.change.broadcast();
    }

    /// Wakes everybody who waits: they look again whether they still want to.
    pub(crate) fn disturb(&self) {
        self.writer.disturb();
        self.change.broadcast();
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::{
        kill_point::{KillPoint, check, until},
        sync::model::{Dead, tag},
        sys::clock::Deadline,
    };
    use loom::{cell::UnsafeCell, sync::Arc, thread};

    struct World {
        lock: RawReadWrite,
        readers: [AtomicU32; 3],
        dead: Dead,
        value: UnsafeCell<u32>,
    }

    impl World {
        fn new() -> Arc<World> {
            Arc::new(World {
                lock: RawReadWrite { writer: ThreadMutex::new(), change: EventCount::new() },
                readers: std::array::from_fn(|_| AtomicU32::new(0)),
                dead: Dead::nobody(),
                value: UnsafeCell::new(0),
            })
        }

        fn is_dead(&self, slot: usize) -> bool {
            self.dead.is_marked_dead(tag(slot))
        }

        fn write(&self, slot: usize) {
            let (me, never) = (tag(slot), Deadline::NEVER);
            let _ = self.lock.begin_write(|writer| {
                let locked = writer.lock_awake(me, &self.dead, never).unwrap();
                locked.or_else(|| writer.lock_asleep(me, &self.dead, never)).unwrap()
            });
            let left = || (!self.lock.has_readers(&self.readers, |slot| self.is_dead(slot))).then_some(());
            self.lock.change.wait_until(Deadline::NEVER, left);
            // SAFETY: bounds: one value. Aliasing: no reader and no other writer, which loom checks. Lifetime: in the world.
            self.value.with_mut(|value| unsafe { *value += 1 });
            self.lock.end_write();
        }

        fn read(&self, slot: usize) -> u32 {
            self.lock.change.wait_until(Deadline::NEVER, || {
                self.lock.bury_writer(tag(slot), &self.dead, || ());
                self.lock.try_read(&self.readers, slot, false).then_some(())
            });
            // SAFETY: bounds: one value. Aliasing: nobody writes, which loom checks. Lifetime: in the world.
            let value = self.value.with(|value| unsafe { *value });
            self.lock.end_read(&self.readers, slot);
            value
        }

        fn bury(&self, slot: usize) {
            self.dead.set(tag(slot));
            self.lock.mark(tag(slot));
        }
    }

    #[test]
    fn readers_and_a_writer_exclude_each_other() {
        check(|| {
            let world = World::new();
            let other = world.clone();
            let thread = thread::spawn(move || other.write(0));
            assert!(world.read(1) <= 1);
            thread.join().unwrap();
            assert_eq!(world.read(1), 1);
        });
    }

    fn survives(point: KillPoint, victim_writes: bool) {
        check(move || {
            let world = World::new();
            let victim = world.clone();
            let victim = thread::spawn(move || {
                let died = until(point, || {
                    if victim_writes {
                        victim.write(0);
                    } else {
                        victim.read(0);
                    }
                });
                if died {
                    victim.bury(0);
                }
            });
            world.write(1);
            world.read(1);
            victim.join().unwrap();
        });
    }

    #[test]
    fn survives_a_reader_that_counted_itself() {
        survives(KillPoint::ReadWriteAfterCount, false);
    }

    #[test]
    fn survives_a_reader_that_left() {
        survives(KillPoint::ReadWriteAfterUncount, false);
    }

    #[test]
    fn survives_the_writer() {
        survives(KillPoint::MutexAfterLock, true);
    }

    #[test]
    fn survives_a_writer_about_to_end() {
        survives(KillPoint::MutexBeforeUnlock, true);
    }
}
