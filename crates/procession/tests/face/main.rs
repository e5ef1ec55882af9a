//! The public face as a whole: what every type is to the compiler, what every error becomes, and what arguments at the edge of what
//! can be said come to.

use procession_testing::tests;
use std::process::ExitCode;

#[path = "../common/begin.rs"]
mod begin;
mod ending;
mod errors;
mod extremes;
mod traits;

fn main() -> ExitCode {
    begin::begin();
    procession_testing::run(tests![
        // First of all: it's about what nothing in this process has done before.
        ending::a_pool_is_used_for_the_first_time_while_a_panic_unwinds,
        extremes::capacities,
        extremes::indices,
        extremes::timeouts,
        extremes::pools,
        extremes::processes,
        errors::every_error_becomes_the_general_one,
        errors::every_error_is_an_error_for_others,
        ending::a_thread_that_ends_can_still_send,
    ])
}
