//! Waiting for the first of several things: by a thread (`select`), or by nobody in particular (`reactor`).
//!
//! Everything that is waited for here has an event count that changes when it may have become ready. A thread that waits for several
//! announces itself at each, looks at all of them, and sleeps on all words at once (`futex_waitv`). Who was woken by one that it
//! doesn't choose passes the wake-up on, since that may have been meant for one of several.

mod pollable;
mod reactor;

pub(crate) use pollable::Pollable;
pub(crate) use reactor::Check;
pub use reactor::{Interest, watch};

use crate::{
    error::{Error, ErrorKind, Result},
    family,
    sync::EventCount,
    sys::{barrier, clock::Deadline, futex},
    wait,
};

/// Something that can become ready.
pub struct Source<'a> {
    change: &'static EventCount,
    /// Whether it's ready. Also sees to it that the dead have let go of it.
    ready: Box<dyn Fn() -> bool + Send + Sync + 'a>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        change: &'static EventCount,
        ready: impl Fn() -> bool + Send + Sync + 'a,
    ) -> Source<'a> {
        Source { change, ready: Box::new(ready) }
    }

    /// Whether it's ready now.
    pub fn is_ready(&self) -> bool {
        (self.ready)()
    }
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

/// The most sources that one can wait for at once.
pub const MOST: usize = futex::MOST_WORDS;

/// Waits until one of the sources is ready: which one, looking from `first` on; `None` when the deadline passed first.
///
/// # Errors
///
/// Invalid argument: none, or too many. Forked.
pub fn select(sources: &[Source<'_>], first: usize, deadline: Deadline) -> Result<Option<usize>> {
    family::current()?;
    if sources.is_empty() || sources.len() > MOST {
        let text = format!("waiting for {} things at once: 1 to {MOST} are possible", sources.len());
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    let look = || {
        let mut order = (0..sources.len()).map(|i| (first + i) % sources.len());
        order.find(|i| sources[*i].is_ready())
    };
    if let Some(found) = wait::spin(deadline, look) {
        return Ok(Some(found));
    }
    let found = loop {
        let keys: Vec<_> = sources.iter().map(|source| source.change.announce()).collect();
        // Either the notifiers see the bits, or `look` sees the changes.
        barrier::heavy();
        let found = look();
        if found.is_some() || deadline.has_passed() {
            break found;
        }
        let words: Vec<_> = sources.iter().zip(keys).map(|(source, key)| source.change.word(key)).collect();
        futex::wait_any(&words, deadline.at_most(wait::SLICE));
        if let Some(found) = look() {
            break Some(found);
        }
    };
    // This thread may have been woken in the place of one that would have used up what there is.
    sources.iter().for_each(|source| source.change.pass_on());
    Ok(found)
}
