//! Pushing messages into a stream; its ring grows and shrinks.

use super::{
    record::{LARGEST, Place, SMALLEST},
    stream::Stream,
};
use crate::{
    atomic::Ordering::{Relaxed, Release},
    error::Result,
    kill_point::kill_point,
    ring::{Data, FRAME_HEADER, Load, Producing, SKIP, frame_space, header},
    sys::clock::Deadline,
};

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
    /// A lock could not be had soon enough: whether there's room isn't known.
    Busy,
    /// Nothing can be sent any more.
    Closed,
}

/// A ring that has become empty gives back what it has beyond this.
pub(super) const KEPT: usize = 64 << 10;

/// What came of the attempt to make the ring larger.
enum Room {
    Made,
    /// There can't be more.
    None,
    /// A lock could not be had soon enough.
    Busy,
}

impl Stream {
    /// Commits as many of the frames as there is room for. There is one at least; one of which bytes lie outside of the ring comes
    /// alone.
    #[inline]
    pub(super) fn push(&self, frames: &[Frame<'_>], deadline: Deadline) -> Result<Pushed> {
        let Some(mut producing) = self.produce(deadline) else { return Ok(Pushed::Busy) };
        if self.record.closed.load(Relaxed) != 0 {
            return Ok(Pushed::Closed);
        }
        let mut data = self.data()?;
        let (mut count, mut position) = (0, producing.position());
        let start = position;
        'frames: for frame in frames {
            let space = frame_space(frame.payload.len());
            let skipped = loop {
                let rest = data.contiguous(position);
                let skipped = if space > rest { rest } else { 0 };
                let bytes = position.wrapping_sub(start) as usize + skipped + space;
                if self.has_room(&mut producing, count, bytes, data.capacity(), frame.bulk, deadline)? {
                    break skipped;
                }
                if count > 0 {
                    break 'frames;
                }
                // A larger ring may still be too small, or it wasn't only for that.
                match self.make_room(&mut producing, space, &mut data)? {
                    Room::Made => {}
                    Room::None => return Ok(Pushed::Full),
                    Room::Busy => return Ok(Pushed::Busy),
                }
            };
            if skipped != 0 {
                data.write_header(position, header(SKIP, skipped - FRAME_HEADER));
                position = position.wrapping_add(skipped as u64);
            }
            data.write_header(position, header(frame.kind, frame.payload.len()));
            data.write(position + FRAME_HEADER as u64, frame.payload);
            position = position.wrapping_add(space as u64);
            count += 1;
        }
        producing.commit(count as u32, position.wrapping_sub(start) as usize, frames[0].bulk);
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

    /// Makes the ring larger for a frame, if that helps and is allowed.
    #[cold]
    fn make_room(&self, producing: &mut Producing<'_>, space: usize, data: &mut Data) -> Result<Room> {
        let capacity = data.capacity();
        let most = (self.record.most_bytes.load(Relaxed) as usize).clamp(SMALLEST, LARGEST);
        let most = 1 << most.ilog2();
        let load = producing.look(capacity)?;
        // It wasn't for lack of bytes.
        if load.messages >= self.record.most_messages.load(Relaxed) as usize
            || load.bytes + 2 * space <= capacity
        {
            return Ok(Room::None);
        }
        let wanted = if capacity < KEPT { capacity * 4 } else { capacity * 2 };
        let new = wanted.max((4 * space).next_power_of_two()).min(most);
        if new <= capacity {
            return Ok(Room::None);
        }
        match self.resize(producing, data, new) {
            // What has a limit of its own can wait for room in what it has.
            Err(e) if e.is_out_of_memory() && most < LARGEST && load.messages > 0 => Ok(Room::None),
            resized => resized,
        }
    }

    /// Gives the ring other bytes.
    fn resize(&self, producing: &mut Producing<'_>, data: &mut Data, capacity: usize) -> Result<Room> {
        // Not for ever: others wait for the lock that this process has, and a consumer may have been stopped.
        let Some(consuming) = self.consume(Deadline::PASSED) else { return Ok(Room::Busy) };
        let (arena, before) = (self.arena, self.record.place());
        let load = producing.look(data.capacity())?;
        // Before there's anything to take back.
        let old = arena.block(before.offset())?;
        let block = arena.alloc(capacity)?;
        let mut larger = match Data::new(block, 0, capacity) {
            Ok(larger) if load.bytes <= capacity => larger,
            _ => {
                arena.free(block, arena.me());
                return Ok(Room::None);
            }
        };
        larger.copy_from(data, consuming.position(), load.bytes);
        // This process's from here on: if it's killed after the next store, nothing names the old bytes but their owner.
        arena.take_over_any(old);
        kill_point!(StreamBeforeResize);
        let place = Place::new(block, capacity, before);
        self.record.place.store(place.0, Release);
        kill_point!(StreamAfterResize);
        self.known.store(place.0, Relaxed);
        arena.free(old, arena.me());
        *data = larger;
        Ok(Room::Made)
    }

    /// Gives back what an empty ring doesn't need.
    #[cold]
    pub(super) fn shrink(&self) {
        if let Some(mut producing) = self.produce(Deadline::PASSED)
            && let Ok(mut data) = self.data()
            && data.capacity() > KEPT
            && producing.look(data.capacity()).is_ok_and(|load| load.messages == 0)
        {
            // Without memory for smaller ones it keeps what it has.
            let _ = self.resize(&mut producing, &mut data, KEPT);
        }
    }
}
