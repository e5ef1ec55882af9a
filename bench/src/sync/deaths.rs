//! A process is killed that holds a lock, while a thread of another sleeps for it: how soon that one has it.

use super::{
    OTHER,
    area::{Area, Other},
    pthread::Locked,
};
use crate::{
    measure::{Goal, Result, same},
    report::row,
};
use procession::{Event, Mutex, Process};
use std::{
    fs,
    sync::atomic::{
        AtomicI32,
        Ordering::{Acquire, Release},
    },
    thread,
    time::{Duration, Instant},
};

/// What a peer's second process does.
pub(super) const HOLDER: &str = "hold-robust";

const KILLS: usize = 60;

/// Before each look at whether the other sleeps, and once more when it seems to.
const SETTLE: Duration = Duration::from_millis(1);

pub(super) fn run() -> Result<()> {
    let mut samples = [const { Vec::new() }; 2];
    for _ in 0..KILLS {
        samples[0].push(ours()?);
        samples[1].push(robust()?);
    }
    let [ours, robust] = samples.map(|mut samples| {
        samples.sort_unstable_by(f64::total_cmp);
        [50, 90].map(|percent| samples[samples.len() * percent / 100])
    });
    row("p50", ours[0], "robust pthread", robust[0], Goal::AtMost(500.0));
    row("p90", ours[1], "robust pthread", robust[1], Goal::None);
    Ok(())
}

fn ours() -> Result<f64> {
    let (lock, held) = (Mutex::new(0)?, Event::new()?);
    let holder = Process::spawn(hold_ours, (lock.clone(), held.clone()))?;
    held.wait()?;
    let take = || lock.lock().is_err_and(|e| e.is_poisoned());
    let time = time_to_next(take, || lock.statistics().waiters.len() == 1, || Ok(holder.kill()?))?;
    same(holder.join().is_err(), true)?;
    Ok(time)
}

fn hold_ours(lock: Mutex<u64>, held: Event) {
    let _guard = lock.lock().expect("nobody has died yet");
    held.set().expect("not a fork");
    sleep_for_ever();
}

fn robust() -> Result<f64> {
    let area = Area::new()?;
    let mut holder = Other::start(&area, &[OTHER, HOLDER])?;
    area.control().sleep_until(1)?;
    let take = || {
        let locked = area.robust().lock.lock();
        area.robust().lock.unlock();
        locked == Locked::Recovered
    };
    time_to_next(take, || true, || holder.kill())
}

/// The peer's holder.
pub(super) fn hold(area: &Area) -> Result<()> {
    let _ = area.robust().lock.lock();
    area.control().come();
    sleep_for_ever();
}

fn sleep_for_ever() -> ! {
    loop {
        thread::sleep(Duration::from_secs(60));
    }
}

/// From just before `kill` until `take`, in another thread, has taken the lock from the dead; in microseconds. `waits` says
/// whether that thread waits for it, as far as the lock knows.
fn time_to_next(
    take: impl FnOnce() -> bool + Send,
    waits: impl Fn() -> bool,
    kill: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    let thread = AtomicI32::new(0);
    thread::scope(|scope| {
        let next = scope.spawn(|| {
            // SAFETY: bounds, aliasing, lifetime: no memory is passed.
            thread.store(unsafe { libc::gettid() }, Release);
            let is_dead_ones = take();
            (is_dead_ones, Instant::now())
        });
        while !(waits() && is_asleep(thread.load(Acquire))?) {
            thread::sleep(SETTLE);
        }
        thread::sleep(SETTLE);
        let start = Instant::now();
        kill()?;
        let (is_dead_ones, end) = next.join().expect("no panic");
        same(is_dead_ones, true)?;
        Ok((end - start).as_secs_f64() * 1e6)
    })
}

/// Whether a thread of this process sleeps; having said its number, it does so only for the lock.
fn is_asleep(thread: i32) -> Result<bool> {
    if thread == 0 {
        return Ok(false);
    }
    let stat = fs::read_to_string(format!("/proc/self/task/{thread}/stat"))?;
    Ok(stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('S')))
}
