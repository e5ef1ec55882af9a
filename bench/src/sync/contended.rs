//! Two processes that take one lock as often as they can.

use super::{
    OTHER,
    area::{Area, Other},
    locks::Lock,
};
use crate::processors::{Pinned, Side};
use crate::{
    measure::{Goal, Result, median, medians, same},
    report::row,
};
use procession::{Mutex, Process, Stdio};
use std::{
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
    thread,
    time::{Duration, Instant},
};

/// What a peer's second process does.
pub(super) const ROBUST: &str = "take-robust";
pub(super) const FUTEX_SYNC: &str = "take-futex-sync";
pub(super) const RAW_SYNC: &str = "take-raw-sync";

const WINDOW: Duration = Duration::from_millis(150);
const ROUNDS: usize = 7;

/// What one of them gave: millions of times a second, and the percentage of the process that got the lock less often.
#[derive(Clone, Copy)]
struct Outcome {
    rate: f64,
    fewer: f64,
}

pub(super) fn run() -> Result<()> {
    let mut fewer = [const { Vec::new() }; 4];
    let [ours_fewer, robust_fewer, futex_fewer, raw_fewer] = &mut fewer;
    let [ours, robust, futex_sync, raw_sync] = medians(
        ROUNDS,
        [
            &mut || noted(ours_fewer, ours()?),
            &mut || {
                noted(
                    robust_fewer,
                    peers(ROBUST, |area, other| contest(area, &area.robust(), || other.join()))?,
                )
            },
            &mut || {
                noted(
                    futex_fewer,
                    peers(FUTEX_SYNC, |area, other| contest(area, area.futex_sync(), || other.join()))?,
                )
            },
            &mut || {
                noted(
                    raw_fewer,
                    peers(RAW_SYNC, |area, other| contest(area, &area.raw_sync()?, || other.join()))?,
                )
            },
        ],
    )?;
    row("lock + unlock, M/s", ours, "robust pthread", robust, Goal::RatioAtLeast(1.0));
    row("lock + unlock, M/s", ours, "futex-sync", futex_sync, Goal::None);
    row("lock + unlock, M/s", ours, "raw_sync", raw_sync, Goal::None);
    let [ours, robust, futex_sync, raw_sync] = fewer.map(median);
    row("share of who got fewer, %", ours, "robust pthread", robust, Goal::None);
    row("share of who got fewer, %", ours, "futex-sync", futex_sync, Goal::None);
    row("share of who got fewer, %", ours, "raw_sync", raw_sync, Goal::None);
    Ok(())
}

fn noted(shares: &mut Vec<f64>, outcome: Outcome) -> Result<f64> {
    shares.push(outcome.fewer);
    Ok(outcome.rate)
}

fn ours() -> Result<Outcome> {
    let (area, lock) = (Area::new()?, Mutex::new(0)?);
    let other = Process::builder().stdin(Stdio::from(area.to_stdin()?)).spawn(our_other, (lock.clone(),))?;
    contest(&area, &lock, || same(other.join()?, true))
}

fn our_other(lock: Mutex<u64>) -> bool {
    Area::of_stdin().and_then(|area| take_part(&area, &lock)).is_ok()
}

fn peers(role: &str, contest: impl FnOnce(&Area, Other) -> Result<Outcome>) -> Result<Outcome> {
    let area = Area::new()?;
    let other = Other::start(&area, &[OTHER, role])?;
    contest(&area, other)
}

/// The first process, which also says when it's over. `join` waits for the second one.
fn contest(area: &Area, lock: &impl Lock, join: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let control = area.control();
    let (mine, seconds) = thread::scope(|scope| {
        // It sleeps all the time, and keeps neither of them from its processor.
        scope.spawn(|| {
            if control.sleep_until(2).is_ok() {
                thread::sleep(WINDOW);
            }
            control.stop.store(true, Relaxed);
        });
        take_until_stopped(area, lock, Side::First)
    })?;
    join()?;
    let theirs = control.counted.load(Acquire);
    same(lock.count(), mine + theirs)?;
    let both = (mine + theirs) as f64;
    Ok(Outcome { rate: both / seconds / 1e6, fewer: mine.min(theirs) as f64 / both * 100.0 })
}

/// The second process.
pub(super) fn take_part(area: &Area, lock: &impl Lock) -> Result<()> {
    let (count, _) = take_until_stopped(area, lock, Side::Second)?;
    area.control().counted.store(count, Release);
    Ok(())
}

/// How often, and in how many seconds.
fn take_until_stopped(area: &Area, lock: &impl Lock, side: Side) -> Result<(u64, f64)> {
    let _pinned = Pinned::to(side)?;
    let control = area.control();
    control.come();
    control.spin_until(2)?;
    let start = Instant::now();
    let mut count = 0;
    while !control.stop.load(Relaxed) {
        lock.add_one();
        count += 1;
    }
    Ok((count, start.elapsed().as_secs_f64()))
}
