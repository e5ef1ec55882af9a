//! A place where a number of threads wait for each other.

use super::{block_on, handle, record};
use crate::{
    arena::Arena,
    atomic::{
        AtomicU32,
        Ordering::{Acquire, Relaxed},
    },
    error::{Error, ErrorKind, Result},
    members::Owner,
    references::{Header, Held, Share, Shared},
    sync::{Broken, MOST_PARTIES, RawBarrier},
    sys::clock::Deadline,
};
use std::sync::Arc;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct BarrierRecord {
    header: Header,
    barrier: RawBarrier,
    parties: AtomicU32,
}

record!(BarrierRecord, Barrier);

impl Held for BarrierRecord {
    fn mark(&self, _arena: &Arena, _dead: Owner) {
        self.barrier.mark();
    }

    fn disturb(&self, _arena: &Arena) {
        self.barrier.change().broadcast();
    }
}

/// A place where a number of threads wait for each other.
pub struct Barrier {
    shared: Shared<BarrierRecord>,
}

handle!(Barrier);

fn broken(_: Broken) -> Error {
    Error::new(
        ErrorKind::BrokenBarrier,
        "the barrier is broken: it was aborted or reset, somebody waited too long, or a process that had it died",
    )
}

impl Barrier {
    /// A barrier for so many threads.
    pub fn new(parties: u32) -> Result<Barrier> {
        if parties == 0 || parties > MOST_PARTIES {
            let text = format!("a barrier for {parties} threads: it must be for 1 to {MOST_PARTIES}");
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let shared = Shared::create(size_of::<BarrierRecord>(), 0, |record: &BarrierRecord, _| {
            record.barrier.init();
            record.parties.store(parties, Relaxed);
            Ok(())
        })?;
        Ok(Barrier { shared })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<Barrier> {
        Ok(Barrier { shared: Shared::from_share(share, 0)? })
    }

    /// Waits until all have come: how many had come before this thread. When the deadline passes, the barrier breaks.
    pub fn wait(&self, deadline: Deadline) -> Result<u32> {
        self.shared.checked()?;
        let barrier = &self.shared.barrier;
        let (generation, before) = barrier.arrive(self.parties()).map_err(broken)?;
        let outcome = block_on(&self.shared, barrier.change(), deadline, || barrier.outcome(generation))?;
        let outcome = outcome.unwrap_or_else(|| {
            barrier.break_it(Some(generation));
            // It may have ended well in the meantime.
            barrier.outcome(generation).unwrap_or(Err(Broken))
        });
        outcome.map(|()| before).map_err(broken)
    }

    /// Breaks the barrier.
    pub fn abort(&self) -> Result<()> {
        self.shared.checked()?;
        self.shared.barrier.break_it(None);
        Ok(())
    }

    /// Makes it as new.
    pub fn reset(&self) -> Result<()> {
        self.shared.checked()?;
        self.shared.barrier.reset();
        Ok(())
    }

    /// For how many threads it is.
    pub fn parties(&self) -> u32 {
        self.shared.parties.load(Acquire)
    }

    /// How many wait.
    pub fn waiting(&self) -> u32 {
        self.shared.barrier.waiting()
    }

    /// Whether it's broken.
    pub fn is_broken(&self) -> bool {
        self.shared.barrier.is_broken()
    }

    fn details(&self) -> [(&'static str, u64); 3] {
        [
            ("parties", self.parties().into()),
            ("waiting", self.waiting().into()),
            ("broken", self.is_broken().into()),
        ]
    }
}
