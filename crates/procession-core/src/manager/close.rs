//! Closing what ended managers made. Runs in whoever ended one, and in the sweep; can be done twice, and at once.

use crate::{
    arena::{Arena, Block, BlockState, Handle, Kind, Stable},
    family,
    kill_point::kill_point,
    recovery,
    references::{Count, Header, ManagerRecord, Share},
    sys::clock::Deadline,
    wait,
};
use std::{cell::RefCell, sync::Arc};

/// Closes everything that ended managers made. False if that has to be done again, for somebody who was stopped was in the way, or
/// there is no memory.
///
/// What is freed with that may have had the last handle of another manager, and so on: these are closed one after the other, not one within
/// the other.
pub(crate) fn finish(arena: &Arena) -> bool {
    let Some(_finishing) = Finishing::begin(arena) else { return false };
    loop {
        let ended = ended(arena);
        if ended.is_empty() {
            return true;
        }
        let Some((shares, is_whole)) = pin() else { return false };
        kill_point!(ManagerAfterPin);
        let (closed, left): (Vec<_>, Vec<_>) = shares.into_iter().partition(|share| close(arena, share));
        if is_whole {
            kill_point!(ManagerBeforeClosed);
            let is_left = |record: &ManagerRecord| left.iter().any(|share| is_of(arena, share, record));
            let all = ended.iter().filter(|(record, _)| !is_left(record));
            all.for_each(|(record, state)| record.life.set_closed(*state));
        }
        if !left.is_empty() || !is_whole && closed.is_empty() {
            return false;
        }
    }
}

thread_local! {
    /// While the thread is closing what ended managers made: managers that nobody has any more, which are freed afterwards.
    static POSTPONED: RefCell<Option<Vec<(u64, BlockState)>>> = const { RefCell::new(None) };
}

/// The manager, which nobody has any more, is freed when this thread has closed what others made, if it's at that.
pub(crate) fn postpone(block: Block<'_>, state: BlockState) {
    let _ = POSTPONED.try_with(|postponed| {
        if let Some(postponed) = postponed.borrow_mut().as_mut() {
            postponed.push((block.offset(), state));
        }
    });
}

/// While this is there, the thread is closing what ended managers made.
struct Finishing<'a>(&'a Arena);

impl Finishing<'_> {
    /// `None`: it's at it.
    fn begin(arena: &Arena) -> Option<Finishing<'_>> {
        let begin = |postponed: &RefCell<Option<Vec<_>>>| {
            let mut postponed = postponed.borrow_mut();
            let is_first = postponed.is_none();
            postponed.get_or_insert_default();
            is_first
        };
        // A thread that is ending doesn't remember. (Lazily: one that is dropped says that it's over.)
        POSTPONED.try_with(begin).unwrap_or(true).then(|| Finishing(arena))
    }
}

impl Drop for Finishing<'_> {
    fn drop(&mut self) {
        let postponed = POSTPONED.try_with(RefCell::take).ok().flatten();
        for (offset, state) in postponed.unwrap_or_default() {
            if let Ok(block) = self.0.block(offset)
                && !self.0.end_held(block, state)
            {
                self.0.count_death();
            }
        }
    }
}

/// The managers that have ended, and of which not everything is closed.
fn ended(arena: &Arena) -> Vec<(&ManagerRecord, u64)> {
    let mut ended = Vec::new();
    arena.for_each_stable(Stable::Manager, |block| {
        if block.state() != BlockState::Free
            && let Ok(record) = arena.record::<ManagerRecord>(block)
            && let Some(state) = record.life.unclosed()
        {
            ended.push((record, state));
        }
    });
    ended
}

/// References of this process to all objects that are to be closed, so that they stay until they are; and whether these are all.
fn pin() -> Option<(Vec<Arc<Share>>, bool)> {
    let arena = &family::current().ok()?.arena;
    arena.pinning(Deadline::after(wait::SLICE), || {
        let (mut shares, mut is_whole) = (Vec::new(), true);
        arena.for_each_held(|block, state, header| {
            if header.made_by.is_to_be_closed(arena)
                && let Some((target, kind)) = pinned(block, state, header)
            {
                match Share::of(arena, target, kind) {
                    Ok(share) => shares.push(Arc::new(share)),
                    Err(_) => is_whole = false,
                }
            }
        });
        (shares, is_whole)
    })
}

/// The object, if it stays as long as nobody else can pin: there is a reference to it.
fn pinned(block: Block<'_>, state: BlockState, header: &Header) -> Option<(Handle, Kind)> {
    let BlockState::Object { kind, generation } = state else { return None };
    let is_there = Count::counted(header.references.snapshot()) > 0 && block.state() == state;
    let kind = Kind::from_bits(kind).filter(|_| is_there)?;
    Some((Handle { offset: block.offset(), generation }, kind))
}

/// What the object begins with.
fn header<'a>(arena: &'a Arena, share: &Share) -> Option<&'a Header> {
    arena.block(share.target().offset).and_then(|block| arena.record(block)).ok()
}

/// Whether the manager of that record made the object.
fn is_of(arena: &Arena, share: &Share, record: &ManagerRecord) -> bool {
    header(arena, share).is_some_and(|header| header.made_by.is(arena, record))
}

/// Closes an object that this process has. False if it can't be done now.
fn close(arena: &Arena, share: &Arc<Share>) -> bool {
    let mut is_cleared = false;
    recovery::with_object(arena, share.target(), |object| {
        object.disturb(arena);
        kill_point!(ManagerAfterWake);
        is_cleared = object.clear(share);
    });
    kill_point!(ManagerAfterClear);
    if is_cleared && let Some(header) = header(arena, share) {
        header.made_by.set_closed();
        kill_point!(ManagerAfterMark);
    }
    is_cleared
}

/// After a death: somebody may have died who was the last to have a manager. Those who wait for what managers made look again, and
/// sweep first.
///
/// For who tells of the death, and so waits for nobody: whom this doesn't reach looks when its slice ends.
pub(crate) fn doubt(arena: &Arena) {
    arena.for_each_stable(Stable::Manager, |block| {
        if let Ok(record) = arena.record::<ManagerRecord>(block) {
            record.life.tell();
        }
    });
    arena.pinning(Deadline::PASSED, || {
        arena.for_each_held(|block, state, header| {
            if header.made_by.may_be_open()
                && let Some((target, _)) = pinned(block, state, header)
            {
                recovery::with_object(arena, target, |object| object.disturb(arena));
            }
        });
    });
}
