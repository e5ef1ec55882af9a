//! The pool's fault table, a row a test: what goes wrong costs what it must and nothing else, the pool goes on, nothing is left.

use procession::{Pool, Process, TaskError};
use procession_testing::{Census, Test, stop, tests};
use std::{fs, process::ExitCode, thread};

mod attempts;
mod awkward;
mod callbacks;
mod cancelling;
mod codec;
mod deaths;
mod ends;
mod futures;
mod handles;
mod initializers;
mod lazy;
mod memory;
#[path = "../methods/mod.rs"]
mod methods;
mod nested;
mod pending;
mod roots;
mod settings;
mod state;
mod stopped;
mod time_limits;
mod traces;
mod turnover;

fn main() -> ExitCode {
    procession::init();
    methods::adopt();
    if let Ok(program) = std::env::var(roots::PROGRAM) {
        return roots::program(&program);
    }
    // What has to do with how processes are started.
    let both = || {
        tests![
            deaths::cost_one_task_of_any_call,
            initializers::that_fail_are_an_error,
            initializers::that_fail_only_twice_end_well,
            stopped::idle_workers_are_replaced,
            stopped::idle_workers_without_a_limit_keep_nothing,
            stopped::a_running_task_is_late,
            memory::a_task_that_takes_too_much,
            memory::an_initializer_that_takes_too_much,
            turnover::each_worker_runs_so_many,
            turnover::with_deaths,
            nested::pools_in_tasks,
            nested::processes_in_tasks,
            nested::a_killed_worker_takes_its_pool_along,
            ends::of_every_kind_in_every_state,
            roots::killed_when_idle,
            roots::killed_when_busy,
            roots::interrupted_when_busy,
            roots::one_that_is_interrupted_and_goes_on,
            roots::few_descriptors,
        ]
    };
    let once = tests![
        codec::arguments_that_cannot_be_encoded,
        codec::arguments_that_do_not_decode,
        codec::results_that_cannot_be_encoded,
        codec::results_that_do_not_decode,
        initializers::that_hang_are_an_error,
        initializers::whose_arguments_cannot_be_encoded,
        state::is_reachable_and_need_not_travel,
        state::of_another_type,
        state::who_a_worker_is,
        callbacks::that_panic,
        callbacks::of_a_map_async,
        callbacks::of_errors,
        callbacks::that_submit_to_a_full_pool,
        callbacks::progress_that_panics,
        time_limits::of_one_call,
        time_limits::only_late_tasks_are_lost,
        time_limits::just_in_time,
        memory::an_abort_is_no_shortage,
        attempts::until_it_works,
        attempts::with_handles_and_large_arguments,
        attempts::are_used_up,
        attempts::only_for_deaths,
        attempts::in_maps,
        cancelling::what_is_queued,
        cancelling::what_is_running,
        cancelling::what_is_done,
        cancelling::in_the_middle_of_a_map_async,
        cancelling::thousands,
        cancelling::a_dropped_imap,
        pending::submitting_waits_for_room,
        pending::never_more_than_that,
        pending::of_a_pool_that_ends,
        handles::are_taken_and_returned,
        handles::go_with_their_tasks,
        lazy::of_endless_input_little_is_read,
        lazy::a_slow_consumer_is_waited_for,
        lazy::in_order_whatever_ends_first,
        lazy::size_hints,
        lazy::input_that_panics,
        ends::twice_and_more,
        ends::while_join_waits,
        ends::inside_a_callback,
        ends::in_a_map,
        ends::in_an_imap,
        settings::that_cannot_be,
        settings::of_one_call_that_cannot_be,
        futures::several_at_once,
        futures::polled_twice,
        futures::of_what_fails,
        futures::of_a_pool_that_ends,
        awkward::a_waker_that_drops_the_pool,
        awkward::a_waker_that_has_the_pool,
        awkward::results_whose_decoding_panics,
        awkward::a_stopped_worker_whose_ring_is_full,
        awkward::cancelling_what_is_about_to_begin,
        traces::have_each_task,
        traces::of_a_worker_that_died,
        traces::that_cannot_be_written,
    ];
    let once = once.into_iter().map(|(name, test)| {
        let test = Box::new(|| {
            procession::set_start_method(procession::StartMethod::ForkServer);
            test();
        });
        (name, test as Box<dyn FnOnce() + Send>)
    });
    procession_testing::run(methods::each(both).chain(once).map(leaves_nothing).collect())
}

/// The test, after which everything is as it was before.
fn leaves_nothing((name, test): Test) -> Test {
    let test = || {
        // The helper that starts processes stays, and so does the thread that has it start some for others.
        let nothing = || Process::spawn(|| (), ()).unwrap().join().unwrap();
        Pool::new(1).unwrap().apply(nothing, ()).unwrap();
        let before = Census::take_at_rest();
        test();
        before.wait_until_back();
        procession_core::sweep().unwrap();
        let audit = procession::audit().unwrap();
        let left = (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible);
        assert_eq!((left, audit.members), ((0, 0, 0, 0, 0), 1), "{audit:?}");
    };
    (name, Box::new(test))
}

/// As many workers as there should be, and tasks in order.
fn works(pool: &Pool, workers: usize) {
    assert!(pool.map(|n: u64| n * n, 0..300).unwrap().into_iter().eq((0..300).map(|n| n * n)));
    assert_eq!(pool.apply(|a: u32, b: u32| a + b, (2, 3)).unwrap(), 5);
    until(|| {
        let now = pool.statistics();
        now.workers == workers && now.leaving == 0 && now.queued + now.running == 0
    });
}

/// Waits for something that comes about by itself; if it never does, the watchdog says so.
fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        thread::yield_now();
    }
}

/// The workers that have tasks.
fn busy(pool: &Pool) -> Vec<u32> {
    let each = pool.statistics().each;
    each.into_iter().filter(|worker| worker.unfinished > 0).map(|worker| worker.pid).collect()
}

/// Stops a process, and waits until all of it has stopped.
fn stop_fully(process: u32) {
    stop(process).unwrap();
    let stopped = |stat: String| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'));
    until(|| {
        let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        threads.flatten().all(|thread| fs::read_to_string(thread.path().join("stat")).is_ok_and(stopped))
    });
}

/// How the worker ended that ran the task: exit code and signal.
fn death<R>(outcome: Result<R, TaskError>) -> (Option<i32>, Option<i32>) {
    match outcome {
        Err(TaskError::Died(status)) => (status.code(), status.signal()),
        Err(error) => panic!("not a death: {error}"),
        Ok(_) => panic!("not a death: a value"),
    }
}

fn is_cancelled<R>(outcome: &Result<R, TaskError>) -> bool {
    matches!(outcome, Err(TaskError::Cancelled))
}

/// A task that never ends.
fn forever() {
    loop {
        thread::park();
    }
}
