//! A pool with settings of its own.

use super::{
    Pool,
    batch::Limits,
    life::Initial,
    settings::{Settings, retries},
    size::PoolSize,
};
use crate::task::Initializer;
use procession_core::{Result, start::StartMethod};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// Settings for a pool; made by [`Pool::builder`].
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::builder()
///     .workers(3..=20) // three at first, up to twenty while there is work for them
///     .task_timeout(Duration::from_secs(30))
///     .memory_limit(512 << 20)
///     .max_tasks_per_worker(1000)
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PoolBuilder {
    settings: Settings,
    initial: Option<Result<Initial>>,
    max_attempts: u32,
}

/// How long a worker may be idle, where nothing else is said.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

impl Default for PoolBuilder {
    fn default() -> PoolBuilder {
        let processors = std::thread::available_parallelism().map_or(1, |count| count.get());
        let settings = Settings {
            size: PoolSize::from(processors),
            name: "pool".into(),
            method: None,
            initial: None,
            idle_timeout: IDLE_TIMEOUT,
            max_tasks: None,
            memory_limit: None,
            max_pending: usize::MAX,
            limits: Limits::default(),
        };
        PoolBuilder { settings, initial: None, max_attempts: 1 }
    }
}

impl PoolBuilder {
    /// How many worker processes: always as many, `workers(5)`, or as many as there is work for, `workers(3..=20)`. By default one for
    /// each processor that this process may use.
    ///
    /// A pool that may grow does so when tasks have waited for a millisecond and nobody is idle; it shrinks when workers have been idle
    /// for the [`idle_timeout`](PoolBuilder::idle_timeout). The least may be 0.
    pub fn workers(mut self, workers: impl Into<PoolSize>) -> PoolBuilder {
        self.settings.size = workers.into();
        self
    }

    /// How long a worker may have nothing to do before it ends, if there are more than the least. By default ten seconds.
    pub fn idle_timeout(mut self, timeout: Duration) -> PoolBuilder {
        self.settings.idle_timeout = timeout;
        self
    }

    /// How workers are started. The default is what [`set_start_method`](crate::set_start_method) says.
    #[doc(alias = "get_context")]
    #[doc(alias = "mp_context")]
    pub fn start_method(mut self, method: StartMethod) -> PoolBuilder {
        self.settings.method = Some(method);
        self
    }

    /// Has each worker call `f` with these arguments before its first task. What it returns stays in the worker, for its tasks to use:
    /// see [`worker::state`](crate::worker::state).
    ///
    /// If it panics or ends its process, the worker is started again after a pause; when that has gone wrong some five times in a row,
    /// and no worker is left, tasks fail with an error that says so ([`is_start_failed`](crate::Error::is_start_failed)), and so does
    /// submitting more for a second; then one more attempt is made for whoever asks. One that takes longer than the [`task_timeout`](PoolBuilder::task_timeout) counts as one that fails.
    #[doc(alias = "initargs")]
    pub fn initializer<Args, F>(mut self, f: F, args: Args) -> PoolBuilder
    where
        Args: Serialize + DeserializeOwned,
        F: Initializer<Args>,
    {
        // A value of the type is all that was needed of it: there is only one.
        let _ = f;
        self.initial = Some(Initial::new::<F, Args>(&args));
        self
    }

    /// How many tasks a worker runs before it's replaced by a new one: for code that leaks. By default any number.
    #[doc(alias = "maxtasksperchild")]
    #[doc(alias = "max_tasks_per_child")]
    pub fn max_tasks_per_worker(mut self, tasks: u64) -> PoolBuilder {
        self.settings.max_tasks = Some(tasks);
        self
    }

    /// How long a task may run, counted from its beginning: then its worker is killed and replaced, and the task gives
    /// [`TaskError::TimedOut`](crate::TaskError::TimedOut). No other task is harmed. By default as long as it takes.
    pub fn task_timeout(mut self, timeout: Duration) -> PoolBuilder {
        self.settings.limits.timeout = Some(timeout);
        self
    }

    /// The most bytes of private memory that each worker may have; see [`ProcessBuilder::memory_limit`](crate::ProcessBuilder::memory_limit).
    ///
    /// A task that needs more gives [`TaskError::OutOfMemory`](crate::TaskError::OutOfMemory), and its worker is replaced. (In a Rust
    /// program that is: code in other languages may take a failed allocation in other ways.)
    pub fn memory_limit(mut self, bytes: u64) -> PoolBuilder {
        self.settings.memory_limit = Some(bytes);
        self
    }

    /// How often a task is tried if its worker dies while it runs it. By default once: a task that kills its worker isn't run again
    /// behind anybody's back.
    ///
    /// A task that panicked, took too long or was cancelled is never run again.
    pub fn max_attempts(mut self, attempts: u32) -> PoolBuilder {
        self.max_attempts = attempts;
        self
    }

    /// How many tasks may wait or run: while there are as many, submitting more blocks until some are done. By default any number.
    pub fn max_pending(mut self, tasks: usize) -> PoolBuilder {
        self.settings.max_pending = tasks;
        self
    }

    /// Its name: of its workers in `ps` (with their numbers; the first 15 bytes), and of its threads.
    pub fn name(mut self, name: impl Into<String>) -> PoolBuilder {
        self.settings.name = name.into();
        self
    }

    /// Makes the pool; the least of its workers start at once.
    ///
    /// # Errors
    ///
    /// Those of [`Pool::new`]; [`is_invalid_argument`](crate::Error::is_invalid_argument) also for `workers(5..=2)`, a limit of 0,
    /// and a name with a nul byte; [`is_codec`](crate::Error::is_codec) if the initializer's arguments can't be encoded.
    pub fn build(mut self) -> Result<Pool> {
        self.settings.limits.retries = retries("max_attempts", self.max_attempts)?;
        self.settings.initial = self.initial.transpose()?;
        Pool::start(self.settings.check()?)
    }
}
