//! One list of tests, once for each start method.

use procession::StartMethod;
use procession_testing::Test;

/// Says to the programs that a test runs how they start processes.
const VARIABLE: &str = "PROCESSION_TEST_METHOD";

/// In such a program, after `init()`.
pub(crate) fn adopt() {
    if std::env::var(VARIABLE).is_ok_and(|method| method == "spawn") {
        procession::set_start_method(StartMethod::Spawn);
    }
}

/// The tests over each method.
pub(crate) fn each(tests: fn() -> Vec<Test>) -> impl Iterator<Item = Test> {
    let methods = [("forkserver", StartMethod::ForkServer), ("spawn", StartMethod::Spawn)];
    methods.into_iter().flat_map(move |(name, method)| {
        tests().into_iter().map(move |(test, run)| {
            let run = Box::new(move || {
                procession::set_start_method(method);
                // SAFETY: no other thread reads the environment: the tests run one at a time.
                unsafe { std::env::set_var(VARIABLE, name) };
                run();
            });
            (format!("{name}::{test}"), run as Box<dyn FnOnce() + Send>)
        })
    })
}
