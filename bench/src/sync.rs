//! What locks, semaphores and events cost, free and wanted by two processes, and how soon a dead holder's lock is another's.

pub(crate) mod area;
mod contended;
mod deaths;
mod locks;
mod pthread;
mod round_trip;

use crate::{
    measure::{Goal, Result, medians, micros, same},
    report::{head, row},
};
use area::Area;
use locks::Lock;
use procession::Mutex;

/// With this argument the program is a peer's second process; the next one says what it does. It isn't of the family.
pub(crate) const OTHER: &str = "sync-other";

/// How many times a free lock is taken for one sample.
const TIMES: u64 = 200_000;
const ROUNDS: usize = 15;

pub(crate) fn run() -> Result<()> {
    head("a free lock, ns");
    uncontended()?;
    head("two processes, one lock");
    contended::run()?;
    head("there and back, hot, us");
    round_trip::run()?;
    head("holder killed -> next owner, us");
    deaths::run()
}

/// What a peer's second process does: the memory is its standard input.
pub(crate) fn serve(role: &str) -> Result<()> {
    let area = Area::of_stdin()?;
    match role {
        contended::ROBUST => contended::take_part(&area, &area.robust()),
        contended::FUTEX_SYNC => contended::take_part(&area, area.futex_sync()),
        contended::RAW_SYNC => contended::take_part(&area, &area.raw_sync()?),
        round_trip::FLAGS => round_trip::answer(&area.flags()),
        round_trip::SEMAPHORES => round_trip::answer(&area.semaphores()),
        round_trip::WORDS => round_trip::answer(&area.words()),
        deaths::HOLDER => deaths::hold(&area),
        _ => Err(format!("no such role: {role}").into()),
    }
}

/// One thread takes and releases a lock that nobody else wants.
fn uncontended() -> Result<()> {
    let area = Area::new()?;
    let (ours, robust, raw_sync) = (Mutex::new(0)?, area.robust(), area.raw_sync()?);
    let [ours, robust, futex_sync, raw_sync] = medians(
        ROUNDS,
        [
            &mut || take_often(&ours),
            &mut || take_often(&robust),
            &mut || take_often(area.futex_sync()),
            &mut || take_often(&raw_sync),
        ],
    )?;
    row("lock + unlock", ours, "robust pthread", robust, Goal::AtMost(15.0));
    row("lock + unlock", ours, "robust pthread", robust, Goal::RatioAtMost(0.8));
    row("lock + unlock", ours, "futex-sync", futex_sync, Goal::None);
    row("lock + unlock", ours, "raw_sync", raw_sync, Goal::None);
    Ok(())
}

fn take_often(lock: &impl Lock) -> Result<f64> {
    let before = lock.count();
    let time = micros(|| {
        (0..TIMES).for_each(|_| lock.add_one());
        Ok(())
    })?;
    same(lock.count() - before, TIMES)?;
    Ok(time * 1e3 / TIMES as f64)
}
