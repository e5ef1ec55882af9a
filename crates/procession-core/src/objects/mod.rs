//! What any number of processes share by handles: locks, semaphores, events, values. One file for each; what they are made of
//! is in `sync`. `README.md` has their kill tables.
//!
//! A handle is cheap to clone, and can travel in messages: `share` is what travels, `from_share` is the other end.

mod array;
mod barrier;
pub(crate) mod busy;
mod condition;
mod event;
mod mutex;
mod once;
mod place;
mod poison;
mod reentrant_mutex;
mod rw_lock;
mod semaphore;
mod value;
pub(crate) mod waits;

pub(crate) use array::ArrayRecord;
pub use array::{Array, ArrayGuard};
pub use barrier::Barrier;
pub(crate) use barrier::BarrierRecord;
pub use condition::Condition;
pub(crate) use condition::ConditionRecord;
pub use event::Event;
pub(crate) use event::EventRecord;
pub(crate) use mutex::MutexRecord;
pub use mutex::{Mutex, MutexGuard};
pub use once::Once;
pub(crate) use once::OnceRecord;
pub(crate) use reentrant_mutex::ReentrantMutexRecord;
pub use reentrant_mutex::{ReentrantMutex, ReentrantMutexGuard};
pub(crate) use rw_lock::RwLockRecord;
pub use rw_lock::{ReadGuard, RwLock, WriteGuard};
pub(crate) use semaphore::SemaphoreRecord;
pub use semaphore::{Permit, Semaphore};
pub(crate) use value::ValueRecord;
pub use value::{Integer, Value, ValueGuard};
pub(crate) use waits::statistics;
pub use waits::{Party, Statistics, Wait, Waits, waits};

use crate::{
    arena::{Arena, Kind, Object},
    error::{Error, ErrorKind, Result},
    family,
    references::{Held, Shared},
    sync::{EventCount, Locked, RawMutex, ThreadMutex, WouldDeadlock},
    sys::{clock::Deadline, image::hash_text},
    wait,
};
use std::any::type_name;

/// Says that a type is the record of an object of the kind.
macro_rules! record {
    ($record:ty, $kind:ident) => {
        // SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
        unsafe impl crate::arena::Shared for $record {}

        impl crate::arena::Object for $record {
            const KIND: crate::arena::Kind = crate::arena::Kind::$kind;
        }
    };
}
use record;

/// Says the same of the record of an object that is a lock, and what a death does to it.
macro_rules! lock_record {
    ($record:ty, $kind:ident) => {
        record!($record, $kind);

        impl crate::references::Held for $record {
            fn mark(&self, _arena: &crate::arena::Arena, dead: crate::members::Owner) {
                self.lock.mark(dead.tag());
            }

            fn disturb(&self, _arena: &crate::arena::Arena) {
                self.lock.disturb();
            }

            fn holders(&self, arena: &crate::arena::Arena) -> crate::references::Holders {
                crate::references::Holders::of_lock(arena, self.lock.holder())
            }
        }
    };
}
use lock_record;

/// How a handle travels, and what people may know of it.
macro_rules! handle {
    ($handle:ident $(<$t:ident>)? $(, $field:ident)*) => {
        impl$(<$t: bytemuck::Pod>)? $handle$(<$t>)? {
            /// What travels in a message.
            pub fn share(&self) -> &std::sync::Arc<crate::references::Share> {
                self.shared.share()
            }

            /// Who has it, and who waits for it.
            pub fn statistics(&self) -> crate::objects::Statistics {
                crate::objects::statistics(&self.shared)
            }
        }

        impl$(<$t: bytemuck::Pod>)? Clone for $handle$(<$t>)? {
            fn clone(&self) -> Self {
                Self { shared: self.shared.clone() $(, $field: Clone::clone(&self.$field))* }
            }
        }

        impl$(<$t: bytemuck::Pod>)? std::fmt::Debug for $handle$(<$t>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.statistics().fmt_as(f, stringify!($handle), &self.details())
            }
        }
    };
}
pub(crate) use handle;

/// Tells objects with values of different types apart.
pub(crate) fn signature<T>() -> u64 {
    hash_text(type_name::<T>())
}

/// Waits until `ready` gives something; `None` when the deadline passed first.
///
/// # Errors
///
/// Shut down: the manager that made the object.
pub(crate) fn block_on<T: Object + Held + 'static, R>(
    object: &Shared<T>,
    change: &EventCount,
    deadline: Deadline,
    mut ready: impl FnMut() -> Option<R>,
) -> Result<Option<R>> {
    let found = match wait::spin(deadline, &mut ready) {
        None => {
            let _note = waits::note(object, deadline);
            object.wait(deadline, |deadline| change.sleep_until(deadline, &mut ready))?
        }
        found => found,
    };
    // What became ready because everything was closed is nothing to be had.
    object.check()?;
    Ok(found)
}

/// Takes a lock that is part of the object; `None` when the deadline passed first.
#[inline]
fn lock<T: Object + Held + 'static>(
    object: &Shared<T>,
    lock: &ThreadMutex,
    arena: &'static Arena,
    deadline: Deadline,
) -> Result<Result<Option<Locked>, WouldDeadlock>> {
    let me = arena.me().tag();
    match lock.lock_awake(me, arena, deadline) {
        Ok(None) => lock_asleep(object, deadline, |deadline| lock.lock_asleep(me, arena, deadline)).map(Ok),
        locked => Ok(locked),
    }
}

/// The same, for one who has looked for long enough, of any lock that `take` waits for.
#[cold]
pub(crate) fn lock_asleep<T: Object + Held + 'static>(
    object: &Shared<T>,
    deadline: Deadline,
    take: impl FnMut(Deadline) -> Option<Locked>,
) -> Result<Option<Locked>> {
    let _note = waits::note(object, deadline);
    object.wait(deadline, take)
}

/// Takes a lock that isn't free at once.
///
/// # Errors
///
/// Timed out: somebody has had it until the deadline. Shut down.
#[cold]
pub(crate) fn lock_slowly<T: Object + Held + 'static>(
    object: &Shared<T>,
    lock: &RawMutex,
    deadline: Deadline,
) -> Result<Locked> {
    let arena = &family::current()?.arena;
    let me = arena.me().tag();
    let locked = match wait::spin_at_lock(deadline, || lock.try_lock(me, arena)) {
        None => lock_asleep(object, deadline, |deadline| lock.lock_asleep(me, arena, deadline))?,
        locked => locked,
    };
    locked.ok_or_else(|| {
        Error::new(ErrorKind::TimedOut, format!("somebody has a lock of the {:?} for long", T::KIND))
    })
}

#[cold]
fn would_deadlock(kind: Kind) -> impl FnOnce(WouldDeadlock) -> Error {
    move |WouldDeadlock| {
        Error::new(
            ErrorKind::WouldDeadlock,
            format!("this thread has the {kind:?} already, and would wait for itself"),
        )
    }
}

/// When one who waits is to look whether those it waits for have died.
struct Watch {
    deaths: Option<u64>,
    ask: Deadline,
}

impl Watch {
    fn new() -> Watch {
        Watch { deaths: None, ask: Deadline::after(wait::SLICE) }
    }

    /// Gives a test for the slots of the dead if there may be new ones: after a death was marked; and after a whole slice of
    /// waiting, when the kernel is asked.
    fn look(&mut self, arena: &'static Arena) -> Option<impl Fn(usize) -> bool + use<>> {
        let deaths = Some(arena.deaths());
        let ask = self.ask.has_passed();
        if deaths == self.deaths && !ask {
            return None;
        }
        self.deaths = deaths;
        if ask {
            self.ask = Deadline::after(wait::SLICE);
        }
        Some(move |slot| arena.members().is_vacant(slot, ask))
    }
}
