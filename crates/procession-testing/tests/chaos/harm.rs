//! What is done to a family from outside: its processes are killed, stopped and continued, at random.

use procession_testing::{Rng, children_of, is_helper, is_zombie, kill, resume, stop};
use std::{thread, time::Duration};

/// How much was done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Harm {
    pub(crate) kills: u64,
    /// Of these, of forkservers and what waits there to become a member.
    pub(crate) servers: u64,
    pub(crate) stops: u64,
}

/// Does harm to the children of a family's root, which all its members are.
pub(crate) struct Harmer {
    root: u32,
    /// It waits for at most so many microseconds between one deed and the next.
    pause: usize,
    stopped: Vec<u32>,
    pub(crate) done: Harm,
}

impl Harmer {
    pub(crate) fn new(root: u32, rng: &mut Rng) -> Harmer {
        let pause = [500, 2000, 8000, 20_000][rng.below(4)];
        Harmer { root, pause, stopped: Vec::new(), done: Harm::default() }
    }

    /// Does one thing to one of them, and waits for a moment.
    pub(crate) fn harm(&mut self, rng: &mut Rng) {
        let mut members = children_of(self.root);
        members.retain(|member| !is_zombie(*member));
        if !members.is_empty() {
            let victim = members[rng.below(members.len())];
            match rng.below(80) {
                // All of them at once.
                0 => members.iter().for_each(|member| self.done.kills += kill(*member).is_ok() as u64),
                1..40 if is_helper(victim) => {
                    // Now and then: without it, starts are slow.
                    if rng.below(10) == 0 && kill(victim).is_ok() {
                        self.done.servers += 1;
                        self.done.kills += 1;
                    }
                }
                1..40 => self.done.kills += kill(victim).is_ok() as u64,
                40..60 => {
                    if !self.stopped.contains(&victim) && stop(victim).is_ok() {
                        self.done.stops += 1;
                        self.stopped.push(victim);
                    }
                }
                _ => {
                    if !self.stopped.is_empty() {
                        // One that is gone needs nothing more.
                        let _ = resume(self.stopped.swap_remove(rng.below(self.stopped.len())));
                    }
                }
            }
        }
        // More than two that are stopped at once are a family that does nothing.
        if self.stopped.len() > 2 {
            let _ = resume(self.stopped.remove(0));
        }
        thread::sleep(Duration::from_micros(rng.below(self.pause) as u64));
    }

    /// Leaves the family alone: whoever was stopped goes on.
    pub(crate) fn calm(&mut self) {
        for process in self.stopped.drain(..) {
            let _ = resume(process);
        }
    }
}
