//! How soon a pool of three workers has become one of twenty, when it gets tasks that block.

use super::PROCSPAWN;
use crate::{
    measure::{Goal, Result, medians, micros, same},
    report::{head, row},
};
use procession::{AsyncResult, Barrier, Event, Pool, Semaphore};

const LEAST: usize = 3;
const MOST: usize = 20;
const ROUNDS: usize = 15;

/// Comes, and stays until it may go.
fn stay(came: Semaphore, go: Event) -> bool {
    came.release().is_ok() && go.wait().is_ok()
}

pub(super) fn run() -> Result<()> {
    let more = MOST - LEAST;
    let [ours, mapped, procspawn] = medians(
        ROUNDS,
        [&mut grow, &mut grow_for_a_map, &mut || {
            micros(|| {
                // A process says nothing before its end, so it ends at once.
                let started: Vec<_> = (0..more).map(|_| procspawn::spawn((), |()| true)).collect();
                started.into_iter().try_for_each(|process| same(process.join()?, true))
            })
        }],
    )?;
    head(&format!("{LEAST} workers become {MOST}"));
    let goal = Goal::AtMost(20.0);
    row(&format!("until {MOST} tasks run at once, ms"), ours / 1e3, PROCSPAWN, procspawn / 1e3, goal);
    row("the same, a map of one chunk, ms", mapped / 1e3, PROCSPAWN, procspawn / 1e3, goal);
    Ok(())
}

/// From the first submission until all tasks run at once: how many microseconds.
fn grow() -> Result<f64> {
    let pool = Pool::new(LEAST..=MOST)?;
    // All that it has are there before the clock runs.
    run_at_once(&pool, LEAST)?;
    let taken = run_at_once(&pool, MOST)?;
    pool.join()?;
    Ok(taken)
}

/// The same if all of them are handed out together, to one worker: until all have met.
fn grow_for_a_map() -> Result<f64> {
    let pool = Pool::new(LEAST..=MOST)?;
    run_at_once(&pool, LEAST)?;
    let meeting = Barrier::new(MOST as u32)?;
    let items = vec![meeting; MOST];
    let taken = micros(|| {
        let met = pool.options().chunk(MOST).map(|meeting: Barrier| meeting.wait().is_ok(), items)?;
        same(met, vec![true; MOST])
    })?;
    pool.join()?;
    Ok(taken)
}

fn run_at_once(pool: &Pool, count: usize) -> Result<f64> {
    let (came, go) = (Semaphore::new(0)?, Event::new()?);
    let mut results: Vec<AsyncResult<bool>> = Vec::with_capacity(count);
    let taken = micros(|| {
        for _ in 0..count {
            results.push(pool.apply_async(stay, (came.clone(), go.clone()))?);
        }
        for _ in 0..count {
            came.acquire()?.forget();
        }
        Ok(())
    })?;
    go.set()?;
    results.iter().try_for_each(|result| same(result.get()?, true))?;
    Ok(taken)
}
