//! What a process does, however it's started: one list of tests, for each start method and under the standard harness.

mod inheritance;
mod members;
mod outcomes;
mod settings;

pub(crate) use inheritance::*;
pub(crate) use members::*;
pub(crate) use outcomes::*;
use procession::TaskError;
pub(crate) use settings::*;

/// Gives the list to another macro.
#[macro_export]
macro_rules! suite {
    ($with:ident) => {
        $with! {
            suite::gives_the_value,
            suite::takes_zero_to_eight_arguments,
            suite::carries_large_values,
            suite::panics_are_values,
            suite::ends_are_values,
            suite::ends_after_the_value_change_nothing,
            suite::codec_errors_name_the_type,
            suite::join_timeout_leaves_it_alone,
            suite::signals_reach_it,
            suite::builder_settings_arrive,
            suite::standard_streams_can_be_piped,
            suite::many_at_once,
            suite::dropped_processes_run_on,
            suite::members_start_processes,
            suite::members_have_pools,
            suite::inherits_what_the_starter_has_now,
            suite::members_hand_on_what_they_have,
            suite::gets_no_stray_descriptors,
            suite::restrictions_of_a_thread_are_kept,
            suite::settings_are_checked,
            suite::nice_and_processors_are_set,
            suite::memory_is_limited,
            suite::is_killed_with_its_handle,
            suite::a_plain_fork_is_nobody,
        }
    };
}

pub(crate) fn forever() {
    loop {
        std::thread::park();
    }
}

fn greet(name: String) -> String {
    format!("hello {name}")
}

fn died(error: TaskError) -> procession::ExitStatus {
    let TaskError::Died(status) = error else { panic!("not a death: {error}") };
    status
}
