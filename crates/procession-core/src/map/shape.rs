//! How many shards a map has, and which of them a key is in.
//!
//! Linear hashing: the shards are numbered, and a map grows by one and shrinks by one at a time. When it grows, the entries of one
//! shard are divided between that one and the new one; all others stay where they are.

/// | bits 0..24 | 24..40 | 40..64 |
/// |---|---|---|
/// | how many shards there are | how often there became fewer | how often all was cleared |
///
/// One store of it adds a shard, takes one away or clears all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape(pub(super) u64);

/// A map begins with so many shards, and never has fewer: as many as a group has.
pub(super) const FEWEST: usize = 16;

/// There are no more: pages grow instead.
pub(super) const MOST: usize = 1 << 20;

const COUNT: u64 = (1 << 24) - 1;
const SHRUNK: u64 = 1 << 24;
const CLEARED: u64 = 1 << 40;

/// How many bits tell which clearing something is of.
pub(super) const EPOCH_BITS: u32 = 12;

impl Shape {
    pub(super) fn new() -> Shape {
        Shape(FEWEST as u64)
    }

    /// Whatever was scribbled: a number that can be.
    #[inline]
    pub(super) fn shards(self) -> usize {
        ((self.0 & COUNT) as usize).clamp(FEWEST, MOST)
    }

    /// Only what was written in the same epoch counts. (Who clears takes all locks, and nobody leaves anything of an earlier epoch behind
    /// when he has had one.)
    #[inline]
    pub(super) fn epoch(self) -> u64 {
        self.0 / CLEARED % (1 << EPOCH_BITS)
    }

    /// The shard of a key whose hash this is.
    #[inline]
    pub(super) fn shard_of(self, hash: u32) -> usize {
        let shards = self.shards();
        let level = shards.ilog2();
        let finer = hash as usize & ((2 << level) - 1);
        if finer < shards { finer } else { finer & ((1 << level) - 1) }
    }

    /// The shard that was divided when the last one came.
    pub(super) fn sibling_of_last(self) -> usize {
        let last = self.shards() - 1;
        last - (1 << last.ilog2())
    }

    pub(super) fn with_one_more(self) -> Shape {
        Shape(self.0.wrapping_add(1))
    }

    pub(super) fn with_one_less(self) -> Shape {
        let epoch = self.0 & !(CLEARED - 1);
        Shape(epoch | self.shrunk() | (self.shards() as u64 - 1))
    }

    pub(super) fn cleared(self) -> Shape {
        let epoch = (self.0 & !(CLEARED - 1)).wrapping_add(CLEARED);
        Shape(epoch | self.shrunk() | FEWEST as u64)
    }

    /// The middle bits, one higher.
    fn shrunk(self) -> u64 {
        self.0.wrapping_add(SHRUNK) & (CLEARED - 1) & !COUNT
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn of(shards: usize) -> Shape {
        Shape((7 * CLEARED) | shards as u64)
    }

    #[test]
    fn a_new_shard_gets_entries_of_one_other() {
        for shards in FEWEST..300 {
            let (before, after) = (of(shards), of(shards).with_one_more());
            assert_eq!(after.shards(), shards + 1);
            for hash in 0..5000_u32 {
                let (old, new) = (before.shard_of(hash), after.shard_of(hash));
                assert!(old < shards);
                assert!(new == old || new == shards && old == after.sibling_of_last(), "{shards} {hash}");
            }
        }
    }

    #[test]
    fn every_shard_gets_some() {
        for shards in FEWEST..100 {
            let used: std::collections::HashSet<usize> =
                (0..1000).map(|hash| of(shards).shard_of(hash)).collect();
            assert_eq!(used.len(), shards);
        }
    }

    #[test]
    fn fewer_shards_and_none_are_told_from_before() {
        let mut shape = of(40);
        for n in 1..100_000_u64 {
            let before = shape;
            shape = shape.with_one_more().with_one_less();
            assert_eq!((shape.shards(), shape.epoch()), (40, 7));
            assert_ne!(shape, before, "{n}");
        }
        let cleared = of(40).cleared();
        assert_eq!((cleared.shards(), cleared.epoch()), (FEWEST, 8));
        assert_eq!(Shape(u64::MAX << 40 | 40).cleared().epoch(), 0, "it wraps around");
    }

    #[test]
    fn scribbled_counts_are_bounded() {
        assert_eq!(Shape(0).shards(), FEWEST);
        assert_eq!(Shape(COUNT).shards(), MOST);
    }
}
