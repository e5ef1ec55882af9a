//! Who owns something: a slot of the process table, and which of its occupants.

use std::fmt;

/// How many processes a family can have at once.
pub const SLOTS: usize = 1024;

const SLOT_BITS: u32 = 11;
const TAG_BITS: u32 = 30;

/// One process of the family, for ever: a slot, and the generation that tells its occupants apart.
///
/// Never a process id: the kernel uses those again.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner {
    slot: u16,
    generation: u32,
}

impl Owner {
    /// Nobody: what a word holds that names no owner.
    pub(crate) const NOBODY: u64 = 0;

    /// The occupant `generation` (not 0) of `slot`; `None` for a pair that no member can have.
    pub(crate) fn new(slot: usize, generation: u32) -> Option<Owner> {
        (slot < SLOTS && generation != 0).then_some(Owner { slot: slot as u16, generation })
    }

    pub(crate) fn slot(self) -> usize {
        self.slot as usize
    }

    pub(crate) fn generation(self) -> u32 {
        self.generation
    }

    /// As 44 bits: slot above generation. Never `NOBODY`.
    pub(crate) fn to_bits(self) -> u64 {
        (self.slot as u64) << 32 | self.generation as u64
    }

    pub(crate) fn from_bits(bits: u64) -> Option<Owner> {
        Owner::new((bits >> 32) as usize, bits as u32)
    }

    /// As what fits a lock word.
    #[inline]
    pub(crate) fn tag(self) -> Tag {
        Tag((self.slot as u32 + 1) | (self.generation << SLOT_BITS) & Tag::MASK)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "member {}.{}", self.slot, self.generation)
    }
}

/// An owner in 30 bits of a lock word: slot + 1, and the low bits of the generation. Never zero.
///
/// A word that names an earlier occupant of the slot is told by its generation, and is its dead holder's. The missing high
/// bits could confuse only occupants that are 2^19 generations apart, while all waiters slept through all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag(u32);

impl Tag {
    /// The bits of a word that hold a tag.
    pub(crate) const MASK: u32 = (1 << TAG_BITS) - 1;

    /// Those of them that are `short_bits`.
    pub(super) const SHORT_MASK: u32 = (1 << 28) - 1;

    #[inline]
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// The tag in a lock word; `None` when it names nobody.
    pub(crate) fn from_word(word: u32) -> Option<Tag> {
        let bits = word & Tag::MASK;
        (bits != 0).then_some(Tag(bits))
    }

    /// The bits that fit a slot's word: without the highest two of the generation, which is enough to tell who has a slot from who
    /// has it next.
    pub(super) fn short_bits(self) -> u32 {
        self.0 & Tag::SHORT_MASK
    }

    /// The slot it names; `None` for a word that no member can have written.
    pub(crate) fn slot(self) -> Option<usize> {
        ((self.0 & ((1 << SLOT_BITS) - 1)) as usize).checked_sub(1).filter(|slot| *slot < SLOTS)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_owner_survives_its_encodings() {
        for (slot, generation) in [(0, 1), (1023, u32::MAX), (7, 1 << 19), (512, 0x8000_0001)] {
            let owner = Owner::new(slot, generation).unwrap();
            assert_eq!(Owner::from_bits(owner.to_bits()), Some(owner));
            assert_eq!(owner.tag().slot(), Some(slot));
            assert_eq!(Tag::from_word(owner.tag().bits() | 3 << 30), Some(owner.tag()));
        }
        assert_eq!(Owner::new(SLOTS, 1), None);
        assert_eq!(Owner::from_bits(Owner::NOBODY), None);
        assert_eq!(Tag::from_word(0), None);
    }
}
