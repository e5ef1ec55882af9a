//! A pool with settings of its own.

use super::Pool;
use procession_core::{Error, ErrorKind, Result};

/// Settings for a pool; made by [`Pool::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolBuilder {
    workers: Option<usize>,
    name: String,
}

impl Default for PoolBuilder {
    fn default() -> PoolBuilder {
        PoolBuilder { workers: None, name: "pool".into() }
    }
}

impl PoolBuilder {
    /// How many worker processes; by default one for each processor that this process may use.
    pub fn workers(mut self, workers: usize) -> PoolBuilder {
        self.workers = Some(workers);
        self
    }

    /// Its name: of its workers in `ps` (the first 15 bytes), and of its threads.
    pub fn name(mut self, name: impl Into<String>) -> PoolBuilder {
        self.name = name.into();
        self
    }

    /// Makes the pool; its workers start at once.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::new`].
    pub fn build(self) -> Result<Pool> {
        let workers = self
            .workers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |count| count.get()));
        if workers == 0 {
            return Err(Error::new(ErrorKind::InvalidArgument, "a pool needs at least one worker"));
        }
        if self.name.contains('\0') {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "the name of a pool can't have a nul byte in it",
            ));
        }
        Pool::start(workers, self.name)
    }
}
