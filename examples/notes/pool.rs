//! Python: a pool of five maps 100 tasks, then 100 processes do the same, each a fork of all that the program has.
//! Here: a start costs the same however large the program is, and a process that dies is an error, not a hang.

use procession::{Pool, Process};
use std::time::Instant;

/// A number, ten times.
fn count(n: u32) {
    println!("{:?}", [n + 1; 10]);
}

pub fn run() -> procession::Result<()> {
    let start = Instant::now();
    let pool = Pool::new(5)?;
    pool.map(count, 0..100)?;
    let with_pool = start.elapsed();

    let start = Instant::now();
    let processes = (0..100).map(|n| Process::spawn(count, (n,))).collect::<procession::Result<Vec<_>>>()?;
    for process in processes {
        process.join()?;
    }
    println!("pool of 5: {with_pool:.1?}, 100 processes: {:.1?}", start.elapsed());
    Ok(())
}
