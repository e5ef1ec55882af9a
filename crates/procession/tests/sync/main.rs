//! Locks, semaphores, conditions, events, barriers and shared values: what each does, also as Python documents it of its own.

use common::{assert_nothing_left, park, until_waiting};
use procession::{
    Array, Barrier, BoundedSemaphore, Condition, Event, Mutex, Once, OnceValue, Pool, Process,
    ReentrantMutex, RwLock, Semaphore, StartMethod, TaskError, Value, family,
};
use procession_testing::tests;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

const SOON: Duration = Duration::from_millis(20);

mod array;
mod barrier;
#[path = "../common/mod.rs"]
mod common;
mod condition;
mod diagnosis;
mod event;
mod handles;
#[path = "../methods/mod.rs"]
mod methods;
mod mutex;
mod once;
mod reentrant;
mod rw_lock;
mod semaphore;
mod value;

fn main() -> ExitCode {
    common::begin();
    methods::adopt();
    let all = || {
        tests![
            handles::travel_in_arguments_results_and_structures,
            handles::travel_through_a_pool,
            handles::that_are_not_received_are_given_back,
            handles::of_tasks_that_run_elsewhere_go_with_them,
            handles::are_received_while_others_sweep,
            handles::of_results_on_their_way_are_nobody_elses_business,
            handles::end_with_the_last_of_them,
            handles::are_of_one_type,
            handles::do_not_leave_the_family,
            handles::are_refused_in_a_plain_fork,
            mutex::excludes,
            mutex::is_not_taken_twice,
            mutex::is_poisoned_by_a_panic_and_by_a_death,
            mutex::timeouts,
            mutex::timeouts_are_kept_on_a_busy_processor,
            mutex::is_not_taken_from_the_stopped,
            reentrant::counts_per_thread_and_process,
            reentrant::is_poisoned_at_whatever_depth,
            rw_lock::readers_together_writers_alone,
            rw_lock::deaths,
            rw_lock::all_readers_go_on_after_a_writer_died,
            rw_lock::works_while_a_thread_ends,
            semaphore::two_at_a_time,
            semaphore::unowned_style,
            semaphore::bounded_release,
            semaphore::permits_of_the_dead_come_back,
            semaphore::handles_in_transit_leave_nothing_behind,
            semaphore::a_stopped_process_stops_nobody,
            condition::wakes_one_or_all,
            condition::timeouts,
            condition::producer_and_consumer,
            event::wait_result,
            event::set_and_cleared_at_once_wakes_who_waited,
            barrier::passes_and_tells_apart,
            barrier::abort_and_reset,
            barrier::a_timeout_breaks_it,
            barrier::a_death_breaks_it,
            barrier::an_orderly_end_does_not_break_it,
            barrier::travels_back_whole,
            barrier::a_start_that_fails_does_not_break_it,
            once::once,
            once::a_death_or_panic_before_the_end_leaves_it_undone,
            value::integers,
            value::of_any_size_are_never_torn,
            value::a_panic_or_death_leaves_it,
            array::parts,
            array::bad_ranges,
            array::too_many_parts,
            array::poison,
            array::large,
            diagnosis::says_who_holds_and_who_waits,
            diagnosis::names_a_deadlock_between_processes,
            diagnosis::names_no_deadlock_where_there_is_none,
            diagnosis::a_semaphore_can_be_part_of_a_deadlock,
        ]
    };
    procession_testing::run(methods::each(all).collect())
}

/// A process that dies while it has what `take` takes.
fn killed_with<H: Serialize + DeserializeOwned, F: procession::Task<(H, Event), Output = ()>>(
    f: F,
    handle: H,
) {
    let ready = Event::new().unwrap();
    let victim = Process::spawn(f, (handle, ready.clone())).unwrap();
    ready.wait().unwrap();
    victim.kill().unwrap();
    assert!(matches!(victim.join(), Err(TaskError::Died(status)) if status.signal() == Some(9)));
}

/// A panic that prints nothing.
fn blow<T>() -> T {
    std::panic::resume_unwind(Box::new("on purpose"))
}
