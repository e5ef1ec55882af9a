//! One process says something to another, which has been waiting for it and answers: nothing but the wake there and back.

use super::{
    OTHER,
    area::{Area, Other},
};
use crate::processors::{Pinned, Side};
use crate::{
    measure::{Goal, Result, median, medians, micros, same},
    report::row,
};
use procession::{Event, Process, Semaphore};
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

/// What a peer's second process does.
pub(super) const FLAGS: &str = "answer-flags";
pub(super) const SEMAPHORES: &str = "answer-semaphores";
pub(super) const WORDS: &str = "answer-words";

const ROUNDS: usize = 11;

/// Whose median is one sample, and those before them, so that both processes are awake.
const TRIPS: usize = 1_000;
const WARM_UP: usize = 100;

/// What one gives and the other takes.
pub(super) trait Signal {
    fn give(&self);
    fn take(&self);
}

impl Signal for Semaphore {
    fn give(&self) {
        self.release().expect("there is room");
    }

    fn take(&self) {
        self.acquire().expect("not a fork").forget();
    }
}

impl Signal for Event {
    fn give(&self) {
        self.set().expect("not a fork");
    }

    fn take(&self) {
        self.wait().and_then(|()| self.clear()).expect("not a fork");
    }
}

impl Signal for &super::pthread::Flag {
    fn give(&self) {
        self.raise();
    }

    fn take(&self) {
        (*self).take();
    }
}

impl Signal for &super::pthread::Semaphore {
    fn give(&self) {
        self.release();
    }

    fn take(&self) {
        self.acquire();
    }
}

/// No way to wait, since it never sleeps; it's what the processors need.
impl Signal for &AtomicU32 {
    fn give(&self) {
        self.store(1, Release);
    }

    fn take(&self) {
        while self.load(Acquire) == 0 {
            std::hint::spin_loop();
        }
        self.store(0, Relaxed);
    }
}

pub(super) fn run() -> Result<()> {
    let [semaphores, events, c_semaphores, flags, words] = medians(
        ROUNDS,
        [
            &mut || {
                let both = [Semaphore::new(0)?, Semaphore::new(0)?];
                let other = Process::spawn(answer_semaphores, (both.clone(),))?;
                trips(&both, || same(other.join()?, true))
            },
            &mut || {
                let both = [Event::new()?, Event::new()?];
                let other = Process::spawn(answer_events, (both.clone(),))?;
                trips(&both, || same(other.join()?, true))
            },
            &mut || peers(SEMAPHORES, |area, other| trips(&area.semaphores(), || other.join())),
            &mut || peers(FLAGS, |area, other| trips(&area.flags(), || other.join())),
            &mut || peers(WORDS, |area, other| trips(&area.words(), || other.join())),
        ],
    )?;
    row("semaphores", semaphores, "sem_t", c_semaphores, Goal::AtMost(0.8));
    row("semaphores", semaphores, "mutex + cond", flags, Goal::None);
    row("events", events, "mutex + cond", flags, Goal::AtMost(0.8));
    row("events", events, "bare words", words, Goal::None);
    Ok(())
}

fn peers(role: &str, trips: impl FnOnce(&Area, Other) -> Result<f64>) -> Result<f64> {
    let area = Area::new()?;
    let other = Other::start(&area, &[OTHER, role])?;
    trips(&area, other)
}

/// The first process; `join` waits for the second one.
fn trips(signals: &[impl Signal; 2], join: impl FnOnce() -> Result<()>) -> Result<f64> {
    let _pinned = Pinned::to(Side::First)?;
    let [there, back] = signals;
    let mut samples = Vec::with_capacity(WARM_UP + TRIPS);
    for _ in 0..WARM_UP + TRIPS {
        samples.push(micros(|| {
            there.give();
            back.take();
            Ok(())
        })?);
    }
    join()?;
    Ok(median(samples.split_off(WARM_UP)))
}

/// The second process.
pub(super) fn answer(signals: &[impl Signal; 2]) -> Result<()> {
    let _pinned = Pinned::to(Side::Second)?;
    let [there, back] = signals;
    for _ in 0..WARM_UP + TRIPS {
        there.take();
        back.give();
    }
    Ok(())
}

fn answer_semaphores(both: [Semaphore; 2]) -> bool {
    answer(&both).is_ok()
}

fn answer_events(both: [Event; 2]) -> bool {
    answer(&both).is_ok()
}
