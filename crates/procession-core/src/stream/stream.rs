//! A stream as one process has it: what it knows of it, and its locks.

use super::{
    frame::LONGEST_INLINE,
    record::{Place, StreamRecord},
};
use crate::{
    arena::{Arena, Block, BlockState, Handle, Stable},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::{Error, Result},
    kill_point::kill_point,
    references::{PATIENCE, Ward},
    ring::{Consuming, Data, Producing},
    select::Pollable,
    sys::clock::Deadline,
};
use std::sync::OnceLock;

/// A stream as one process has it.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) arena: &'static Arena,
    offset: u64,
    pub(super) record: &'static StreamRecord,
    /// The last `Place` that was checked.
    pub(super) known: AtomicU64,
    /// How many deaths there were when the leases were last looked at.
    deaths: AtomicU64,
    senders: KnownEnd,
    receivers: KnownEnd,
    /// The manager with which it ends.
    pub(super) ward: Option<Ward>,
    /// How many messages there were when this process last looked, and how many were taken.
    pub(super) found: Glance,
    pub(super) freed: Glance,
    /// For who polls.
    pollable: OnceLock<Pollable>,
}

/// What came of the last look at the other side: how many messages it was for.
#[derive(Debug)]
pub(super) struct Glance(AtomicU32);

impl Glance {
    fn new() -> Glance {
        Glance(AtomicU32::new(u32::MAX))
    }

    /// Before another look: if the last one was for few messages, the other side is left alone for a moment (some 100 ns). Each look
    /// makes it wait until it has its cursor back, as long as for two or three messages; so it would never get ahead.
    #[inline]
    pub(super) fn hold_back(&self, deadline: Deadline) {
        if self.0.load(Relaxed) < FEW && deadline != Deadline::PASSED {
            (0..MOMENT).for_each(|_| std::hint::spin_loop());
        }
    }

    #[inline]
    pub(super) fn note(&self, messages: usize) {
        self.0.store(messages as u32, Relaxed);
    }
}

/// The block of an end, and what it is as long as somebody has the end.
#[derive(Clone, Copy, Debug)]
struct KnownEnd {
    block: Block<'static>,
    alive: BlockState,
}

impl KnownEnd {
    fn new(arena: &'static Arena, end: Handle) -> Result<KnownEnd> {
        let block = arena.block(end.offset)?;
        match block.state() {
            alive @ BlockState::Object { generation, .. } if generation == end.generation => {
                Ok(KnownEnd { block, alive })
            }
            // Never: nobody has it any more.
            _ => Ok(KnownEnd { block, alive: BlockState::Object { kind: 0, generation: end.generation } }),
        }
    }

    #[inline]
    fn is_there(&self) -> bool {
        self.block.is(self.alive)
    }
}

impl Clone for Stream {
    fn clone(&self) -> Stream {
        Stream::of(self.arena, self.offset, self.record, self.senders, self.receivers, self.ward)
    }
}

/// In `spin_loop`s.
const MOMENT: usize = 3;

const FEW: u32 = 8;

impl Stream {
    pub(super) fn new(arena: &'static Arena, offset: u64, ward: Option<Ward>) -> Result<Stream> {
        let record: &StreamRecord = arena.stable_record(offset, Stable::Stream)?;
        let senders = KnownEnd::new(arena, record.senders.get())?;
        let receivers = KnownEnd::new(arena, record.receivers.get())?;
        Ok(Stream::of(arena, offset, record, senders, receivers, ward))
    }

    fn of(
        arena: &'static Arena,
        offset: u64,
        record: &'static StreamRecord,
        senders: KnownEnd,
        receivers: KnownEnd,
        ward: Option<Ward>,
    ) -> Stream {
        Stream {
            arena,
            offset,
            record,
            known: AtomicU64::new(0),
            deaths: AtomicU64::new(u64::MAX),
            senders,
            receivers,
            ward,
            found: Glance::new(),
            freed: Glance::new(),
            pollable: OnceLock::new(),
        }
    }

    /// Nobody can receive: frees all messages.
    #[cold]
    pub(super) fn discard(&self) {
        if let Ok(block) = self.arena.block(self.offset) {
            let state = block.state();
            // As long as this process has an end, it's the end's stream.
            self.record.drain(self.arena, block, state);
        }
    }

    /// Whether somebody can receive.
    #[inline]
    pub(super) fn is_received(&self) -> bool {
        self.receivers.is_there()
    }

    /// Whether somebody can send.
    #[inline]
    pub(super) fn is_sent(&self) -> bool {
        self.senders.is_there()
    }

    /// Whether the manager that made it has ended.
    #[inline]
    pub(super) fn is_shut_down(&self) -> bool {
        self.ward.is_some_and(|ward| !ward.is_open())
    }

    /// Says so.
    pub(super) fn shut_down(&self) -> Option<Error> {
        self.ward.and_then(|ward| ward.check().err())
    }

    pub(super) fn pollable(&self) -> &OnceLock<Pollable> {
        &self.pollable
    }

    /// How many deaths there were when the leases were last looked at.
    pub(super) fn deaths_seen(&self) -> &AtomicU64 {
        &self.deaths
    }

    /// The longest message that may lie in the ring.
    #[inline]
    pub(super) fn longest_inline(&self) -> usize {
        LONGEST_INLINE.min(self.record.most_bytes.load(Relaxed) as usize / 8)
    }

    /// The ring's bytes. For who has one of the locks: so they stay where they are.
    #[inline]
    pub(super) fn data(&self) -> Result<Data> {
        let place = self.record.place();
        // Nothing is known to be nowhere: that's what a handle begins with.
        if self.known.load(Relaxed) == place.0 && place != Place::NOWHERE {
            let bytes = self.arena.pointer(place.offset() as usize, place.capacity());
            return Ok(Data::at(bytes, place.capacity()));
        }
        let data = place.data(self.arena)?;
        self.known.store(place.0, Relaxed);
        Ok(data)
    }

    /// How long to wait for who is adding or taking something. If a manager made the stream not for longer: who waits sees to it in
    /// between whether that's still there.
    fn patient(&self, deadline: Deadline) -> Deadline {
        let moment = Deadline::after(PATIENCE);
        if self.ward.is_some() { moment } else { deadline.max(moment) }
    }

    /// The producers' lock; `None` when the deadline passed first.
    #[inline]
    pub(super) fn produce(&self, deadline: Deadline) -> Option<Producing<'static>> {
        let (ring, me) = (&self.record.ring, self.arena.me().tag());
        // The clock is dear, and hardly ever is there somebody.
        ring.try_produce(me).or_else(|| ring.produce(me, self.arena, self.patient(deadline)))
    }

    /// The consumers' lock; `None` when the deadline passed first.
    #[inline]
    pub(super) fn consume(&self, deadline: Deadline) -> Option<Consuming<'static>> {
        let taken = self.record.ring.try_consume(self.arena.me().tag());
        taken.or_else(|| self.record.consume(self.arena, self.patient(deadline)))
    }

    /// Says that nothing will be sent any more. What has been sent is still received.
    pub(super) fn close(&self) -> Result<()> {
        let producing = loop {
            if let Some(producing) = self.produce(Deadline::NEVER) {
                break producing;
            } else if self.is_shut_down() {
                return Ok(());
            }
        };
        self.record.closed.store(1, Release);
        drop(producing);
        kill_point!(StreamAfterClose);
        self.record.broadcast();
        Ok(())
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.record.closed.load(Acquire) != 0
    }
}
