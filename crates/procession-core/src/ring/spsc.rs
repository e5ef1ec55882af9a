//! The two sides of a ring, with frames.

use super::{
    cursor::{Head, Tail},
    frame::{FRAME_HEADER, SKIP, cut_off, frame_space, header, parse_header},
};
use crate::{
    error::Result,
    ring::{Data, Ring},
};

/// The side that writes. There is one, in one process.
#[derive(Debug)]
pub(crate) struct Producer<'a> {
    ring: &'a Ring,
    data: Data,
    tail: Tail,
}

impl<'a> Producer<'a> {
    pub(crate) fn new(ring: &'a Ring, data: Data) -> Producer<'a> {
        Producer { ring, data, tail: Tail::new() }
    }

    /// Writes a frame whose payload is `parts` one after the other. The position of its header, or `None` when there is
    /// no room now. A frame takes at most half of the ring; for a longer one there might never be room.
    ///
    /// # Errors
    ///
    /// Corrupted when the consumer's cursor is where it can't be.
    #[inline]
    pub(crate) fn push(&mut self, kind: u8, parts: &[&[u8]]) -> Result<Option<u64>> {
        let len = parts.iter().map(|part| part.len()).sum();
        let space = frame_space(len);
        debug_assert!(space <= self.data.capacity() / 2, "a frame of more than half of its ring");
        let (start, rest) = (self.tail.at(), self.data.contiguous(self.tail.at()));
        let skipped = if space > rest { rest } else { 0 };
        if !self.tail.has_room(self.ring, self.data.capacity(), skipped + space)? {
            return Ok(None);
        }
        if skipped != 0 {
            self.data.write_header(start, header(SKIP, skipped - FRAME_HEADER));
        }
        let at = start.wrapping_add(skipped as u64);
        self.data.write_header(at, header(kind, len));
        let mut position = at + FRAME_HEADER as u64;
        for part in parts {
            self.data.write(position, part);
            position += part.len() as u64;
        }
        self.tail.commit(self.ring, skipped + space);
        Ok(Some(at))
    }

    /// Whether the consumer has left more than half of the ring unread.
    #[inline]
    pub(crate) fn is_half_full(&mut self) -> bool {
        let half = self.data.capacity() as u64 / 2;
        self.tail.in_use_at_most() > half && {
            // A cursor that can't be is found by the next push.
            let _ = self.tail.look(self.ring, self.data.capacity());
            self.tail.in_use_at_most() > half
        }
    }

    /// Whether bytes at this position are still in the ring, as far as this side knows.
    pub(crate) fn holds(&self, position: u64) -> bool {
        self.tail.at().wrapping_sub(position) <= self.data.capacity() as u64
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }
}

/// The side that reads. There is one, in one process.
#[derive(Debug)]
pub(crate) struct Consumer<'a> {
    ring: &'a Ring,
    data: Data,
    head: Head,
}

impl<'a> Consumer<'a> {
    pub(crate) fn new(ring: &'a Ring, data: Data) -> Consumer<'a> {
        Consumer { ring, data, head: Head::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        // A cursor that cannot be is something to look at.
        matches!(self.head.available(self.ring, self.data.capacity()), Ok(0))
    }

    /// Copies the next frame's payload into `out` without retiring it: its kind, the position of its header, and the
    /// bytes to retire when the caller is done with it. `None` when there is no frame.
    pub(crate) fn peek(&mut self, out: &mut Vec<u8>) -> Result<Option<(u8, u64, usize)>> {
        loop {
            let available = self.head.available(self.ring, self.data.capacity())?;
            if available == 0 {
                return Ok(None);
            }
            let at = self.head.at();
            let (kind, len) = parse_header(self.data.read_u32(at));
            let space = frame_space(len);
            if space > available || space > self.data.contiguous(at) {
                return Err(cut_off());
            }
            if kind == SKIP {
                self.head.retire(self.ring, space);
                continue;
            }
            out.clear();
            self.data.read(at + FRAME_HEADER as u64, len, out);
            return Ok(Some((kind, at, space)));
        }
    }

    /// Appends all committed frames to `out`, without retiring them: how many bytes there are to retire.
    pub(crate) fn read_all(&mut self, out: &mut Vec<u8>) -> Result<usize> {
        let available = self.head.available(self.ring, self.data.capacity())?;
        self.data.read_wrapped(self.head.at(), available, out);
        Ok(available)
    }

    pub(crate) fn retire(&mut self, bytes: usize) {
        self.head.retire(self.ring, bytes);
    }

    pub(crate) fn data(&self) -> &Data {
        &self.data
    }
}

/// All committed and not retired frames, for one who is neither side. What a side that has ended wrote or was to read is right;
/// while both sides are at work it may be nonsense, or an error.
pub(crate) fn snapshot(ring: &Ring, data: &Data) -> Result<Vec<u8>> {
    let (head, tail) = ring.committed(data.capacity())?;
    let (available, mut out) = (tail.wrapping_sub(head) as usize, Vec::new());
    data.read_wrapped(head, available, &mut out);
    Ok(out)
}
