//! The engine's lock, under which nothing waits for anybody.

use super::{sink, state::State};
use std::{
    ops::{Deref, DerefMut},
    sync::{Mutex, MutexGuard},
};

/// The state, locked. When it's let go, what was left for later is done.
pub(super) struct Locked<'a>(Option<MutexGuard<'a, State>>);

impl<'a> Locked<'a> {
    #[inline]
    pub(super) fn new(state: &'a Mutex<State>) -> Locked<'a> {
        Locked(Some(state.lock().unwrap_or_else(|e| e.into_inner())))
    }
}

impl Deref for Locked<'_> {
    type Target = State;
    #[inline]
    fn deref(&self) -> &State {
        self.0.as_ref().expect("locked until it's dropped")
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        self.0.as_mut().expect("locked until it's dropped")
    }
}

impl Drop for Locked<'_> {
    #[inline]
    fn drop(&mut self) {
        let later = std::mem::take(&mut self.effects.later);
        self.0 = None;
        later.into_iter().for_each(sink::run);
    }
}
