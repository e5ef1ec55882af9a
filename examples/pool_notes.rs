//! What a pool is good for, step by step: beside bare processes, with results taken at once, later and all together, with callbacks,
//! and with a number of workers that follows the work.

use procession::{Barrier, Pool, Process};
use std::{
    process, thread,
    time::{Duration, Instant},
};

/// A second of work, in a tenth.
const SECOND: Duration = Duration::from_millis(100);

fn count(n: u32) {
    for _ in 0..10 {
        println!("{}", n + 1);
    }
}

// Python: a pool of five maps 100 tasks, then 100 processes do the same, each a fork of all that the program has by then.
// Here: a start costs a fraction of that, in a program with threads too, and a process that dies is an error and no hang.
fn beside_bare_processes() -> procession::Result<()> {
    let start = Instant::now();
    Pool::new(5)?.for_each(count, 0..100)?;
    let pool = start.elapsed();

    let start = Instant::now();
    let processes: Vec<Process<()>> =
        (0..100).map(|n| Process::spawn(count, (n,))).collect::<Result<_, _>>()?;
    processes.into_iter().try_for_each(Process::join)?;
    println!("pool of 5: {pool:.1?}, 100 processes: {:.1?}", start.elapsed());
    Ok(())
}

fn work(n: u32) {
    println!("start {n} in {}", process::id());
    thread::sleep(SECOND);
    println!("end {n} in {}", process::id());
}

// Python: the same calls; a task that raises or is killed is lost in silence, and the second one has `join` wait for ever.
// Here: a result that nobody asks for must be dropped in so many words, and `join` comes back whatever becomes of a worker.
fn close_and_join() -> procession::Result<()> {
    let pool = Pool::new(5)?;
    for n in 0..10 {
        drop(pool.apply_async(work, (n,))?);
    }
    pool.close();
    pool.join()
}

// Python: `apply` gives the function's value, and takes any function and any arguments until it runs.
// Here: whether function, arguments and value fit together and can travel is checked when the program is compiled.
fn one_at_a_time() -> procession::Result<()> {
    let pool = Pool::new(5)?;
    for n in 0..10 {
        println!("{}", pool.apply(|n: u32| n * n, (n,))?);
    }
    Ok(())
}

fn square(n: u32) -> u32 {
    thread::sleep(SECOND / 2);
    n * n
}

// Python: a list of results, and `get` for each; it waits for ever if a worker was killed.
// Here: the same list; `get` gives an error then that says how the worker ended, and no other task is harmed.
fn results_later() -> procession::Result<()> {
    let pool = Pool::new(5)?;
    let results = (0..10).map(|n| pool.apply_async(square, (n,))).collect::<Result<Vec<_>, _>>()?;
    for result in &results {
        println!("{}", result.get()?);
    }
    Ok(())
}

// Python: `map` cuts the items into chunks beforehand, and whoever has a slow one keeps the rest of its chunk waiting.
// Here: tasks are handed out ahead too, but those that haven't begun go to whoever is idle.
fn all_together() -> procession::Result<()> {
    println!("{:?}", Pool::new(5)?.map(square, 0..100)?);
    Ok(())
}

// Python: callbacks run on the thread that receives all results, so one that takes its time holds up every other task's.
// Here: in this process as well, on a thread of their own; `join` waits for them too, and one that panics harms nothing.
fn callbacks() -> procession::Result<()> {
    println!("main process {}", process::id());
    let pool = Pool::new(5)?;
    for _ in 0..10 {
        let result = pool.apply_async(
            |n: u32| {
                println!("task in {}", process::id());
                n * n
            },
            (10,),
        )?;
        drop(result.callback(|value| println!("callback in {}: {value}", process::id())));
    }
    pool.close();
    pool.join()
}

// Python has none: "a more advanced pool" of n processes, and of up to m while there is work for them.
// Here it's a range. Twenty tasks that wait for each other need twenty processes; afterwards there are three again.
fn from_three_to_twenty() -> procession::Result<()> {
    let pool = Pool::builder().workers(3..=20).idle_timeout(SECOND).build()?;
    println!("{} workers", pool.statistics().workers);
    let meeting = Barrier::new(20)?;
    let tasks = (0..20).map(|_| (meeting.clone(),));
    pool.starmap(|meeting: Barrier| drop(meeting.wait()), tasks)?;
    println!("{} workers", pool.statistics().workers);
    while pool.statistics().workers > 3 {
        thread::sleep(SECOND / 10);
    }
    println!("{} workers", pool.statistics().workers);
    Ok(())
}

fn main() -> procession::Result<()> {
    procession::init();
    println!("# beside bare processes");
    beside_bare_processes()?;
    println!("# close and join");
    close_and_join()?;
    println!("# one at a time");
    one_at_a_time()?;
    println!("# results later");
    results_later()?;
    println!("# all together");
    all_together()?;
    println!("# callbacks");
    callbacks()?;
    println!("# from three to twenty");
    from_three_to_twenty()
}
