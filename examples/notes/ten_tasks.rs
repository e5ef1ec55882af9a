//! Python: ten tasks of a second, five at a time; a task that fails does so in silence, and a killed worker hangs `join`.
//! Here: `join` comes back whatever becomes of the workers, and who wants no result has to say so.

use procession::Pool;
use std::{process, thread, time::Duration};

fn work(n: u32) {
    println!("start {n} in {}", process::id());
    thread::sleep(Duration::from_secs(1));
    println!("end {n} in {}", process::id());
}

pub fn run() -> procession::Result<()> {
    let pool = Pool::new(5)?;
    for n in 0..10 {
        drop(pool.apply_async(work, (n,))?); // the result, not the task
    }
    pool.close(); // no more tasks
    pool.join() // until all are done
}
