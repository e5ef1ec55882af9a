//! The bytes of a ring.

use crate::{arena::Block, atomic::AtomicU64, bytes::copy, error::Result};
use std::ptr::NonNull;

/// A ring's bytes in shared memory: addressed by position, which wraps around.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    base: NonNull<u8>,
    capacity: usize,
}

// SAFETY: bounds: kept by every method. Aliasing: the cursors say which side may touch which bytes, and each side is used
// by one thread at a time (its methods take `&mut`). Lifetime: the arena is never unmapped.
unsafe impl Send for Data {}
// SAFETY: as for Send.
unsafe impl Sync for Data {}

impl Data {
    /// The `capacity` bytes at `at` of the block; a power of two, so that positions wrap with it.
    pub(crate) fn new(block: Block<'_>, at: usize, capacity: usize) -> Result<Data> {
        assert!(
            capacity.is_power_of_two() && at % 8 == 0,
            "a ring's bytes are a power of two, on a word boundary"
        );
        Ok(Data { base: block.pointer(at, capacity)?, capacity })
    }

    /// The same, of bytes that were found to be a ring's before.
    #[inline]
    pub(crate) fn at(base: NonNull<u8>, capacity: usize) -> Data {
        Data { base, capacity }
    }

    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many bytes follow `position` before the ring begins anew.
    #[inline]
    pub(crate) fn contiguous(&self, position: u64) -> usize {
        self.capacity - self.index(position)
    }

    #[inline]
    fn index(&self, position: u64) -> usize {
        position as usize & (self.capacity - 1)
    }

    #[inline]
    fn place(&self, position: u64, len: usize) -> *mut u8 {
        let index = self.index(position);
        assert!(len <= self.capacity - index, "an access over the end of a ring");
        // SAFETY: bounds: checked in the line above. Aliasing: a pointer claims nothing. Lifetime: never unmapped.
        unsafe { self.base.as_ptr().add(index) }
    }

    /// Writes bytes that are the producer's.
    #[inline]
    pub(crate) fn write(&mut self, position: u64, bytes: &[u8]) {
        let target = self.place(position, bytes.len());
        // SAFETY: bounds: checked by `place`. Aliasing: between head and tail + capacity, where only the one producer
        // writes and nobody reads before the commit; `bytes` is private. Lifetime: never unmapped.
        unsafe { copy(bytes.as_ptr(), target, bytes.len()) };
    }

    /// Writes a frame's header, at a position that is a multiple of eight.
    #[inline]
    pub(crate) fn write_header(&mut self, position: u64, header: u32) {
        let target = self.place(position, 4).cast::<u32>();
        // SAFETY: bounds: checked by `place`. Aliasing, lifetime: as for `write`.
        unsafe { target.write_unaligned(header.to_le()) };
    }

    /// Appends committed bytes to `out`.
    #[inline]
    pub(crate) fn read(&self, position: u64, len: usize, out: &mut Vec<u8>) {
        let source = self.place(position, len);
        out.reserve(len);
        // SAFETY: bounds: checked by `place`, and by `reserve`. Aliasing: committed and not retired, so no correct process
        // writes here (except to a claim word, whose bytes are read again through `word`); a copy of wrong bytes is
        // still only bytes. Lifetime: never unmapped.
        unsafe {
            source.copy_to_nonoverlapping(out.as_mut_ptr().add(out.len()), len);
            out.set_len(out.len() + len);
        }
    }

    /// Appends bytes that may reach over the end of the ring to its start.
    pub(crate) fn read_wrapped(&self, position: u64, len: usize, out: &mut Vec<u8>) {
        let first = len.min(self.contiguous(position));
        self.read(position, first, out);
        self.read(position.wrapping_add(first as u64), len - first, out);
    }

    /// Copies what another ring has at these positions, which nobody reads here yet.
    pub(crate) fn copy_from(&mut self, other: &Data, position: u64, len: usize) {
        let (mut position, mut left) = (position, len);
        while left > 0 {
            let piece = left.min(self.contiguous(position)).min(other.contiguous(position));
            let (source, target) = (other.place(position, piece), self.place(position, piece));
            // SAFETY: bounds: checked by `place` on both sides. Aliasing: two blocks, of which nobody writes the one or reads the
            // other: both sides' locks are held. Lifetime: never unmapped.
            unsafe { target.copy_from_nonoverlapping(source, piece) };
            position = position.wrapping_add(piece as u64);
            left -= piece;
        }
    }

    /// The first four bytes at a position, little-endian.
    #[inline]
    pub(crate) fn read_u32(&self, position: u64) -> u32 {
        let mut bytes = [0; 4];
        let source = self.place(position, 4);
        // SAFETY: bounds: checked by `place`. Aliasing, lifetime: as for `read`.
        unsafe { source.copy_to_nonoverlapping(bytes.as_mut_ptr(), 4) };
        u32::from_le_bytes(bytes)
    }

    /// A word inside a committed frame, on which both sides work at once. Positions are multiples of eight.
    pub(crate) fn word(&self, position: u64) -> &AtomicU64 {
        assert!(position % 8 == 0, "a misaligned word in a ring");
        let word = self.place(position, size_of::<AtomicU64>()).cast::<AtomicU64>();
        // SAFETY: bounds: checked by `place`; alignment: the base is on a word boundary and so is the position. Aliasing:
        // an atomic, valid for any bits. Lifetime: never unmapped.
        unsafe { &*word }
    }
}
