//! A stream as one process has it: pushing and popping.

use super::{
    message::{INLINE, LENT, LONGEST_INLINE, Lent, Message},
    record::{LARGEST, Place, SMALLEST, StreamRecord},
};
use crate::{
    arena::{Arena, Block, BlockState, Handle, Stable},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::{Error, Result},
    kill_point::kill_point,
    recovery,
    ring::{
        Consuming, Data, FRAME_HEADER, Load, Producing, SKIP, cut_off, frame_space, header, parse_header,
    },
    select::Pollable,
    sys::clock::Deadline,
    wait,
};
use std::sync::OnceLock;

/// A stream as one process has it.
#[derive(Debug)]
pub(crate) struct Stream {
    arena: &'static Arena,
    offset: u64,
    record: &'static StreamRecord,
    /// The last `Place` that was checked.
    known: AtomicU64,
    /// How many deaths there were when the leases were last looked at.
    deaths: AtomicU64,
    senders: KnownEnd,
    receivers: KnownEnd,
    /// How many messages there were when this process last looked, and how many were taken.
    found: Glance,
    freed: Glance,
    /// For who polls.
    pollable: OnceLock<Pollable>,
}

/// What came of the last look at the other side: how many messages it was for.
#[derive(Debug)]
struct Glance(AtomicU32);

impl Glance {
    fn new() -> Glance {
        Glance(AtomicU32::new(u32::MAX))
    }

    /// Before another look: if the last one was for few messages, the other side is left alone for a moment (some 100 ns). Each look
    /// makes it wait until it has its cursor back, as long as for two or three messages; so it would never get ahead.
    #[inline]
    fn hold_back(&self, deadline: Deadline) {
        if self.0.load(Relaxed) < FEW && deadline != Deadline::PASSED {
            (0..MOMENT).for_each(|_| std::hint::spin_loop());
        }
    }

    #[inline]
    fn note(&self, messages: usize) {
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
        Stream::of(self.arena, self.offset, self.record, self.senders, self.receivers)
    }
}

/// What goes into the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
    /// How many bytes lie outside of the ring.
    pub(super) bulk: u64,
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// So many frames were committed.
    Some(usize),
    /// There's no room.
    Full,
    /// Nothing can be sent any more.
    Closed,
}

/// What came out of the ring.
#[derive(Debug)]
pub(super) enum Popped {
    /// A message that lay in the ring, and is in the buffer now.
    Inline,
    /// One that lay outside.
    Lent(Message),
}

/// How long one waits for another that is taking or adding something at this moment, where one doesn't wait for messages. Only if
/// that one has been stopped is it as long as this.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(20);

/// In `spin_loop`s.
const MOMENT: usize = 3;

const FEW: u32 = 8;

/// A ring that has become empty gives back what it has beyond this.
const KEPT: usize = 64 << 10;

impl Stream {
    pub(super) fn new(arena: &'static Arena, offset: u64) -> Result<Stream> {
        let record: &StreamRecord = arena.stable_record(offset, Stable::Stream)?;
        let senders = KnownEnd::new(arena, record.senders.get())?;
        let receivers = KnownEnd::new(arena, record.receivers.get())?;
        Ok(Stream::of(arena, offset, record, senders, receivers))
    }

    fn of(
        arena: &'static Arena,
        offset: u64,
        record: &'static StreamRecord,
        senders: KnownEnd,
        receivers: KnownEnd,
    ) -> Stream {
        Stream {
            arena,
            offset,
            record,
            known: AtomicU64::new(0),
            deaths: AtomicU64::new(u64::MAX),
            senders,
            receivers,
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

    pub(super) fn pollable(&self) -> &OnceLock<Pollable> {
        &self.pollable
    }

    /// How many deaths there were when the leases were last looked at.
    pub(super) fn deaths_seen(&self) -> &AtomicU64 {
        &self.deaths
    }

    #[inline]
    pub(super) fn arena(&self) -> &'static Arena {
        self.arena
    }

    #[inline]
    pub(super) fn record(&self) -> &'static StreamRecord {
        self.record
    }

    /// The longest message that may lie in the ring.
    #[inline]
    pub(super) fn longest_inline(&self) -> usize {
        LONGEST_INLINE.min(self.record.most_bytes.load(Relaxed) as usize / 8)
    }

    /// The ring's bytes. For who has one of the locks: so they stay where they are.
    #[inline]
    fn data(&self) -> Result<Data> {
        let place = self.record.place();
        if self.known.load(Relaxed) == place.0 {
            let bytes = self.arena.pointer(place.offset() as usize, place.capacity());
            return Ok(Data::at(bytes, place.capacity()));
        }
        let data = place.data(self.arena)?;
        self.known.store(place.0, Relaxed);
        Ok(data)
    }

    fn patient(deadline: Deadline) -> Deadline {
        deadline.max(Deadline::after(PATIENCE))
    }

    /// The producers' lock; `None` when the deadline passed first.
    #[inline]
    fn produce(&self, deadline: Deadline) -> Option<Producing<'static>> {
        let (ring, me) = (&self.record.ring, self.arena.me().tag());
        // The clock is dear, and hardly ever is there somebody.
        ring.try_produce(me).or_else(|| ring.produce(me, self.arena, Stream::patient(deadline)))
    }

    /// Commits as many of the frames as there is room for.
    #[inline]
    pub(super) fn push(&self, frames: &[Frame<'_>], deadline: Deadline) -> Result<Pushed> {
        let Some(mut producing) = self.produce(deadline) else { return Ok(Pushed::Full) };
        if self.record.closed.load(Relaxed) != 0 {
            return Ok(Pushed::Closed);
        }
        let mut data = self.data()?;
        let (mut count, mut position) = (0, producing.position());
        let start = position;
        for frame in frames {
            if frame.bulk != 0 && count > 0 {
                break;
            }
            let space = frame_space(frame.payload.len());
            let mut rest = data.contiguous(position);
            let skipped = if space > rest { rest } else { 0 };
            let taken = position.wrapping_sub(start) as usize;
            if !self.has_room(
                &mut producing,
                count,
                taken + skipped + space,
                data.capacity(),
                frame.bulk,
                deadline,
            )? {
                if count > 0 || !self.make_room(&mut producing, space, &mut data)? {
                    break;
                }
                rest = data.contiguous(position);
            }
            if space > rest {
                data.write_header(position, header(SKIP, rest - FRAME_HEADER));
                position = position.wrapping_add(rest as u64);
            }
            data.write_header(position, header(frame.kind, frame.payload.len()));
            data.write(position + FRAME_HEADER as u64, frame.payload);
            position = position.wrapping_add(space as u64);
            count += 1;
        }
        if count == 0 {
            return Ok(Pushed::Full);
        }
        let bulk = if count == 1 { frames[0].bulk } else { 0 };
        producing.commit(count as u32, position.wrapping_sub(start) as usize, bulk);
        drop(producing);
        let arrivals = self.record.ring.arrivals();
        if count == 1 {
            arrivals.notify_one()
        } else {
            arrivals.notify()
        }
        Ok(Pushed::Some(count))
    }

    /// Whether there is room for one more message, after `messages` that take all but the last of the `bytes`.
    #[inline]
    fn has_room(
        &self,
        producing: &mut Producing<'_>,
        messages: usize,
        bytes: usize,
        capacity: usize,
        bulk: u64,
        deadline: Deadline,
    ) -> Result<bool> {
        let most_messages = self.record.most_messages.load(Relaxed) as usize;
        let fits = |load: Load| load.messages + messages < most_messages && load.bytes + bytes <= capacity;
        let mut has_room = producing.load(capacity).is_ok_and(fits);
        if !has_room || bulk != 0 {
            self.freed.hold_back(deadline);
            let before = producing.load(capacity).map_or(0, |load| load.messages);
            let load = producing.look(capacity)?;
            self.freed.note(before.saturating_sub(load.messages));
            has_room = fits(load);
            if bulk != 0 && load.messages > 0 {
                let most = self.record.most_bulk.load(Relaxed);
                has_room &= producing.bulk().saturating_add(bulk) <= most;
            }
        }
        Ok(has_room)
    }

    /// Makes the ring larger for a frame, if that helps and is allowed: whether it did.
    #[cold]
    fn make_room(&self, producing: &mut Producing<'_>, space: usize, data: &mut Data) -> Result<bool> {
        let capacity = data.capacity();
        let most = (self.record.most_bytes.load(Relaxed) as usize).clamp(SMALLEST, LARGEST);
        let most = 1 << most.ilog2();
        let load = producing.look(capacity)?;
        // It wasn't for lack of bytes.
        if load.messages >= self.record.most_messages.load(Relaxed) as usize
            || load.bytes + 2 * space <= capacity
        {
            return Ok(false);
        }
        let wanted = if capacity < KEPT { capacity * 4 } else { capacity * 2 };
        let new = wanted.max((4 * space).next_power_of_two()).min(most);
        if new <= capacity {
            return Ok(false);
        }
        match self.resize(producing, data, new) {
            // What has a limit of its own can wait for room in what it has.
            Err(e) if e.is_out_of_memory() && most < LARGEST && load.messages > 0 => Ok(false),
            resized => resized,
        }
    }

    /// Gives the ring other bytes: whether it got them.
    fn resize(&self, producing: &mut Producing<'_>, data: &mut Data, capacity: usize) -> Result<bool> {
        // Not for ever: others wait for the lock that this process has, and a consumer may have been stopped.
        let Some(consuming) = self.consume(Deadline::PASSED)? else { return Ok(false) };
        let (arena, before) = (self.arena, self.record.place());
        let load = producing.look(data.capacity())?;
        let block = arena.alloc(capacity)?;
        let mut larger = match Data::new(block, 0, capacity) {
            Ok(larger) if load.bytes <= capacity => larger,
            _ => {
                arena.free(block, arena.me());
                return Ok(false);
            }
        };
        larger.copy_from(data, consuming.position(), load.bytes);
        // This process's from here on: if it's killed after the next store, nothing names the old bytes but their owner.
        let old = arena.block(before.offset())?;
        arena.take_over_any(old);
        kill_point!(StreamBeforeResize);
        let place = Place::new(block, capacity, before);
        self.record.place.store(place.0, Release);
        kill_point!(StreamAfterResize);
        self.known.store(place.0, Relaxed);
        arena.free(old, arena.me());
        *data = larger;
        Ok(true)
    }

    /// Gives back what an empty ring doesn't need.
    #[cold]
    fn shrink(&self) {
        if let Some(mut producing) = self.produce(Deadline::PASSED)
            && let Ok(mut data) = self.data()
            && data.capacity() > KEPT
            && producing.look(data.capacity()).is_ok_and(|load| load.messages == 0)
        {
            // Without memory for smaller ones it keeps what it has.
            let _ = self.resize(&mut producing, &mut data, KEPT);
        }
    }

    /// The consumers' lock; `None` when the deadline passed first.
    #[inline]
    pub(super) fn consume(&self, deadline: Deadline) -> Result<Option<Consuming<'static>>> {
        let (ring, me) = (&self.record.ring, self.arena.me().tag());
        if let Some(consuming) = ring.try_consume(me) {
            return Ok(Some(consuming));
        }
        self.record.consume(self.arena, Stream::patient(deadline))
    }

    /// Takes the next message; what lay in the ring is appended to `out`.
    #[inline]
    pub(super) fn pop(&self, out: &mut Vec<u8>, deadline: Deadline) -> Result<Option<Popped>> {
        let Some(mut consuming) = self.consume(deadline)? else { return Ok(None) };
        let data = self.data()?;
        if consuming.is_dry() {
            self.found.hold_back(deadline);
            self.found.note(consuming.load(data.capacity())?.messages);
        }
        let Some(next) = next(&mut consuming, &data, 0)? else {
            drop(consuming);
            if data.capacity() > KEPT {
                self.shrink();
            }
            return Ok(None);
        };
        let (popped, bulk) = if next.kind == INLINE {
            data.read(next.payload, next.len, out);
            (Ok(Popped::Inline), 0)
        } else {
            let lent = next.lent(&data)?;
            (lent.receive(self.arena).map(Popped::Lent), lent.len)
        };
        // Also what can't be received: it's in the way of others.
        consuming.retire(1, next.end, bulk);
        drop(consuming);
        // All who wait: for some there may still be too little room.
        self.record.ring.departures().notify();
        popped.map(Some)
    }

    /// Takes up to `most` messages that lie in the ring, with one store: their bytes are appended to `out`, and where each ends to
    /// `ends`.
    pub(super) fn pop_many(
        &self,
        most: usize,
        out: &mut Vec<u8>,
        ends: &mut Vec<usize>,
        deadline: Deadline,
    ) -> Result<()> {
        let Some(mut consuming) = self.consume(deadline)? else { return Ok(()) };
        let data = self.data()?;
        let (mut passed, mut count) = (0, 0);
        while count < most {
            match next(&mut consuming, &data, passed)? {
                Some(next) if next.kind == INLINE => {
                    data.read(next.payload, next.len, out);
                    ends.push(out.len());
                    passed = next.end;
                    count += 1;
                }
                _ => break,
            }
        }
        if count > 0 {
            consuming.retire(count as u32, passed, 0);
            drop(consuming);
            self.record.ring.departures().notify();
        }
        Ok(())
    }

    /// Says that nothing will be sent any more. What has been sent is still received.
    pub(super) fn close(&self) -> Result<()> {
        let Some(producing) = self.produce(Deadline::NEVER) else { return Ok(()) };
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

/// A frame that is committed and not taken.
pub(super) struct Next {
    pub(super) kind: u8,
    payload: u64,
    len: usize,
    /// How many bytes of the ring there are to retire.
    pub(super) end: usize,
}

impl Next {
    /// The message outside of the ring that the frame names.
    pub(super) fn lent(&self, data: &Data) -> Result<Lent> {
        let mut name = Vec::with_capacity(Lent::SIZE);
        if self.kind != LENT || self.len != Lent::SIZE {
            return Err(Error::corrupted(format_args!("a message of kind {}", self.kind)));
        }
        data.read(self.payload, self.len, &mut name);
        Lent::parse(&name)
    }
}

/// The frame that comes after the first `passed` bytes.
#[inline]
pub(super) fn next(consuming: &mut Consuming<'_>, data: &Data, passed: usize) -> Result<Option<Next>> {
    let available = consuming.load(data.capacity())?.bytes;
    let mut end = passed;
    while end < available {
        let position = consuming.position().wrapping_add(end as u64);
        let (kind, len) = parse_header(data.read_u32(position));
        let space = frame_space(len);
        if space > available - end || space > data.contiguous(position) {
            return Err(cut_off());
        }
        end += space;
        if kind != SKIP {
            return Ok(Some(Next { kind, payload: position + FRAME_HEADER as u64, len, end }));
        }
    }
    Ok(None)
}

impl StreamRecord {
    /// The consumers' lock; `None` when the deadline passed first. If its holder died, what it was doing is completed.
    pub(super) fn consume(&self, arena: &Arena, deadline: Deadline) -> Result<Option<Consuming<'_>>> {
        let consuming = self.ring.consume(arena.me().tag(), arena, deadline);
        if let Some(consuming) = &consuming
            && consuming.is_recovered()
        {
            self.leases.repair(arena, consuming.number())?;
        }
        Ok(consuming)
    }

    /// Takes all messages and frees them: nobody will receive them. As long as the record is that of the stream: `state` is what its
    /// block was when it was looked at whether somebody will.
    pub(crate) fn drain(&self, arena: &Arena, own: Block<'_>, state: BlockState) {
        while let Ok(Some(taken)) = self.take_one(arena, own, state) {
            if let Some(lent) = taken {
                // Not under the lock: what ends with this may be another stream.
                lent.discard(arena);
            }
        }
    }

    /// Takes one message, or one that somebody had and never finished: its block is this process's. `None` in the end.
    fn take_one(&self, arena: &Arena, own: Block<'_>, state: BlockState) -> Result<Option<Option<Lent>>> {
        let Some(mut consuming) = self.consume(arena, Deadline::after(DRAINING))? else { return Ok(None) };
        if !own.is(state) {
            return Ok(None);
        }
        let data = self.place().data(arena)?;
        let Some(next) = next(&mut consuming, &data, 0)? else { return Ok(self.leases.take_one(arena)) };
        let lent = next.lent(&data).ok().filter(|lent| lent.take(arena).is_ok());
        consuming.retire(1, next.end, lent.map_or(0, |lent| lent.len));
        Ok(Some(lent))
    }
}

/// Nobody who lives is in the way of one who frees what nobody will receive, but for wrong bytes in shared memory.
pub(super) const DRAINING: std::time::Duration = wait::SLICE;

/// Sees to it that the dead have let go of their ends: after each death, and after each slice of waiting also of ends that nobody can
/// ever receive.
pub(super) struct Lookout {
    deaths: Option<u64>,
    slice: Deadline,
}

impl Lookout {
    pub(super) fn new() -> Lookout {
        Lookout { deaths: None, slice: Deadline::after(wait::SLICE) }
    }

    pub(super) fn look(&mut self, arena: &'static Arena) {
        let deaths = Some(arena.deaths());
        let is_over = self.slice.has_passed();
        if self.deaths == deaths && !is_over {
            return;
        }
        if is_over {
            self.slice = Deadline::after(wait::SLICE);
            arena.follow_suspicion();
        }
        // If somebody else is at it for so long, that's looked at again after the next slice.
        recovery::sweep_until(arena, Deadline::after(PATIENCE));
        self.deaths = deaths;
    }
}
