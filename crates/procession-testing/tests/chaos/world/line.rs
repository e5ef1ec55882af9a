//! Numbered items in a queue that knows what isn't done: each is done at least once and at most twice, or reported.

use super::MOMENT;
use crate::tally::Tally;
use procession::{Array, JoinableQueue, Result};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    queue: JoinableQueue<u32>,
    /// How often each was done.
    done: Array<u32>,
    /// How many were put.
    put: procession::Value<u32>,
}

const MOST: u32 = 20_000;

impl Line {
    pub(crate) fn new() -> Result<Line> {
        let queue = JoinableQueue::bounded(16)?;
        Ok(Line { queue, done: Array::new(MOST as usize)?, put: procession::Value::new(0)? })
    }

    /// Puts one after the other.
    pub(crate) fn feed(&self, ended: &AtomicBool) -> Tally {
        let (mut tally, mut next) = (Tally::default(), 0);
        while !ended.load(Ordering::Relaxed) && next < MOST {
            if let Some(true) = tally.forgive(self.queue.put_timeout(&next, MOMENT)) {
                next += 1;
                self.put.store(next).expect("that needs no memory");
            } else {
                thread::yield_now();
            }
        }
        tally
    }

    pub(crate) fn deed(&self, rng: &mut Rng, tally: &mut Tally) {
        for _ in 0..rng.below(6) {
            if !self.serve(tally) {
                return;
            }
        }
    }

    /// Does the next one.
    fn serve(&self, tally: &mut Tally) -> bool {
        let Some(Some(item)) = tally.forgive(self.queue.get_timeout(MOMENT)) else { return false };
        let place = *item as usize;
        // Who died here has counted or not: either is right.
        let Some(mut done) = tally.mended(self.done.lock_range(place..=place), |_| self.done.clear_poison())
        else {
            // Without memory it isn't done; another may do it.
            return false;
        };
        done[0] += 1;
        drop(done);
        tally.forgive(item.task_done());
        true
    }

    pub(crate) fn check(&self, tally: &mut Tally) {
        while self.queue.unfinished() > 0 {
            self.serve(tally);
        }
        let lost = match self.queue.join() {
            Ok(()) => 0,
            Err(error) => {
                assert!(error.is_lost(), "{error}");
                self.queue.lost()
            }
        };
        let done = self.done.to_vec().expect("nobody takes memory any more");
        let put = &done[..self.put.load() as usize];
        let none = put.iter().filter(|times| **times == 0).count() as u64;
        assert!(none <= lost, "{none} were never done, {lost} were reported");
        assert!(done.iter().all(|times| *times <= 2), "an item is done at most twice");
        assert!(done[put.len()..].iter().all(|times| *times == 0), "what was never put is never got");
    }
}
