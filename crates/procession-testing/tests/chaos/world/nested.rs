//! Pools, managers and processes that a task has for itself, and tasks that it gives to the pool it's in.

use super::{World, work};
use crate::tally::Tally;
use procession::{
    Error, Manager, Pool, PoolHandle, Process, RecvError, Result, Sender, StartMethod, channel,
};
use procession_testing::Rng;
use std::time::Duration;

pub(crate) fn deed(world: &World, pool: &PoolHandle, rng: &mut Rng, depth: u32, tally: &mut Tally) {
    tally.nested += 1;
    let arguments = |rng: &mut Rng| (world.clone(), pool.clone(), rng.seed(), depth);
    match rng.below(6) {
        0 => own_pool(world, pool, rng, depth, tally),
        1 => tally.add(pool.apply(work, arguments(rng))),
        2 => {
            let squares = pool.map(|n: u64| n * n, 0..8);
            if let Some(squares) = tally.forgive(squares) {
                assert_eq!(squares, [0, 1, 4, 9, 16, 25, 36, 49]);
            }
        }
        3 => {
            let method = if rng.below(4) == 0 { StartMethod::Spawn } else { StartMethod::ForkServer };
            let process = Process::builder().start_method(method).spawn(work, arguments(rng));
            if let Some(process) = tally.forgive(process) {
                tally.add(process.join());
            }
        }
        4 => stream(rng, tally),
        _ => {
            let done = with_a_manager(rng, tally);
            tally.forgive(done);
        }
    }
}

fn own_pool(world: &World, handle: &PoolHandle, rng: &mut Rng, depth: u32, tally: &mut Tally) {
    let builder = Pool::builder().workers(1..=1 + rng.below(2)).idle_timeout(Duration::from_millis(20));
    let Some(own) = tally.forgive(builder.build()) else { return };
    let items: Vec<u64> = (0..rng.below(30) as u64).collect();
    for outcome in own.imap_unordered(|n: u64| vec![n; 3], items) {
        if let Some(three) = tally.forgive(outcome) {
            assert!(three.len() == 3 && three.iter().all(|n| *n == three[0]));
        }
    }
    tally.add(own.apply(work, (world.clone(), handle.clone(), rng.seed(), depth)));
    if rng.below(2) == 0 {
        own.close();
        tally.forgive(own.join());
    }
}

/// Sends numbers, as many as there is memory for, and somebody to receive them: how many.
fn count(numbers: Sender<Vec<u64>>, most: u64) -> u64 {
    let fails = |number: &u64| {
        let sent = numbers.send(&vec![*number; 1 + *number as usize % 600]).map_err(Error::from);
        sent.is_err_and(|error| {
            assert!(error.is_out_of_memory() || error.is_disconnected(), "{error}");
            true
        })
    };
    (0..most).find(fails).unwrap_or(most)
}

/// A process that sends numbers: they come in order, to the last if it wasn't killed.
fn stream(rng: &mut Rng, tally: &mut Tally) {
    let Some((sender, numbers)) = tally.forgive(channel()) else { return };
    let Some(process) = tally.forgive(Process::spawn(count, (sender, rng.below(300) as u64))) else { return };
    let mut next = 0;
    loop {
        match numbers.recv() {
            Ok(number) => {
                assert!(number.iter().all(|n| *n == next), "in order, and whole");
                next += 1;
            }
            Err(RecvError::Disconnected) => break,
            // It stays where it is.
            Err(error) => drop(tally.forgive::<(), _>(Err(error))),
        }
    }
    if let Some(sent) = tally.forgive(process.join()) {
        assert_eq!(sent, next, "who wasn't killed sent all of them");
    }
}

/// Waits for what never comes: the manager's end ends that too.
fn wait(queue: procession::Queue<u64>) -> bool {
    matches!(queue.get(), Err(RecvError::Failed(error)) if error.is_closed())
}

fn with_a_manager(rng: &mut Rng, tally: &mut Tally) -> Result<()> {
    let manager = Manager::new()?;
    let (dict, list, queue) = (manager.dict::<u32, Vec<u8>>()?, manager.list()?, manager.queue()?);
    dict.insert(&1, &vec![1_u8; rng.below(3000)])?;
    list.push(&dict)?;
    let process = tally.forgive(Process::spawn(wait, (queue,)));
    assert_eq!(list.get(0)?.expect("it was put there").get(&1)?, dict.get(&1)?);
    if rng.below(2) == 0 {
        manager.shutdown()?;
        let error = list.len().expect_err("it ended with its manager");
        assert!(error.is_closed(), "{error}");
    } else {
        drop((manager, list, dict));
    }
    if let Some(process) = process
        && let Some(was_closed) = tally.forgive(process.join())
    {
        assert!(was_closed, "it was waiting for the manager's end");
    }
    Ok(())
}
