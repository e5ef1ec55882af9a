//! Python: `map` cuts the 100 items into chunks beforehand; whoever has a slow one keeps the rest of its chunk waiting.
//! Here: tasks are handed out ahead too, but those that haven't begun go to whoever is idle.

use procession::Pool;
use std::{thread, time::Duration};

fn square(n: u32) -> u32 {
    thread::sleep(Duration::from_millis(50)); // half a second in the notes: ten in all
    n * n
}

pub fn run() -> procession::Result<()> {
    let pool = Pool::new(5)?;
    println!("{:?}", pool.map(square, 0..100)?);
    Ok(())
}
