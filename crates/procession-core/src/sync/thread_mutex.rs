//! The mutex for users: it knows which thread of its holder has it, so that a thread that takes it twice gets an error.

use super::{Census, Locked, RawMutex};
use crate::{
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed},
    },
    members::Tag,
    sys::clock::Deadline,
    wait,
};
use std::cell::Cell;

/// The lock, and the thread that has it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ThreadMutex {
    lock: RawMutex,
    /// 0, or the holder's tag (bits 32..62) and thread (0..32): stored by the thread after it took the lock, and cleared before it
    /// releases it. So a thread that finds itself here, and its process's tag in the lock, has the lock. Anything else is for
    /// people.
    thread: AtomicU64,
}

/// The thread that asks has the lock already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WouldDeadlock;

impl ThreadMutex {
    #[cfg(loom)]
    pub(crate) fn new() -> ThreadMutex {
        ThreadMutex { lock: RawMutex::new(), thread: AtomicU64::new(0) }
    }

    /// For a lock that nobody knows yet.
    pub(crate) fn reset(&self) {
        self.lock.reset();
        self.thread.store(0, Relaxed);
    }

    /// Takes the lock, looking at it for a while. `None`: the deadline has passed, or it's time to sleep, with `lock_asleep`.
    #[inline]
    pub(crate) fn lock_awake(
        &self,
        me: Tag,
        census: &impl Census,
        deadline: Deadline,
    ) -> Result<Option<Locked>, WouldDeadlock> {
        let locked = match self.lock.try_lock_clean(me) {
            Some(locked) => Some(locked),
            None => self.look_at_lock(me, census, deadline)?,
        };
        Ok(locked.inspect(|_| self.name_thread(me)))
    }

    #[cold]
    fn look_at_lock(
        &self,
        me: Tag,
        census: &impl Census,
        deadline: Deadline,
    ) -> Result<Option<Locked>, WouldDeadlock> {
        if self.is_held_by_this_thread(me) {
            return Err(WouldDeadlock);
        }
        Ok(wait::spin_at_lock(deadline, || self.lock.try_lock(me, census)))
    }

    /// Takes the lock, for one who has looked for long enough; `None` when the deadline passed first.
    #[cold]
    pub(crate) fn lock_asleep(&self, me: Tag, census: &impl Census, deadline: Deadline) -> Option<Locked> {
        self.lock.lock_asleep(me, census, deadline).inspect(|_| self.name_thread(me))
    }

    #[inline]
    fn name_thread(&self, me: Tag) {
        self.thread.store(this_thread(me), Relaxed);
    }

    /// Wakes everybody who waits, see `RawMutex::disturb`.
    pub(crate) fn disturb(&self) {
        self.lock.disturb();
    }

    /// Takes the lock if it's free or its holder is dead; doesn't wait.
    pub(crate) fn try_lock(&self, me: Tag, census: &impl Census) -> Result<Option<Locked>, WouldDeadlock> {
        let locked = self.lock.try_lock(me, census);
        if locked.is_some() {
            self.name_thread(me);
        } else if self.is_held_by_this_thread(me) {
            return Err(WouldDeadlock);
        }
        Ok(locked)
    }

    /// Releases the lock. Only for the thread that has it.
    #[inline]
    pub(crate) fn unlock(&self) {
        self.thread.store(0, Relaxed);
        self.lock.unlock();
    }

    pub(crate) fn is_held_by_this_thread(&self, me: Tag) -> bool {
        self.lock.holder() == Some(me) && self.thread.load(Acquire) == this_thread(me)
    }

    /// Whether somebody has it who is dead.
    pub(crate) fn is_to_be_stolen(&self, me: Tag, census: &impl Census) -> bool {
        self.lock.holder() != Some(me) && self.lock.has_dead_holder(census)
    }

    /// Whether somebody has it, dead or alive.
    pub(crate) fn is_held(&self) -> bool {
        self.lock.holder().is_some()
    }

    /// Who has it, and which thread (0 if that isn't said yet).
    pub(crate) fn holder(&self) -> Option<(Tag, u32)> {
        let holder = self.lock.holder()?;
        let thread = self.thread.load(Acquire);
        let is_said = Tag::from_word((thread >> 32) as u32) == Some(holder);
        Some((holder, if is_said { thread as u32 } else { 0 }))
    }

    /// See `RawMutex::mark`.
    pub(crate) fn mark(&self, dead: Tag) {
        self.lock.mark(dead);
    }
}

#[inline]
fn this_thread(me: Tag) -> u64 {
    u64::from(me.bits()) << 32 | u64::from(thread_id())
}

/// This thread's number, as the kernel and all tools know it.
#[inline]
pub(crate) fn thread_id() -> u32 {
    thread_local! {
        static ID: Cell<u32> = const { Cell::new(0) };
    }
    let id = ID.get();
    if id != 0 {
        return id;
    }
    let id = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    ID.set(id);
    id
}
