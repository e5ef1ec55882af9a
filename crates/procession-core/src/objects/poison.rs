//! Poison: that who had a lock died or panicked, so that what it protects may be half changed.

use crate::{
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
    sync::Locked,
};
use std::thread::panicking;

/// 1 while what a lock protects may be half changed.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Poison(AtomicU32);

impl Poison {
    /// For a lock that nobody knows yet.
    pub(super) fn reset(&self) {
        self.0.store(0, Relaxed);
    }

    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Acquire) != 0
    }

    pub(super) fn set(&self) {
        self.0.store(1, Release);
    }

    pub(super) fn clear(&self) {
        self.0.store(0, Release);
    }

    /// Who takes the lock from the dead says so, before it does anything else with it.
    #[inline]
    pub(super) fn inherit(&self, locked: Locked) {
        if locked == Locked::Recovered {
            self.set();
        }
    }
}

/// Whether a panic goes on that began while this was there.
#[derive(Debug)]
pub(super) struct Panics {
    before: bool,
}

impl Panics {
    #[inline]
    pub(super) fn watch() -> Panics {
        Panics { before: panicking() }
    }

    #[inline]
    pub(super) fn began(&self) -> bool {
        !self.before && panicking()
    }
}

/// For a lock `$lock` that has a `poison` in its record, and its guards, whose `$field` is the lock.
macro_rules! poisonable {
    ($lock:ident, $($guard:ident: $field:ident),*) => {
        impl<T: bytemuck::Pod> $lock<T> {
            /// Whether a holder died or panicked.
            #[inline]
            pub fn is_poisoned(&self) -> bool {
                self.shared.poison.is_set()
            }

            /// Says that what it protects is all right again.
            pub fn clear_poison(&self) {
                self.shared.poison.clear();
            }
        }

        $(impl<T: bytemuck::Pod> $guard<'_, T> {
            /// Whether a holder died or panicked, and nobody said that what the lock protects is all right again.
            #[inline]
            pub fn is_poisoned(&self) -> bool {
                self.$field.is_poisoned()
            }
        })*
    };
}
pub(super) use poisonable;
