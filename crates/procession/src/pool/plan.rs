//! How many workers there should be: a pure function of what is true now, never of tokens.

/// A worker with so many tasks has enough: it won't run out before somebody looks again.
pub(super) const ENOUGH: usize = 6144;

/// What is true now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    /// How many workers the pool is to have.
    pub(super) size: usize,
    /// How many it has, busy or idle or still starting.
    pub(super) workers: usize,
    /// Tasks accepted and not delivered.
    pub(super) unfinished: usize,
    /// Whether no more tasks will come.
    pub(super) closed: bool,
}

/// How many workers must be started.
pub(super) fn missing(now: &Snapshot) -> usize {
    // A closed pool needs no more workers than it has tasks.
    let wanted = if now.closed { now.size.min(now.unfinished) } else { now.size };
    wanted.saturating_sub(now.workers)
}

/// The most tasks in one batch of a map.
const LARGEST_BATCH: usize = 1024;

/// How many items a map submits next, when about `remaining` are still to come: large while there is much, small towards
/// the end. Nothing hangs on it but overhead, since what a busy worker hasn't begun can be taken back.
pub(super) fn batch_len(remaining: usize, workers: usize) -> usize {
    (remaining / (2 * workers.max(1))).clamp(1, LARGEST_BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_workers_are_replaced_while_there_can_be_work() {
        let now = Snapshot { size: 4, workers: 4, unfinished: 0, closed: false };
        assert_eq!(missing(&now), 0);
        assert_eq!(missing(&Snapshot { workers: 1, ..now }), 3);
        assert_eq!(missing(&Snapshot { workers: 1, closed: true, ..now }), 0);
        assert_eq!(missing(&Snapshot { workers: 1, closed: true, unfinished: 2, ..now }), 1);
        assert_eq!(missing(&Snapshot { workers: 0, closed: true, unfinished: 100, ..now }), 4);
        assert_eq!(missing(&Snapshot { workers: 6, ..now }), 0);
    }

    #[test]
    fn batches_shrink_towards_the_end() {
        assert_eq!(batch_len(1_000_000, 2), LARGEST_BATCH);
        assert_eq!(batch_len(100, 5), 10);
        assert_eq!(batch_len(3, 5), 1);
        assert_eq!(batch_len(0, 0), 1);
    }
}
