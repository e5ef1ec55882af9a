//! Python: callbacks run on the thread that receives all results: a slow one holds up every task, one that raises ends them all.
//! Here: in this process too, but on a thread of their own; one that panics harms nothing, and `join` waits for them.

use procession::Pool;
use std::process;

fn square(n: u32) -> u32 {
    println!("task in {}", process::id());
    n * n
}

fn show(square: u32) {
    println!("callback in {}: {square}", process::id());
}

pub fn run() -> procession::Result<()> {
    println!("main process {}", process::id());
    let pool = Pool::new(5)?;
    for _ in 0..10 {
        drop(pool.apply_async(square, (10,))?.callback(show)); // the callback gets the value
    }
    pool.close();
    pool.join()
}
