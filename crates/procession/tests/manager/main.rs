//! Managers: what ends with one, who is told, and what is left; also when processes are killed or stopped.

use procession_testing::tests;
use std::process::ExitCode;

#[path = "../common/mod.rs"]
mod common;
mod deaths;
mod freeing;
mod making;
#[path = "../methods/mod.rs"]
mod methods;
mod using;
mod waiting;

fn main() -> ExitCode {
    common::begin();
    methods::adopt();
    let all = || {
        let mut all = waiting::all();
        all.extend(tests![
            using::everything_works_until_it_is_shut_down,
            using::guards_outlive_it,
            using::a_lease_outlives_it,
            using::what_cannot_fail_still_tells,
            using::who_polls_is_told,
            using::a_future_is_told,
            using::in_a_closure_of_an_update,
            making::own_owns_what_it_makes_and_nothing_else,
            making::the_inner_one_owns,
            making::a_panic_in_own,
            making::managers_of_managers,
            making::in_another_process,
            making::while_it_is_shut_down,
            freeing::what_is_in_it_is_freed,
            freeing::handles_in_values_go,
            freeing::each_with_its_last_handle,
            freeing::the_last_handle_of_a_manager_ends_it,
            freeing::a_manager_in_a_message,
            freeing::a_manager_in_what_it_made,
            freeing::a_long_chain_of_managers,
            freeing::what_is_put_at_that_moment,
            freeing::although_somebody_has_a_lock,
            deaths::the_last_holder_is_killed,
            deaths::one_of_several_holders_is_killed,
            deaths::a_holder_of_the_outer_one_is_killed,
            deaths::a_waiter_is_killed,
            deaths::killed_while_they_make_and_shut_down,
        ]);
        all
    };
    procession_testing::run(methods::each(all).collect())
}

/// What an error says, if it's that of an object whose manager was shut down.
fn reason(error: impl Into<procession::Error>) -> String {
    let error = error.into();
    assert!(error.is_closed(), "{error:?}");
    error.to_string()
}

#[track_caller]
fn assert_shut_down<R: std::fmt::Debug>(kind: &str, result: Result<R, impl Into<procession::Error>>) {
    let said = reason(result.map_err(Into::into).unwrap_err());
    assert_eq!(said, format!("the {kind} can't be used any more: its manager was shut down"));
}
