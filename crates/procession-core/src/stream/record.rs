//! The shared record of a stream, and its ends.

use super::message::Lent;
use crate::{
    arena::{Arena, Block, BlockState, Handle, Kind, Object, Shared, Stable},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
    error::{Error, Result},
    kill_point::kill_point,
    members::Owner,
    recovery::Recover,
    references::{Header, Held},
    ring::{Data, Frames, LockedRing},
    sync::EventCount,
};

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
    pub(super) leases: super::lease::LeaseTable,
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
        Place(change | u64::from(capacity.trailing_zeros()) << 40 | block.offset() / ALIGNMENT)
    }

    pub(super) fn offset(self) -> u64 {
        (self.0 & ((1 << 40) - 1)) * ALIGNMENT
    }

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

    /// Nobody has this end any more.
    fn close(&self, arena: &Arena, own: Handle) {
        let Some((block, stream)) = self.stream(arena) else { return };
        let is_own = |end: &EndName| end.get() == own;
        if !is_own(&stream.senders) && !is_own(&stream.receivers) {
            // It was never completed.
            return;
        }
        kill_point!(StreamBeforeEnd);
        stream.broadcast();
        if is_own(&stream.receivers) {
            stream.drain(arena);
        }
        if !stream.senders.is_there(arena) && !stream.receivers.is_there(arena) {
            let state = block.state();
            if matches!(state, BlockState::Object { kind, .. } if kind == Kind::Stream as u8) {
                dispose(arena, block, stream, state);
            }
        }
    }
}

/// Frees a stream that has no ends and no messages. Of all who try at once, one does it.
///
/// Each step makes what it frees this process's own first: so whoever is killed in between leaves nothing that a sweep doesn't find.
pub(crate) fn dispose(arena: &Arena, block: Block<'_>, stream: &StreamRecord, from: BlockState) {
    if !block.change_state(from, BlockState::Raw(arena.me())) {
        return;
    }
    kill_point!(StreamAfterClaim);
    for word in stream.leases.tables().chain([&stream.place]) {
        let offset = if std::ptr::eq(word, &stream.place) {
            Place(word.load(Acquire)).offset()
        } else {
            word.load(Acquire)
        };
        if offset != 0
            && let Ok(data) = arena.block(offset)
            && arena.take_over_any(data)
        {
            // Free records have no bytes: nobody frees them twice.
            word.store(Place::NOWHERE.0, SeqCst);
            kill_point!(StreamAfterForget);
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

    pub(super) fn place(&self) -> Place {
        Place(self.place.load(Acquire))
    }

    /// The object by which somebody receives from it.
    pub(crate) fn receivers(&self) -> u64 {
        self.receivers.get().offset
    }

    /// Calls `visit` with the block of every message that lies outside of the ring, with every reference in a message, and with every
    /// block of a task that somebody has. False if all that couldn't be seen.
    pub(crate) fn contents(&self, arena: &Arena, visit: &mut dyn FnMut(u64)) -> bool {
        const LOOKS: usize = 100;
        let whole = (0..LOOKS).any(|_| {
            let before = self.place();
            let Ok(data) = before.data(arena) else { return before == Place::NOWHERE };
            let copied = self.ring.observe(data.capacity(), |position, len| {
                let mut bytes = Vec::new();
                data.read_wrapped(position, len, &mut bytes);
                bytes
            });
            let Ok((bytes, start, end)) = copied else { return false };
            if self.place() != before {
                return false;
            }
            for frame in Frames::new(&bytes[start..end]) {
                let Ok(frame) = frame else { break };
                if let Some(lent) = Lent::of(frame) {
                    lent.visit(arena, visit);
                }
            }
            true
        });
        self.leases.for_each_block(arena, |lent| lent.visit(arena, visit));
        whole
    }
}

impl Recover for StreamRecord {
    fn mark(&self, _arena: &Arena, _dead: Owner) {
        // By its ends.
    }

    fn forget(&self, arena: &Arena, _dead: &[Owner]) -> bool {
        !self.senders.is_there(arena) && !self.receivers.is_there(arena)
    }

    fn parts(&self, _arena: &Arena, _own: Block<'_>, visit: &mut dyn FnMut(u64)) {
        visit(self.place().offset());
        self.leases.tables().for_each(|table| visit(table.load(Acquire)));
    }

    fn end(&self, arena: &Arena, own: Block<'_>, state: BlockState) {
        self.drain(arena);
        dispose(arena, own, self, state);
    }
}
