//! Frames: how variable-size records lie in a ring.
//!
//! A frame is a header of four bytes (length in the upper 28 bits, kind in the lower four), the payload, and padding to
//! eight bytes. It never wraps: where it would, a frame of kind `SKIP` fills the rest of the ring.

use crate::error::{Error, Result};

pub(crate) const FRAME_HEADER: usize = 4;

/// The longest payload that a header can name.
pub(crate) const MAX_LEN: usize = (1 << 28) - 1;

/// Fills the end of the ring.
pub(crate) const SKIP: u8 = 0;

/// How many bytes of the ring a payload takes.
#[inline]
pub(crate) const fn frame_space(len: usize) -> usize {
    (FRAME_HEADER + len).next_multiple_of(8)
}

#[inline]
pub(crate) fn header(kind: u8, len: usize) -> u32 {
    debug_assert!(len <= MAX_LEN && kind < 16);
    (len as u32) << 4 | kind as u32
}

#[inline]
pub(crate) fn parse_header(word: u32) -> (u8, usize) {
    ((word & 15) as u8, (word >> 4) as usize)
}

/// One frame, in private memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
}

/// The frames in bytes that were copied out of a ring. Ends at the first that cannot be, with an error.
#[derive(Clone, Debug)]
pub(crate) struct Frames<'a>(&'a [u8]);

impl<'a> Frames<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Frames<'a> {
        Frames(bytes)
    }

    /// How many bytes are still to be looked at.
    pub(crate) fn rest(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn take(&mut self) -> Option<Frame<'a>> {
        let bytes = self.0;
        let (head, rest) = bytes.split_first_chunk()?;
        let (kind, len) = parse_header(u32::from_le_bytes(*head));
        let payload = rest.get(..len)?;
        self.0 = bytes.get(frame_space(len)..)?;
        Some(Frame { kind, payload })
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Result<Frame<'a>>> {
        while !self.0.is_empty() {
            match self.take() {
                Some(frame) if frame.kind == SKIP => {}
                Some(frame) => return Some(Ok(frame)),
                None => {
                    self.0 = &[];
                    return Some(Err(cut_off()));
                }
            }
        }
        None
    }
}

#[cold]
pub(crate) fn cut_off() -> Error {
    Error::corrupted("a frame reaches over the end of its ring")
}
