//! Pools that grow and shrink: when they do, how far, and that no task is lost or run twice by it.

use procession::{AsyncResult, Event, Pool, PoolStatistics, Value, WorkerState};
use procession_testing::tests;
use std::{collections::HashSet, process::ExitCode, thread, time::Duration};

mod growth;
mod resizing;
mod starts;

fn main() -> ExitCode {
    procession::init();
    procession_testing::run(tests![
        growth::grows_to_the_most_and_no_further,
        growth::grows_from_nothing_and_goes_back,
        growth::a_pool_that_ends_while_it_grows_leaves_nobody,
        growth::shrinks_to_the_least_and_no_further,
        growth::nobody_goes_before_its_time,
        growth::who_is_busy_does_not_go,
        growth::a_burst_of_short_tasks,
        growth::used_up_workers_are_replaced_within_the_size,
        growth::who_waits_for_its_own_pool_has_somebody_in_its_place,
        growth::each_step_is_in_the_statistics,
        resizing::an_idle_pool_is_resized,
        resizing::a_busy_pool_is_resized,
        resizing::a_pool_of_a_fixed_size_becomes_elastic,
        resizing::who_becomes_one_too_many_has_its_time_first,
        resizing::resizing_loses_and_repeats_nothing,
        resizing::sizes_that_cannot_be_are_refused,
        starts::slow_starts_are_not_followed_by_more,
        starts::slow_starts_do_not_pile_up,
        starts::failing_growth_leaves_the_others_at_work,
        starts::failing_starts_in_the_place_of_who_waits_are_an_error,
        starts::failing_starts_from_nothing_are_an_error,
        starts::late_starts_are_failing_starts,
    ])
}

const EVER: Duration = Duration::from_secs(3600);

/// How often something is looked at that must not happen.
const LOOKS: usize = 300;

/// Tasks that run until they're let go.
struct Crowd {
    arrived: Value<u64>,
    go: Event,
    results: Vec<AsyncResult<u32>>,
}

impl Crowd {
    fn new() -> Crowd {
        Crowd { arrived: Value::new(0).unwrap(), go: Event::new().unwrap(), results: Vec::new() }
    }

    fn send(&mut self, pool: &Pool, count: usize) {
        let stay = |arrived: Value<u64>, go: Event| {
            arrived.fetch_add(1).unwrap();
            go.wait().unwrap();
            std::process::id()
        };
        for _ in 0..count {
            let args = (self.arrived.clone(), self.go.clone());
            self.results.push(pool.apply_async(stay, args).unwrap());
        }
    }

    /// Waits until so many of them run.
    fn until_running(&self, pool: &Pool, count: u64) {
        until(pool, |_| self.arrived.get() == count);
    }

    /// Lets them go: the processes that ran them.
    fn release(self) -> Vec<u32> {
        self.go.set().unwrap();
        self.results.iter().map(|result| result.get().unwrap()).collect()
    }
}

/// Looks at a pool until that is so.
fn until(pool: &Pool, what: impl Fn(&PoolStatistics) -> bool) -> PoolStatistics {
    loop {
        let statistics = look(pool);
        if what(&statistics) {
            return statistics;
        }
        thread::yield_now();
    }
}

/// Looks at a pool for a while, during which that stays so.
fn always(pool: &Pool, what: impl Fn(&PoolStatistics) -> bool) {
    for _ in 0..LOOKS {
        let statistics = look(pool);
        assert!(what(&statistics), "{statistics:?}");
        thread::yield_now();
    }
}

/// What a pool is doing; it must be true in itself.
fn look(pool: &Pool) -> PoolStatistics {
    let statistics = pool.statistics();
    let PoolStatistics { workers, starting, idle, leaving, running, queued, done, each, .. } = &statistics;
    let count = |state| each.iter().filter(|worker| worker.state == state).count();
    assert_eq!(*workers, each.len(), "{statistics:?}");
    let counts = [WorkerState::Starting, WorkerState::Idle, WorkerState::Leaving].map(count);
    assert_eq!([*starting, *idle, *leaving], counts, "{statistics:?}");
    for worker in each {
        match worker.state {
            WorkerState::Idle => assert_eq!(worker.unfinished, 0, "{statistics:?}"),
            WorkerState::Busy => assert!(worker.unfinished > 0, "{statistics:?}"),
            _ => {}
        }
    }
    assert!(each.iter().map(|worker| worker.unfinished).sum::<usize>() <= running + queued, "{statistics:?}");
    assert!(each.iter().map(|worker| worker.done).sum::<u64>() <= *done, "{statistics:?}");
    let indexes: HashSet<usize> = each.iter().map(|worker| worker.index).collect();
    let pids: HashSet<u32> = each.iter().map(|worker| worker.pid).collect();
    assert_eq!((indexes.len(), pids.len()), (*workers, *workers), "{statistics:?}");
    statistics
}

/// Workers that are not about to go.
fn staying(statistics: &PoolStatistics) -> usize {
    statistics.workers - statistics.leaving
}

fn busy(statistics: &PoolStatistics) -> usize {
    staying(statistics) - statistics.starting - statistics.idle
}
