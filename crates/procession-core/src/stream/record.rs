//! The shared record of a stream, and its ends.

use super::{frame, pop::DRAINING};
use crate::{
    arena::{Arena, Block, BlockState, Handle, Kind, Object, Shared, Stable},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
    error::{Error, Result},
    family,
    kill_point::kill_point,
    members::Owner,
    recovery::Recover,
    references::{Header, Held, Part, Share},
    ring::{Data, Frames, LockedRing},
    sync::EventCount,
    sys::clock::Deadline,
};
use std::sync::Arc;

/// What all processes that have an end of a stream share: the ring, and where its bytes are. Of a class of blocks of its own: who
/// rings late rings for nobody, or in another stream for nothing.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct StreamRecord {
    pub(super) ring: LockedRing,
    /// Where the ring's bytes are, see `Place`; 0 once they are freed. Changed by who has both locks.
    pub(super) place: AtomicU64,
    /// The ends. A stream ends with the last of its ends; for a queue both are the same.
    pub(super) senders: EndName,
    pub(super) receivers: EndName,
    /// How many messages there may be.
    pub(super) most_messages: AtomicU64,
    /// How large the ring may become, in bytes.
    pub(super) most_bytes: AtomicU64,
    /// How many bytes there may be outside of the ring; one message is always let in.
    pub(super) most_bulk: AtomicU64,
    /// Set under the producers' lock: nothing is committed any more.
    pub(super) closed: AtomicU32,
    /// Set before the first message with handles in it is committed.
    pub(super) carries_handles: AtomicU32,
    /// What consumers have and haven't finished, see `lease`: only for a stream of tasks.
    pub(super) leases: super::table::LeaseTable,
    /// Changes when a task is done.
    pub(super) done: EventCount,
}

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for StreamRecord {}

impl Object for StreamRecord {
    const KIND: Kind = Kind::Stream;
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<StreamRecord>() <= 768);

/// Names the object that is an end.
#[derive(Debug)]
#[repr(C)]
pub(super) struct EndName {
    offset: AtomicU64,
    generation: AtomicU64,
}

impl EndName {
    pub(super) fn set(&self, end: Handle) {
        self.offset.store(end.offset, Relaxed);
        self.generation.store(end.generation, Release);
    }

    pub(super) fn get(&self) -> Handle {
        Handle { offset: self.offset.load(Acquire), generation: self.generation.load(Acquire) }
    }

    /// Whether anybody has the end.
    #[inline]
    pub(super) fn is_there(&self, arena: &Arena) -> bool {
        arena.object_is_there(self.get())
    }
}

/// Where the bytes of a ring are: the block's offset (in units of 64, bits 0..40), the capacity's logarithm (bits 40..46), and how
/// often that changed (bits 46..64).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(pub(super) u64);

const ALIGNMENT: u64 = 64;

impl Place {
    pub(super) const NOWHERE: Place = Place(0);

    pub(super) fn new(block: Block<'_>, capacity: usize, before: Place) -> Place {
        let change = (before.0 >> 46).wrapping_add(1) << 46;
        Place(change | (u64::from(capacity.trailing_zeros()) << 40) | (block.offset() / ALIGNMENT))
    }

    #[inline]
    pub(super) fn offset(self) -> u64 {
        (self.0 & ((1 << 40) - 1)) * ALIGNMENT
    }

    #[inline]
    pub(super) fn capacity(self) -> usize {
        1 << (self.0 >> 40 & 63)
    }

    /// The bytes, if they can be there.
    pub(super) fn data(self, arena: &Arena) -> Result<Data> {
        let block = arena.block(self.offset())?;
        if self.capacity() < SMALLEST || self.capacity() > LARGEST {
            return Err(Error::corrupted("the capacity of a stream"));
        }
        Data::new(block, 0, self.capacity())
    }
}

/// A ring begins with so many bytes.
pub(super) const SMALLEST: usize = 4 << 10;

/// And never has more: positions are counted in 32 bits, in units of eight bytes.
pub(super) const LARGEST: usize = 8 << 30;

/// What an end begins with: which stream it's of.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct EndRecord {
    header: Header,
    /// The stream's offset. It's the end's stream only if the stream names the end.
    pub(super) stream: AtomicU64,
}

/// An end of a stream.
pub(crate) trait End: Held + Object {
    fn record(&self) -> &EndRecord;
}

macro_rules! ends {
    ($($record:ident = $kind:ident),*) => {
        $(
            #[derive(Debug)]
            #[repr(transparent)]
            pub(crate) struct $record(EndRecord);

            // SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
            unsafe impl Shared for $record {}

            impl Object for $record {
                const KIND: Kind = Kind::$kind;
            }

            impl Held for $record {
                fn mark(&self, arena: &Arena, dead: Owner) {
                    self.0.mark(arena, dead);
                }

                fn rouse(&self, arena: &Arena) {
                    self.0.rouse(arena);
                }

                fn disturb(&self, arena: &Arena) {
                    self.0.rouse(arena);
                }

                fn clear(&self, share: &Arc<Share>) -> bool {
                    family::current().is_ok_and(|family| self.0.clear(&family.arena, share.target()))
                }

                fn contains_handles(&self, arena: &Arena) -> bool {
                    self.0.contains_handles(arena)
                }

                fn end(&self, arena: &Arena, own: Handle) {
                    self.0.close(arena, own);
                }
            }

            impl End for $record {
                fn record(&self) -> &EndRecord {
                    &self.0
                }
            }
        )*
    };
}

ends!(SenderRecord = Sender, ReceiverRecord = Receiver, QueueRecord = Queue, TasksRecord = JoinableQueue);

impl EndRecord {
    fn stream<'a>(&self, arena: &'a Arena) -> Option<(Block<'a>, &'a StreamRecord)> {
        let offset = self.stream.load(Acquire);
        Some((arena.block(offset).ok()?, arena.stable_record(offset, Stable::Stream).ok()?))
    }

    fn mark(&self, arena: &Arena, dead: Owner) {
        if let Some((_, stream)) = self.stream(arena) {
            stream.ring.mark(dead.tag());
            stream.broadcast();
        }
    }

    /// Wakes everybody: they look who is left.
    fn rouse(&self, arena: &Arena) {
        if let Some((_, stream)) = self.stream(arena) {
            stream.broadcast();
        }
    }

    fn contains_handles(&self, arena: &Arena) -> bool {
        self.stream(arena).is_some_and(|(_, stream)| stream.carries_handles.load(Relaxed) != 0)
    }

    /// The stream, and what its block is, if it has been completed and is the end's.
    fn own_stream<'a>(
        &self,
        arena: &'a Arena,
        own: Handle,
    ) -> Option<(Block<'a>, BlockState, &'a StreamRecord)> {
        let (block, stream) = self.stream(arena)?;
        // First: if it's the end's stream now, it was then; and it's not freed as another one later.
        let state = block.state();
        let is_own = |end: &EndName| end.get() == own;
        let was_completed = matches!(state, BlockState::Object { kind, .. } if kind == Kind::Stream as u8);
        (was_completed && (is_own(&stream.senders) || is_own(&stream.receivers)))
            .then_some((block, state, stream))
    }

    /// Frees all messages, also those that somebody has and hasn't finished. False if some are left.
    fn clear(&self, arena: &Arena, own: Handle) -> bool {
        let Some((block, state, stream)) = self.own_stream(arena, own) else { return true };
        stream.drain(arena, block, state);
        stream.ring.is_empty() && stream.leases.is_empty(arena)
    }

    /// Nobody has this end any more.
    fn close(&self, arena: &Arena, own: Handle) {
        let Some((block, state, stream)) = self.own_stream(arena, own) else { return };
        kill_point!(StreamBeforeEnd);
        stream.broadcast();
        if !stream.receivers.is_there(arena) {
            stream.drain(arena, block, state);
            if !stream.senders.is_there(arena) {
                dispose(arena, block, stream, state);
            }
        }
    }
}

/// Frees a stream that has no ends and no messages, or that never was completed. Of all who try at once, one does it.
///
/// The record names what it consists of until that is this process's own: so whoever is killed in between leaves nothing that a
/// sweep doesn't find, and nobody frees it twice.
pub(crate) fn dispose(arena: &Arena, block: Block<'_>, stream: &StreamRecord, from: BlockState) {
    // With the lock: whoever takes something out looks at the state when it has the lock.
    let Some(consuming) = stream.consume(arena, Deadline::after(DRAINING)) else { return };
    let was_completed = matches!(from, BlockState::Object { .. });
    if was_completed && !(stream.ring.is_empty() && stream.leases.is_empty(arena)) {
        // Somebody is still taking out messages, who was held up; a sweep comes back to it.
        arena.suspect();
        return;
    }
    // And with the other one, which nobody has for long who has no end: if wrong bytes say that somebody who lives does, the next
    // stream that is made of the record would wait for that one.
    let me = arena.me().tag();
    let Some(producing) = stream.ring.produce(me, arena, Deadline::after(DRAINING)) else { return };
    if !block.change_state(from, BlockState::Raw(arena.me())) {
        return;
    }
    drop((consuming, producing));
    kill_point!(StreamAfterClaim);
    for (word, offset) in stream.parts() {
        let data = arena.block(offset).ok().filter(|data| arena.take_over_any(*data));
        // Records that are free name nothing.
        word.store(0, SeqCst);
        kill_point!(StreamAfterForget);
        if let Some(data) = data {
            arena.free(data, arena.me());
        }
    }
    arena.free(block, arena.me());
}

impl StreamRecord {
    pub(super) fn broadcast(&self) {
        self.ring.broadcast();
        self.done.broadcast();
    }

    #[inline]
    pub(super) fn place(&self) -> Place {
        Place(self.place.load(Acquire))
    }

    /// The object by which somebody receives from it.
    pub(crate) fn receivers(&self) -> u64 {
        self.receivers.get().offset
    }

    /// The words that name the blocks that it consists of, and these.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&AtomicU64, u64)> {
        let tables = self.leases.tables().map(|word| (word, word.load(Acquire)));
        let place = (&self.place, self.place().offset());
        tables.chain([place]).filter(|(_, offset)| *offset != 0)
    }

    /// Whether anybody can receive what is in it.
    pub(crate) fn is_received(&self, arena: &Arena) -> bool {
        self.receivers.is_there(arena)
    }

    /// Whether the manager that made it has ended, and it has been closed: what a sender leaves that was killed since is nobody's.
    pub(crate) fn is_shut_down(&self, arena: &Arena) -> bool {
        let end = self.receivers.get();
        let header = arena.block(end.offset).and_then(|block| arena.record::<Header>(block));
        header.is_ok_and(|header| header.made_by.is_closed()) && self.receivers.is_there(arena)
    }

    /// Calls `visit` with the block of every message that lies outside of the ring, with every reference in a message, and with every
    /// block of a task that somebody has. False if all that couldn't be seen, for too much was going on.
    pub(crate) fn contents(&self, arena: &Arena, visit: &mut dyn FnMut(Part)) -> bool {
        const LOOKS: usize = 1000;
        let mut messages = None;
        for _ in 0..LOOKS {
            let before = (self.place(), self.ring.cursors());
            messages = self.look(arena, before.0);
            // Where nothing moves, it's not for that that there's nothing to be seen: what is corrupted has no contents.
            if messages.is_some() || before == (self.place(), self.ring.cursors()) {
                messages.get_or_insert_default();
                break;
            }
        }
        self.leases.for_each_block(arena, |lent| lent.visit(arena, visit));
        let Some(bytes) = messages else { return false };
        for frame in Frames::new(&bytes) {
            let Ok(frame) = frame else { break };
            if let Some(lent) = frame::lent(frame) {
                lent.visit(arena, visit);
            }
        }
        true
    }

    /// A copy of the messages in the ring, if they were there all the time.
    fn look(&self, arena: &Arena, place: Place) -> Option<Vec<u8>> {
        let data = place.data(arena).ok()?;
        let copied = self.ring.observe(data.capacity(), |position, len| {
            let mut bytes = Vec::new();
            data.read_wrapped(position, len, &mut bytes);
            bytes
        });
        let (mut bytes, start, end) = copied.ok()?;
        bytes.truncate(end);
        (self.place() == place).then(|| bytes.split_off(start))
    }
}

impl Recover for StreamRecord {
    fn mark(&self, _arena: &Arena, _dead: Owner) {
        // By its ends.
    }

    fn forget(&self, arena: &Arena, _dead: &[Owner]) -> bool {
        !self.senders.is_there(arena) && !self.receivers.is_there(arena)
    }

    fn parts(&self, _arena: &Arena, _own: Block<'_>, _visit: &mut dyn FnMut(Part)) {
        // Of all records that aren't free, see `recovery::reach`.
    }

    fn end(&self, arena: &Arena, own: Block<'_>, state: BlockState) {
        self.drain(arena, own, state);
        dispose(arena, own, self, state);
    }
}
