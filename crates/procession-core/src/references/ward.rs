//! What ends with a manager: how an object names the one that made it, and what a handle of the object knows of that.

use super::{Header, lookout::Lookout};
use crate::{
    arena::{Arena, Handle, Kind, Shared, Stable},
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
    error::{Error, ErrorKind, Result},
    kill_point::kill_point,
    sys::clock::Deadline,
    wait,
};
use std::cell::Cell;

/// The shared record of a manager, in a class of blocks of its own: so a handle of what it made can look at `life` at any time.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ManagerRecord {
    header: Header,
    pub(crate) life: Life,
}

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for ManagerRecord {}

/// Whether a manager, and with it everything that it made, is there.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Life {
    /// The manager's number, which no other ever had; with `ENDED` from the one store on that ends everything.
    state: AtomicU64,
    /// Another number each time when those who wait for what it made are to look again. Never reset.
    news: AtomicU64,
    /// What `state` was when all that it made had been closed. Only then can the block become another manager's.
    closed: AtomicU64,
}

const ENDED: u64 = 1 << 63;

impl Life {
    /// For a record that nobody knows yet. (`closed` may be an earlier manager's, which says nothing of this one.)
    pub(crate) fn begin(&self, number: u64) {
        self.state.store(number & !ENDED, Release);
    }

    fn is_ended(&self) -> bool {
        self.state.load(Acquire) & ENDED != 0
    }

    /// Which manager it is, and whether that has ended: for `end`.
    pub(crate) fn state(&self) -> u64 {
        self.state.load(Acquire)
    }

    /// Ends the one that was found, and calls off all waits. Nothing happens if it has ended, or if the record has become another's.
    pub(crate) fn end(&self, arena: &Arena, found: u64) {
        let ended = found | ENDED;
        if found != ended && self.state.compare_exchange(found, ended, SeqCst, Relaxed).is_ok() {
            kill_point!(ManagerAfterEnd);
            self.tell();
            // A sweep is due: if this process is stopped before it has closed everything, whoever waits does it.
            arena.count_death();
        }
    }

    /// Has those who wait look again, once somebody has woken them.
    pub(crate) fn tell(&self) {
        self.news.fetch_add(1, SeqCst);
    }

    /// Its state, if it has ended and not everything is closed.
    pub(crate) fn unclosed(&self) -> Option<u64> {
        let state = self.state.load(Acquire);
        (state & ENDED != 0 && self.closed.load(Acquire) != state).then_some(state)
    }

    /// Everything is closed that was made until the state was this.
    pub(crate) fn set_closed(&self, state: u64) {
        self.closed.store(state, Release);
    }
}

/// In an object's header, by which manager it was made.
///
/// | word | meaning |
/// |---|---|
/// | 0 | by none |
/// | 1 | by one that has ended: the object is closed |
/// | other | the offset of the manager's record, which is that one's as long as this word is here |
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct MadeBy(AtomicU64);

const NOBODY: u64 = 0;
const CLOSED: u64 = 1;

impl MadeBy {
    /// For an object that nobody knows yet.
    pub(super) fn set(&self, maker: Option<Maker>) {
        self.0.store(maker.map_or(NOBODY, |maker| maker.offset), Relaxed);
    }

    /// The object is closed: the record may become another's.
    pub(crate) fn set_closed(&self) {
        self.0.store(CLOSED, SeqCst);
    }

    /// Whether the manager of that record made it, as long as it isn't closed.
    pub(crate) fn is(&self, arena: &Arena, record: &ManagerRecord) -> bool {
        self.life(arena).is_some_and(|(_, life)| std::ptr::eq(life, &record.life))
    }

    /// Whether a manager made it that has ended, and it was closed after that.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.load(Acquire) == CLOSED
    }

    /// Whether a manager made it, which may be gone by now.
    pub(crate) fn is_anybody(&self) -> bool {
        self.0.load(Acquire) != NOBODY
    }

    /// The life of the manager, unless it's known to be over.
    fn life<'a>(&self, arena: &'a Arena) -> Option<(u64, &'a Life)> {
        match self.0.load(Acquire) {
            NOBODY | CLOSED => None,
            offset => {
                let record: &ManagerRecord = arena.stable_record(offset, Stable::Manager).ok()?;
                Some((offset, &record.life))
            }
        }
    }

    /// Whether a manager made it, and it isn't closed.
    pub(crate) fn may_be_open(&self) -> bool {
        !matches!(self.0.load(Acquire), NOBODY | CLOSED)
    }

    /// Whether it's to be closed: its manager has ended.
    pub(crate) fn is_to_be_closed(&self, arena: &Arena) -> bool {
        self.life(arena).is_some_and(|(_, life)| life.is_ended())
    }

    /// What a handle of the object, which is of that kind, is to know; `None` if no manager made it.
    pub(super) fn ward(&self, arena: &'static Arena, kind: Kind) -> Option<Ward> {
        if !self.is_anybody() {
            return None;
        }
        let known = self.life(arena).and_then(|(offset, life)| {
            let number = life.state.load(Acquire);
            // As long as the object names it, it's the same one, whose number this is.
            let is_same = self.0.load(Acquire) == offset;
            (is_same && number & ENDED == 0).then_some((life, number))
        });
        Some(Ward { kind, known })
    }
}

/// What a handle knows of the manager that made its object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ward {
    kind: Kind,
    /// `None`: it had ended when the handle came.
    known: Option<(&'static Life, u64)>,
}

#[cold]
pub(crate) fn shut_down(kind: Kind) -> Error {
    Error::new(ErrorKind::ShutDown, format!("the {kind:?} can't be used any more: its manager was shut down"))
}

impl Ward {
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.known.is_some_and(|(life, number)| life.state.load(Acquire) == number)
    }

    /// # Errors
    ///
    /// Shut down.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_open() { Ok(()) } else { Err(shut_down(self.kind)) }
    }

    /// Has `attempt` wait, with deadlines after which it's looked whether the manager is still there; `None` when `deadline` passed.
    ///
    /// # Errors
    ///
    /// Shut down.
    #[cold]
    pub(super) fn wait<R>(
        &self,
        arena: &Arena,
        deadline: Deadline,
        attempt: &mut dyn FnMut(Deadline) -> Option<R>,
    ) -> Result<Option<R>> {
        let mut lookout = Lookout::new();
        while let Some((life, _)) = self.known {
            // First: whatever comes after that calls the attempt off.
            let news = life.news.load(Acquire);
            self.check()?;
            // Who died may have been the last one who had the manager.
            lookout.look(arena);
            self.check()?;
            let found = attempt(deadline.at_most(wait::SLICE).called_off_by(&life.news, news));
            if found.is_some() {
                return Ok(found);
            }
            if deadline.has_passed() {
                break;
            }
        }
        self.check()?;
        Ok(None)
    }
}

/// The manager for which a thread is making objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Maker {
    offset: u64,
    life: &'static Life,
    number: u64,
}

thread_local! {
    static MAKER: Cell<Option<Maker>> = const { Cell::new(None) };
}

impl Maker {
    /// The manager that the handle names; `None` if it has ended.
    pub(crate) fn new(manager: Handle, record: &'static ManagerRecord) -> Option<Maker> {
        let number = record.life.state.load(Acquire);
        (number & ENDED == 0).then_some(Maker { offset: manager.offset, life: &record.life, number })
    }

    /// The one for which this thread is making objects now.
    pub(super) fn current() -> Option<Maker> {
        MAKER.get()
    }

    /// What a handle of an object of that kind is to know that was made for it.
    pub(super) fn ward(self, kind: Kind) -> Ward {
        Ward { kind, known: Some((self.life, self.number)) }
    }

    /// Runs `make`: what this thread makes meanwhile is made for it. Also in the end of a panic it's as before.
    pub(crate) fn run<R>(self, make: impl FnOnce() -> R) -> R {
        struct Restore(Option<Maker>);
        impl Drop for Restore {
            fn drop(&mut self) {
                MAKER.set(self.0);
            }
        }
        let _restore = Restore(MAKER.replace(Some(self)));
        make()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// One who is to end a manager is stopped on its way, and another frees it meanwhile.
    #[test]
    fn who_comes_late_ends_no_other_manager() {
        let arena = Arena::create(Some(4 << 20)).unwrap();
        let life = Life { state: 0.into(), news: 0.into(), closed: 0.into() };
        life.begin(7);
        let found = life.state();
        life.end(&arena, found);
        assert!(life.is_ended() && life.unclosed().is_some());
        life.begin(8);
        life.end(&arena, found);
        life.end(&arena, 7);
        assert!(!life.is_ended(), "it's another");
    }
}
