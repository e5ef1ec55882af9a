//! The shared records: a pool's words, and a worker's link.

use super::{
    report::ReportRecord,
    wire::{BATCH, BATCH_HEADER, LENT_RESULT, Lent, next_task},
};
use crate::{
    arena::{Arena, Block, Kind, Object, Shared, Stable},
    atomic::{AtomicU32, AtomicU64, Ordering::Acquire},
    error::Result,
    members::Owner,
    recovery::{Recover, Sides},
    references::Part,
    ring::{Data, Frames, Ring, snapshot},
    sync::EventCount,
};

/// What all workers of a pool share with its owner. A raw block of the owner's, of a class of its own: a worker that
/// rings after the pool has gone rings nobody, or another pool for nothing.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct PoolRecord {
    /// Threads of the owner that wait for a result sleep here; each result rings it.
    pub(super) results: EventCount,
    /// The owner's dispatcher sleeps here; rung when a result ring is half full, or a worker has nothing more to do.
    pub(super) attention: EventCount,
    /// How many threads wait for results and look after the workers meanwhile. While there are any, what needs attention
    /// is rung to them, and the dispatcher sleeps on.
    pub(super) attended: AtomicU32,
}

/// What one worker shares with its pool's owner. Of a class of its own, for the same reason.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LinkRecord {
    /// The pool's owner; the worker.
    pub(super) sides: Sides,
    /// The offset of the pool's record.
    pub(super) pool: AtomicU64,
    /// The offset of the block with the bytes of both rings.
    pub(super) data: AtomicU64,
    /// Set when no more tasks will come.
    pub(super) closed: AtomicU32,
    /// The worker sleeps here for tasks.
    pub(super) work: EventCount,
    /// The worker sleeps here for room in the result ring.
    pub(super) room: EventCount,
    pub(super) tasks: Ring,
    pub(super) results: Ring,
    /// What the worker says of itself.
    pub(super) report: ReportRecord,
}

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for PoolRecord {}
// SAFETY: as for PoolRecord.
unsafe impl Shared for LinkRecord {}

impl Object for LinkRecord {
    const KIND: Kind = Kind::Link;
}

/// The bytes of each ring.
const RING: usize = 128 << 10;

#[cfg(not(loom))]
const _: () = assert!(size_of::<LinkRecord>() <= 768 && size_of::<PoolRecord>() <= 64);

impl LinkRecord {
    /// The size of the block with the bytes of both rings.
    pub(super) const DATA: usize = 2 * RING;

    pub(super) fn task_data(block: Block<'_>) -> Result<Data> {
        Data::new(block, 0, RING)
    }

    pub(super) fn result_data(block: Block<'_>) -> Result<Data> {
        Data::new(block, RING, RING)
    }

    /// Calls `visit` with each lent argument in the ring of tasks; as far as it can be read, see `snapshot`.
    fn for_each_lent_argument(&self, arena: &Arena, mut visit: impl FnMut(Lent)) {
        let mut look = || -> Result<()> {
            let block = arena.block(self.data.load(Acquire))?;
            let bytes = snapshot(&self.tasks, &LinkRecord::task_data(block)?)?;
            for frame in Frames::new(&bytes) {
                let frame = frame?;
                if frame.kind & BATCH != 0 {
                    let mut tasks = frame.payload.get(BATCH_HEADER..).unwrap_or_default();
                    while !tasks.is_empty() {
                        if let (argument, true) = next_task(&mut tasks)? {
                            visit(Lent::parse(argument)?);
                        }
                    }
                }
            }
            Ok(())
        };
        // A scribbled ring hides what it lent; that then belongs to nobody, and is freed.
        let _ = look();
    }

    /// Calls `visit` with each lent result in the ring of results; likewise.
    pub(super) fn for_each_lent_result(&self, arena: &Arena, mut visit: impl FnMut(Lent)) {
        let mut look = || -> Result<()> {
            let block = arena.block(self.data.load(Acquire))?;
            let bytes = snapshot(&self.results, &LinkRecord::result_data(block)?)?;
            for frame in Frames::new(&bytes) {
                let frame = frame?;
                if frame.kind & LENT_RESULT != 0 {
                    visit(Lent::parse(frame.payload)?);
                }
            }
            Ok(())
        };
        let _ = look();
    }
}

impl Recover for LinkRecord {
    fn mark(&self, arena: &Arena, _dead: Owner) {
        self.work.broadcast();
        self.room.broadcast();
        if let Ok(pool) = self.pool(arena) {
            pool.results.broadcast();
            pool.attention.broadcast();
        }
    }

    fn forget(&self, _arena: &Arena, dead: &[Owner]) -> bool {
        self.sides.forget(dead)
    }

    fn parts(&self, arena: &Arena, _own: Block<'_>, visit: &mut dyn FnMut(Part)) {
        visit(Part::Block(self.pool.load(Acquire)));
        visit(Part::Block(self.data.load(Acquire)));
        // The handles in an argument are its owner's until a worker has received them; then they are the worker's.
        self.for_each_lent_argument(arena, |lent| visit(Part::Block(lent.offset)));
        self.for_each_lent_result(arena, |lent| {
            visit(Part::Block(lent.offset));
            if let Ok(listed) = lent.listed(arena) {
                listed.parts().for_each(&mut *visit);
            }
        });
    }
}

impl PoolRecord {
    /// A worker's part: it says something of itself that the owner's dispatcher goes by, wherever that waits.
    pub(super) fn call_dispatcher(&self) {
        self.attention.notify();
        self.results.notify();
    }

    /// A worker's part: somebody should look after the pool.
    pub(super) fn call_attention(&self) {
        if self.attended.load(Acquire) != 0 { self.results.notify() } else { self.attention.notify() }
    }
}

impl LinkRecord {
    /// The pool's record; only a block of that class can be one.
    pub(super) fn pool<'a>(&self, arena: &'a Arena) -> Result<&'a PoolRecord> {
        arena.stable_record(self.pool.load(Acquire), Stable::Pool)
    }
}
