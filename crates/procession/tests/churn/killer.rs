//! Kills and stops workers at random.

use procession::Pool;
use procession_testing::{Rng, kill, resume, stop};
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// The processes that were killed in this round of load or the one before. (A process gets the signal a moment after it was sent.)
#[derive(Default)]
pub(super) struct Victims(Mutex<Round>);

#[derive(Default)]
struct Round {
    number: u64,
    /// In which round.
    killed: HashMap<u32, u64>,
}

impl Victims {
    /// Whether there was a process to kill, that wasn't killed already.
    fn kill(&self, process: u32) -> bool {
        let Round { number, killed } = &mut *self.0.lock().unwrap();
        // Before, so that whoever hears of it knows why.
        killed.insert(process, *number).is_none() && kill(process).is_ok()
    }

    pub(super) fn contain(&self, process: u32) -> bool {
        self.0.lock().unwrap().killed.contains_key(&process)
    }

    pub(super) fn next_round(&self) {
        let Round { number, killed } = &mut *self.0.lock().unwrap();
        killed.retain(|_, round| *round == *number);
        *number += 1;
    }
}

/// What was done to the workers, and how many there were.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hunt {
    pub(crate) kills: u64,
    pub(crate) stops: u64,
    pub(crate) least: usize,
    pub(crate) most: usize,
}

impl Default for Hunt {
    fn default() -> Hunt {
        Hunt { kills: 0, stops: 0, least: usize::MAX, most: 0 }
    }
}

/// How often is looked for the next tasks to be done, before another worker has its turn in any case.
const LOOKS: usize = 500;

pub(super) fn kill_and_stop(
    pool: &Pool,
    victims: &Victims,
    rng: &mut Rng,
    hunt: &Mutex<Hunt>,
    ended: &AtomicBool,
) {
    while !ended.load(Ordering::Relaxed) {
        let (now, workers) = (pool.statistics(), pool.worker_pids());
        let staying = now.workers - now.leaving;
        let (mut kills, mut stops) = (0, 0);
        // A pool none of whose workers lives until it's ready gives up, and is right.
        if !workers.is_empty() && (staying > now.starting || rng.below(32) == 0) {
            let victim = workers[rng.below(workers.len())];
            if rng.below(6) == 0 {
                stops = stop_for_a_while(victim, rng) as u64;
            }
            if stops == 0 || rng.below(4) == 0 {
                kills = victims.kill(victim) as u64;
            }
        }
        {
            let mut hunt = hunt.lock().unwrap();
            hunt.kills += kills;
            hunt.stops += stops;
            hunt.least = hunt.least.min(staying);
            hunt.most = hunt.most.max(staying);
        }
        // Among busy workers: after some more tasks were done, if there are any.
        let enough = now.done + rng.below(12) as u64;
        for _ in 0..LOOKS {
            if pool.statistics().done >= enough {
                break;
            }
            thread::yield_now();
        }
    }
}

/// Whether there was a process to stop. The pool isn't asked for anything meanwhile: who is stopped may have a lock of the family's
/// memory, and somebody who waits for that the pool's.
fn stop_for_a_while(process: u32, rng: &mut Rng) -> bool {
    let stopped = stop(process).is_ok();
    for _ in 0..rng.below(LOOKS) {
        thread::yield_now();
    }
    // One that is gone needs nothing more.
    let _ = resume(process);
    stopped
}
