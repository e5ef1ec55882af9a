//! Popping messages out of a stream.

use super::{
    frame::{INLINE, LENT},
    push::KEPT,
    record::StreamRecord,
    stream::Stream,
};
use crate::{
    arena::{Arena, Block, BlockState},
    error::{Error, Result},
    message::{Lent, Message},
    ring::{Consuming, Data, FRAME_HEADER, SKIP, cut_off, frame_space, parse_header},
    sys::clock::Deadline,
    wait,
};

/// What came out of the ring.
#[derive(Debug)]
pub(super) enum Popped {
    /// A message that lay in the ring, and is in the buffer now.
    Inline,
    /// One that lay outside.
    Lent(Message),
}

impl Stream {
    /// Takes the next message; what lay in the ring is appended to `out`.
    #[inline]
    pub(super) fn pop(&self, out: &mut Vec<u8>, deadline: Deadline) -> Result<Option<Popped>> {
        let Some(mut consuming) = self.consume(deadline) else { return Ok(None) };
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
            match lent.receive(self.arena) {
                // It stays where it is, for one who has memory.
                Err(e) if e.is_out_of_memory() => return Err(e),
                received => (received.map(Popped::Lent), lent.len),
            }
        };
        // Also what can't be received: it's in the way of others.
        consuming.retire(1, next.end, bulk);
        if let Ok(Popped::Lent(message)) = &popped {
            // Not before: if this process is killed while the ring still names it, another receives it.
            message.forget_name();
        }
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
        let Some(mut consuming) = self.consume(deadline) else { return Ok(()) };
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
    pub(super) fn consume(&self, arena: &Arena, deadline: Deadline) -> Option<Consuming<'_>> {
        let consuming = self.ring.consume(arena.me().tag(), arena, deadline)?;
        if consuming.is_recovered() {
            self.leases.repair(arena, |number| self.ring.was_taken(number));
        }
        Some(consuming)
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
        let Some(mut consuming) = self.consume(arena, Deadline::after(DRAINING)) else { return Ok(None) };
        if !own.is(state) {
            return Ok(None);
        }
        let data = self.place().data(arena)?;
        let Some(next) = next(&mut consuming, &data, 0)? else { return Ok(self.leases.take_one(arena)) };
        // With its handles, before it's no stream's: if this process is killed, they are the dead one's.
        let lent = next.lent(&data).ok().filter(|lent| lent.take_all(arena).is_ok());
        consuming.retire(1, next.end, lent.map_or(0, |lent| lent.len));
        Ok(Some(lent))
    }
}

/// Nobody who lives is in the way of one who frees what nobody will receive, but for wrong bytes in shared memory.
pub(super) const DRAINING: std::time::Duration = wait::SLICE;
