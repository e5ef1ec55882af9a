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
    let mut stopped = None;
    while !ended.load(Ordering::Relaxed) {
        // One that is gone needs nothing more.
        if let Some(process) = stopped.take() {
            let _ = resume(process);
        }
        let now = pool.statistics();
        let workers = pool.worker_pids();
        let ready = now.workers - now.leaving - now.starting;
        // A pool none of whose workers lives until it's ready gives up, and is right.
        if !workers.is_empty() && (ready > 0 || rng.below(32) == 0) {
            let victim = workers[rng.below(workers.len())];
            let stops = rng.below(6) == 0;
            let done = if stops { stop(victim).is_ok() } else { victims.kill(victim) };
            stopped = (done && stops).then_some(victim);
            let mut hunt = hunt.lock().unwrap();
            if done && stops {
                hunt.stops += 1;
            } else if done {
                hunt.kills += 1;
            }
        }
        let staying = now.workers - now.leaving;
        {
            let mut hunt = hunt.lock().unwrap();
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
    if let Some(process) = stopped {
        let _ = resume(process);
    }
}
