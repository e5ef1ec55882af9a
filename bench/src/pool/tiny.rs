//! Tasks that do next to nothing, on two workers: a map of many, one by one, and one at a time.

use super::{PROCSPAWN, RAYON, python::Python, rows};
use crate::{
    measure::{Contestant, Goal, Result, median, medians, micros, rate, same},
    processors::{Pinned, Side},
    report::{head, row},
};
use procession::{Pool, StartMethod};
use rayon::prelude::*;
use std::collections::VecDeque;

const WORKERS: usize = 2;
const TASKS: usize = 100_000;
const ROUNDS: usize = 15;

/// The peer's pool is slow, so it gets fewer tasks.
const PEER_TASKS: usize = 2_000;

/// The peer's pool takes three descriptors for each task that waits.
const PEER_OUTSTANDING: usize = 128;

/// Calls whose median is one sample, and calls before them so that the worker is awake.
const CALLS: usize = 1_000;
const WARM_UP: usize = 100;

fn task(n: u64) -> u64 {
    n.wrapping_mul(3)
}

pub(super) fn run(python: &Python) -> Result<()> {
    let ours = Pool::new(WORKERS)?;
    let peer = procspawn::Pool::new(WORKERS)?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build()?;
    head(&format!("{WORKERS} workers, u64 -> u64"));
    throughput(&ours, &peer, &threads, python)?;
    peer.shutdown();
    ours.join()?;
    latency(python)
}

/// Many tasks: how many million a second.
fn throughput(
    ours: &Pool,
    peer: &procspawn::Pool,
    threads: &rayon::ThreadPool,
    python: &Python,
) -> Result<()> {
    let all: Contestant<'_> = &mut || rate(TASKS, || check(&ours.map(task, 0..TASKS as u64)?));
    let chunks: Contestant<'_> =
        &mut || rate(TASKS, || check(&ours.options().chunk(1).map(task, 0..TASKS as u64)?));
    let single: Contestant<'_> = &mut || rate(TASKS, || check(&one_by_one(ours)?));
    let peers: Contestant<'_> = &mut || rate(PEER_TASKS, || check(&one_by_one_with_the_peer(peer)?));
    let rayon: Contestant<'_> = &mut || {
        let items = 0..TASKS as u64;
        rate(TASKS, || check(&threads.install(|| items.into_par_iter().map(task).collect::<Vec<_>>())))
    };
    let [map, map_one, apply_async, procspawn, rayon] = medians(ROUNDS, [all, chunks, single, peers, rayon])?;
    row("map, M tasks/s", map, PROCSPAWN, procspawn, Goal::RatioAtLeast(1000.0));
    rows("map, M tasks/s", map, Goal::AtLeast(75.0), &[(PROCSPAWN, procspawn), (RAYON, rayon)], python);
    rows("map, chunks of 1, M tasks/s", map_one, Goal::None, &[(PROCSPAWN, procspawn)], python);
    rows("apply_async + get, M tasks/s", apply_async, Goal::AtLeast(2.0), &[(PROCSPAWN, procspawn)], python);
    Ok(())
}

fn check(values: &[u64]) -> Result<()> {
    same(values.iter().enumerate().all(|(n, value)| *value == task(n as u64)), true)
}

/// Submits all, then takes all results.
fn one_by_one(pool: &Pool) -> Result<Vec<u64>> {
    let results: procession::Result<Vec<_>> =
        (0..TASKS as u64).map(|n| pool.apply_async(task, (n,))).collect();
    Ok(results?.iter().map(|result| result.get()).collect::<std::result::Result<_, _>>()?)
}

/// Submits all, and takes results as soon as so many are outstanding.
fn one_by_one_with_the_peer(pool: &procspawn::Pool) -> Result<Vec<u64>> {
    let mut outstanding = VecDeque::new();
    let mut values = Vec::with_capacity(PEER_TASKS);
    for n in 0..PEER_TASKS as u64 {
        if outstanding.len() == PEER_OUTSTANDING {
            values.extend(outstanding.pop_front().map(procspawn::JoinHandle::join).transpose()?);
        }
        outstanding.push_back(pool.spawn(n, task));
    }
    for handle in outstanding {
        values.push(handle.join()?);
    }
    Ok(values)
}

/// One task after the other, each waited for: how many microseconds for one. Both sides have a processor of their own; workers have
/// that of the thread that starts them.
fn latency(python: &Python) -> Result<()> {
    let (ours, peer) = {
        let _pinned = Pinned::to(Side::Second)?;
        let ours = Pool::builder().workers(WORKERS).start_method(StartMethod::Spawn).build()?;
        (ours, procspawn::Pool::new(WORKERS)?)
    };
    let _pinned = Pinned::to(Side::First)?;
    let [apply, procspawn] = medians(
        ROUNDS,
        [&mut || call_median(|n| Ok(ours.apply(task, (n,))?)), &mut || {
            call_median(|n| Ok(peer.spawn(n, task).join()?))
        }],
    )?;
    rows("one task, hot, us", apply, Goal::AtMost(3.0), &[(PROCSPAWN, procspawn)], python);
    peer.shutdown();
    ours.join()?;
    Ok(())
}

fn call_median(mut call: impl FnMut(u64) -> Result<u64>) -> Result<f64> {
    let mut samples = Vec::with_capacity(WARM_UP + CALLS);
    for n in 0..(WARM_UP + CALLS) as u64 {
        samples.push(micros(|| same(call(n)?, task(n)))?);
    }
    Ok(median(samples.split_off(WARM_UP)))
}
