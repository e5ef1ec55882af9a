//! What workers have begun and completed: in shared memory, so that it's known after their death.

use procession::Value;
use serde::{Deserialize, Serialize};

/// Operations of all workers on one counter.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tally {
    begun: Value<u64>,
    done: Value<u64>,
}

impl Tally {
    pub(crate) fn new() -> Tally {
        Tally { begun: Value::new(0).unwrap(), done: Value::new(0).unwrap() }
    }

    /// Runs one operation.
    pub(crate) fn count<R>(&self, f: impl FnOnce() -> R) -> R {
        self.begun.fetch_add(1).unwrap();
        let result = f();
        self.done.fetch_add(1).unwrap();
        result
    }

    /// The counter that each operation added one to is right. How many operations were never completed.
    pub(crate) fn check(&self, counter: u64) -> u64 {
        let (begun, done) = (self.begun.load(), self.done.load());
        assert!(done <= counter && counter <= begun, "{done} done, {begun} begun, but counted {counter}");
        begun - done
    }
}
