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
