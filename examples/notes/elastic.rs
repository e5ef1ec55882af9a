//! Python: nothing; the notes wish for "a more advanced pool" of three processes, and of up to twenty when there is work.
//! Here: that's a range. Twenty tasks that wait for each other get twenty workers, and afterwards there are three again.

use procession::{Barrier, Pool, Semaphore};
use std::time::Duration;

/// A task that ends when all twenty have begun and the main process has seen them.
fn meet(meeting: Barrier) {
    meeting.wait().unwrap();
    meeting.wait().unwrap();
}

/// Those that are leaving get no more tasks, and don't count.
fn print_workers(pool: &Pool) {
    let now = pool.statistics();
    println!("{} workers", now.workers - now.leaving);
}

pub fn run() -> procession::Result<()> {
    // Each worker takes a desk when it begins, and frees it by ending.
    let desks = Semaphore::new(20)?;
    let pool = Pool::builder()
        .workers(3..=20)
        .idle_timeout(Duration::from_millis(100))
        .initializer(|desks: Semaphore| desks.acquire().unwrap(), (desks.clone(),))
        .build()?;
    print_workers(&pool);

    let meeting = Barrier::new(21)?;
    let tasks = pool.starmap_async(meet, (0..20).map(|_| (meeting.clone(),)))?;
    meeting.wait()?;
    print_workers(&pool);
    meeting.wait()?;
    tasks.get()?;

    // When there are three workers again, seventeen desks are free.
    let _free = (0..17).map(|_| desks.acquire()).collect::<procession::Result<Vec<_>>>()?;
    print_workers(&pool);
    Ok(())
}
