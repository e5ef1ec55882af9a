//! How far a side has come that any number of processes may be on, in one word.

use crate::{
    atomic::{AtomicU64, Ordering::Acquire},
    error::{Error, Result},
};

/// How far one side has come: how many messages ever went by, and how many bytes. Both wrap around; only differences of less than
/// half of their range are ever used.
///
/// One word: bits 32..64 the messages, bits 0..32 the bytes in units of eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) messages: u32,
    units: u32,
}

/// All frames are a multiple of it.
const UNIT: usize = 8;

impl Cursor {
    #[inline]
    pub(super) fn load(word: &AtomicU64) -> Cursor {
        let bits = word.load(Acquire);
        Cursor { messages: (bits >> 32) as u32, units: bits as u32 }
    }

    #[inline]
    pub(super) fn to_bits(self) -> u64 {
        u64::from(self.messages) << 32 | u64::from(self.units)
    }

    /// The position in the ring's bytes.
    #[inline]
    pub(super) fn position(self) -> u64 {
        u64::from(self.units) * UNIT as u64
    }

    #[inline]
    pub(super) fn advanced(self, messages: u32, bytes: usize) -> Cursor {
        Cursor {
            messages: self.messages.wrapping_add(messages),
            units: self.units.wrapping_add((bytes / UNIT) as u32),
        }
    }

    /// Which of the two words of a side's `bulk` belongs to the cursor.
    #[inline]
    pub(super) fn parity(self) -> usize {
        self.messages as usize & 1
    }

    /// How many messages went by since the other cursor; none if that is the later one.
    #[inline]
    pub(super) fn messages_since(self, other: Cursor) -> u32 {
        (self.messages.wrapping_sub(other.messages) as i32).max(0) as u32
    }

    /// How many bytes went by since an earlier cursor.
    #[inline]
    pub(super) fn bytes_since(self, earlier: Cursor) -> usize {
        self.units.wrapping_sub(earlier.units) as usize * UNIT
    }
}

/// What lies between two cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl Load {
    /// # Errors
    ///
    /// Corrupted when no correct member can have written the cursors.
    #[inline]
    pub(super) fn between(head: Cursor, tail: Cursor, capacity: usize) -> Result<Load> {
        let messages = tail.messages.wrapping_sub(head.messages) as usize;
        let bytes = tail.bytes_since(head);
        // Each message takes a unit at least.
        if bytes > capacity || messages > bytes / UNIT || (bytes > 0 && messages == 0) {
            let text = format_args!("a ring of {capacity} bytes has cursors {head:?} and {tail:?}");
            return Err(Error::corrupted(text));
        }
        Ok(Load { messages, bytes })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn cursors_wrap_around() {
        let before = Cursor { messages: u32::MAX, units: u32::MAX };
        let after = before.advanced(2, 24);
        assert_eq!(after, Cursor { messages: 1, units: 2 });
        assert_eq!((after.messages_since(before), after.bytes_since(before)), (2, 24));
        assert_eq!(before.messages_since(after), 0, "what is later was looked at later, or is wrong");
        assert_eq!(Load::between(before, after, 64).unwrap(), Load { messages: 2, bytes: 24 });
        for wrong in [before.advanced(0, 8), before.advanced(2, 8), before.advanced(1, 72)] {
            assert!(Load::between(before, wrong, 64).unwrap_err().is_corrupted());
        }
    }
}
