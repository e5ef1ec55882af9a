//! The claim word of a batch of tasks: each task is run by the worker or taken back by the owner, never both.

use crate::{
    atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire},
    },
    kill_point::kill_point,
};
use std::ops::Range;

/// The word: bits 0..32 count the tasks that the worker claimed, from the front; bits 32..64 say where the batch ends.
/// The worker moves the front, the owner the end. The front may pass the end by one, when a claim came too late.
#[derive(Debug)]
pub(crate) struct Claim<'a>(&'a AtomicU64);

fn split(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

impl<'a> Claim<'a> {
    pub(crate) fn new(word: &'a AtomicU64) -> Claim<'a> {
        Claim(word)
    }

    /// A batch of `count` tasks of which none is claimed.
    pub(crate) fn initial(count: u32) -> u64 {
        (count as u64) << 32
    }

    /// The worker takes the next task; `None` when the rest was taken, or taken back.
    #[inline]
    pub(crate) fn claim(&self) -> Option<u32> {
        // One addition, since only one worker adds: a claim that comes too late is off by one for good, and harmless.
        let (front, end) = split(self.0.fetch_add(1, AcqRel));
        kill_point!(ClaimAfterClaim);
        (front < end).then_some(front)
    }

    /// The owner takes back all but about half of the unclaimed tasks (`all`: every one of them).
    pub(crate) fn revoke(&self, all: bool) -> Range<u32> {
        let mut word = self.0.load(Acquire);
        loop {
            let (front, end) = split(word);
            if front >= end {
                return end..end;
            }
            let keep = if all { 0 } else { (end - front) / 2 };
            let new_end = front + keep;
            let next = front as u64 | (new_end as u64) << 32;
            match self.0.compare_exchange(word, next, AcqRel, Acquire) {
                Ok(_) => return new_end..end,
                Err(now) => word = now,
            }
        }
    }

    /// How many tasks the worker claimed.
    pub(crate) fn claimed(&self) -> u32 {
        let (front, end) = split(self.0.load(Acquire));
        front.min(end)
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::kill_point::{KillPoint, check, until};
    use loom::{sync::Arc, thread};

    fn work(word: &AtomicU64) -> Vec<u32> {
        std::iter::from_fn(|| Claim::new(word).claim()).collect()
    }

    #[test]
    fn every_task_is_run_or_taken_back_and_never_both() {
        check(|| {
            let word = Arc::new(AtomicU64::new(Claim::initial(3)));
            let worker = word.clone();
            let worker = thread::spawn(move || work(&worker));
            let mut seen: Vec<u32> = Claim::new(&word).revoke(false).collect();
            seen.extend(Claim::new(&word).revoke(true));
            seen.extend(worker.join().unwrap());
            seen.sort();
            assert_eq!(seen, [0, 1, 2]);
        });
    }

    #[test]
    fn a_killed_worker_has_claimed_one_task_more_than_it_ran() {
        check(|| {
            let word = Arc::new(AtomicU64::new(Claim::initial(3)));
            let worker = word.clone();
            let worker = thread::spawn(move || {
                until(KillPoint::ClaimAfterClaim, || {
                    work(&worker);
                })
            });
            let early = Claim::new(&word).revoke(false);
            assert!(worker.join().unwrap());
            let claimed = Claim::new(&word).claimed();
            let late = Claim::new(&word).revoke(true);
            assert_eq!(claimed, 1);
            assert_eq!(
                (claimed..late.end).len() + early.len(),
                2,
                "the others can be given to somebody else"
            );
        });
    }
}
