//! One long task among many short ones: when all are done, as a multiple of the least that it could take.
//!
//! They sleep, so that it's the pool that is measured and not the machine: as many workers as there are can do so at once. None sleeps
//! as long as it was told to, so each says how long it really took, and the least is what follows from that.

use super::{RAYON, python::Python, rows};
use crate::{
    measure::{Contestant, Goal, Result, medians, same},
    report::head,
};
use procession::Pool;
use rayon::prelude::*;
use std::{
    thread,
    time::{Duration, Instant},
};

const ROUNDS: usize = 5;

/// A second and milliseconds, scaled down by five.
const LONG: u64 = 200_000;
const SHORT: u64 = 200;
const SHORTS: usize = 2_000;

/// As a multiple of the least.
const GOAL: f64 = 1.05;

/// Sleeps for so many microseconds: how long it took.
fn sleep(micros: u64) -> f64 {
    let start = Instant::now();
    thread::sleep(Duration::from_micros(micros));
    start.elapsed().as_secs_f64()
}

pub(super) fn run(python: &Python) -> Result<()> {
    head("1 task of 200 ms, 2000 of 0.2 ms");
    // Two workers end when the sum of all is done; many when the long one is, if nobody else holds it up.
    for (workers, at, place) in [(2, 0, "first"), (2, SHORTS / 4, "at a quarter"), (8, 0, "first")] {
        compare(workers, at, &format!("finish / ideal, {workers} workers, {place}"), python)?;
    }
    Ok(())
}

fn compare(workers: usize, at: usize, what: &str, python: &Python) -> Result<()> {
    let mut items = vec![SHORT; SHORTS];
    items.insert(at, LONG);
    let pool = Pool::new(workers)?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(workers).build()?;
    let ours: Contestant<'_> = &mut || stretch(workers, || Ok(pool.map(sleep, items.iter().copied())?));
    let rayon: Contestant<'_> = &mut || {
        stretch(workers, || Ok(threads.install(|| items.par_iter().map(|micros| sleep(*micros)).collect())))
    };
    let [ours, rayon] = medians(ROUNDS, [ours, rayon])?;
    rows(what, ours, Goal::AtMost(GOAL), &[(RAYON, rayon)], python);
    pool.join()?;
    Ok(())
}

/// How long it took, by the longest task or by what each worker has to do of the sum of all, whichever is more.
fn stretch(workers: usize, work: impl FnOnce() -> Result<Vec<f64>>) -> Result<f64> {
    let start = Instant::now();
    let took = work()?;
    let finish = start.elapsed().as_secs_f64();
    same(took.len(), SHORTS + 1)?;
    let longest = took.iter().copied().fold(0.0, f64::max);
    let ideal = longest.max(took.iter().sum::<f64>() / workers as f64);
    Ok(finish / ideal)
}
