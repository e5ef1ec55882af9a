//! Python: ten results to come, and `get` for each, which waits for ever if the worker was killed.
//! Here: `get` gives an error then that says how the worker ended, and no other task is harmed.

use procession::Pool;
use std::{thread, time::Duration};

fn square(n: u32) -> u32 {
    thread::sleep(Duration::from_millis(500));
    n * n
}

pub fn run() -> procession::Result<()> {
    let pool = Pool::new(5)?;
    let results = (0..10).map(|n| pool.apply_async(square, (n,))).collect::<procession::Result<Vec<_>>>()?;
    for result in results {
        println!("{}", result.get()?);
    }
    Ok(())
}
