//! What any number of processes share by handles: locks, semaphores, events, values. One file for each; what they are made of
//! is in `sync`. `README.md` has the kill tables.
//!
//! A handle is cheap to clone, and can travel in messages: `share` is what travels, `from_share` is the other end.

mod event;

pub use event::Event;
pub(crate) use event::EventRecord;

use crate::{
    arena::Object,
    error::Result,
    references::{Held, Shared},
    sync::EventCount,
    sys::clock::Deadline,
    wait,
};

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
pub(crate) use record;

/// Waits until `ready` gives something; `None` when the deadline passed first.
fn block_on<T: Object + Held + 'static, R>(
    _object: &Shared<T>,
    change: &EventCount,
    deadline: Deadline,
    mut ready: impl FnMut() -> Option<R>,
) -> Result<Option<R>> {
    Ok(wait::spin(&mut ready).or_else(|| change.sleep_until(deadline, ready)))
}
