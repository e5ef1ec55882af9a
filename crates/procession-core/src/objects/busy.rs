//! What a thread is changing while code of the user's runs, so that it doesn't wait for itself.

use crate::{
    arena::Kind,
    error::{Error, ErrorKind, Result},
};
use std::{cell::RefCell, marker::PhantomData};

thread_local! {
    /// The generations of these objects.
    static BUSY: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// While this is there, the thread takes no lock of that object. It stays in its thread.
#[derive(Debug)]
pub(crate) struct Busy(u64, PhantomData<*const ()>);

impl Busy {
    pub(crate) fn new(generation: u64) -> Busy {
        // A thread that is ending can do without.
        let _ = BUSY.try_with(|busy| busy.borrow_mut().push(generation));
        Busy(generation, PhantomData)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = BUSY.try_with(|busy| {
            let mut busy = busy.borrow_mut();
            if let Some(at) = busy.iter().rposition(|generation| *generation == self.0) {
                busy.remove(at);
            }
        });
    }
}

/// Whether the thread is changing that object.
#[inline]
pub(crate) fn is_busy(generation: u64) -> bool {
    BUSY.try_with(|busy| busy.borrow().contains(&generation)).unwrap_or(false)
}

/// # Errors
///
/// Would deadlock: the thread is changing that object.
#[inline]
pub(crate) fn check(kind: Kind, generation: u64) -> Result<()> {
    if is_busy(generation) { Err(would_deadlock(kind)) } else { Ok(()) }
}

#[cold]
fn would_deadlock(kind: Kind) -> Error {
    Error::new(
        ErrorKind::WouldDeadlock,
        format!(
            "this thread is changing the {kind:?} (it's in a closure of an update, say) and would wait for itself; \
             several keys of a Dict are changed together by a transaction"
        ),
    )
}
