//! Helpers of this project's own tests: a harness whose `main` is the test's, a watchdog that ends a hung test with a
//! diagnosis, and counts of what a test left behind.

mod census;
mod gate;
mod ledger;
mod rng;
mod values;
mod watchdog;

pub use census::{
    Census, children, children_of, forkserver, is_helper, is_zombie, kill, processes_with, resume, stop,
};
pub use gate::Gate;
pub use ledger::{Entry, Ledger, Pen};
pub use rng::Rng;
pub use values::{OneWay, Stubborn, raise};
pub use watchdog::{explain_with, still_alive, watch};

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// A test: its name and what it does.
pub type Test = (String, Box<dyn FnOnce() + Send>);

/// Names functions as tests.
#[macro_export]
macro_rules! tests {
    ($($(#[$meta:meta])* $name:path),* $(,)?) => {
        vec![$($(#[$meta])* (stringify!($name).to_string(), Box::new($name) as Box<dyn FnOnce() + Send>)),*]
    };
}

/// Runs the tests one after the other, each under the watchdog. To be called after `init()`.
///
/// One at a time, because each looks at the whole process: its children, descriptors and threads.
pub fn run(tests: Vec<Test>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = tests.into_iter().map(|(name, test)| {
        Trial::test(name.clone(), move || {
            let _watched = watchdog::watch(name);
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(test)) {
                Ok(()) => Ok(()),
                Err(payload) => {
                    let text = payload.downcast_ref::<String>().map(String::as_str);
                    Err(text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("panicked").into())
                }
            }
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if conclusion.has_failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
