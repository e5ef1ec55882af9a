//! What a family shares, and what its processes do with it.

mod archive;
mod bank;
mod errands;
mod line;
mod locks;
mod nested;
mod tide;

use crate::tally::Tally;
use archive::Archive;
use bank::Bank;
use errands::Errands;
use line::Line;
use locks::Locks;
use procession::PoolHandle;
use procession_testing::Rng;
use serde::{Deserialize, Serialize};
use std::{sync::atomic::AtomicBool, time::Duration};
use tide::Tide;

/// How long something is waited for that may never come.
const MOMENT: Duration = Duration::from_micros(200);

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct World {
    bank: Bank,
    archive: Archive,
    tide: Tide,
    locks: Locks,
    errands: Errands,
    line: Line,
}

/// A task: does some things with all that, and above the ground also with pools, managers and processes of its own.
pub(crate) fn work(world: World, pool: PoolHandle, seed: u64, depth: u32) -> Tally {
    let (mut rng, mut tally) = (Rng::from_seed(seed), Tally::default());
    for _ in 0..rng.below(10) {
        let rng = &mut rng;
        let what = rng.below(12);
        // Many of the short ones in a row, so that who is killed is likely to be in the middle of one.
        let times = [100, 100, 100, 100, 100, 10, 10, 10].get(what).map_or(1, |most| rng.below(*most));
        for _ in 0..times {
            match what {
                0 | 1 => world.bank.deed(rng, &mut tally),
                2 | 3 => world.archive.deed(rng, &mut tally),
                4 => world.tide.deed(rng, &mut tally),
                5..8 => world.locks.deed(rng, &mut tally),
                8 => world.errands.deed(rng, &mut tally),
                9 | 10 => world.line.deed(rng, &mut tally),
                _ if depth > 0 => nested::deed(&world, &pool, rng, depth - 1, &mut tally),
                _ => {}
            }
            tally.deeds += 1;
        }
    }
    tally
}

impl World {
    pub(crate) fn new() -> procession::Result<World> {
        Ok(World {
            bank: Bank::new()?,
            archive: Archive::new()?,
            tide: Tide::new()?,
            locks: Locks::new()?,
            errands: Errands::new()?,
            line: Line::new()?,
        })
    }

    /// Puts things into the line, until the time is over.
    pub(crate) fn feed(&self, ended: &AtomicBool) -> Tally {
        self.line.feed(ended)
    }

    /// What must be true when only the root is left.
    pub(crate) fn check(&self) -> Tally {
        let mut tally = Tally::default();
        procession_core::sweep().unwrap();
        self.line.check(&mut tally);
        self.bank.check();
        self.locks.check();
        self.errands.finish(&mut tally);
        tally
    }
}
