//! A pool of worker processes.

mod async_result;
mod batch;
mod builder;
mod callbacks;
mod engine;
mod map;
mod plan;
mod sink;
mod state;
mod statistics;
mod worker;

pub use async_result::AsyncResult;
pub use builder::PoolBuilder;
pub use statistics::PoolStatistics;

use crate::{
    TaskError,
    task::{Task, descriptor},
};
use async_result::Cell;
use batch::BatchBuilder;
use engine::Engine;
use procession_core::{Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, sync::Arc, thread};

/// A pool of worker processes that run tasks.
///
/// Any number of threads may use it at once. Dropping it terminates it.
///
/// # Process death
///
/// A worker that dies costs the task that it was running, which gives [`TaskError::Died`] with its status; it's
/// replaced, and tasks that were only queued with it run elsewhere. No task is run twice. When the process that made
/// the pool dies, its workers end.
///
/// # Examples
///
/// ```no_run
/// use procession::Pool;
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let pool = Pool::new(5)?;
///     let squares = pool.map(|n: u64| n * n, 0..100)?;
///     assert_eq!(squares[7], 49);
///     pool.close();
///     pool.join()
/// }
/// ```
///
/// # Example: a task that kills its process
///
/// ```no_run
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::{Pool, TaskError};
///
/// let pool = Pool::new(2)?;
/// match pool.apply(|| -> () { std::process::abort() }, ()) {
///     Ok(()) => unreachable!(),
///     Err(TaskError::Died(status)) => println!("as expected: {status}"),
///     Err(e) => return Err(e.into()),
/// }
/// assert_eq!(pool.apply(|a: i32, b: i32| a + b, (2, 3))?, 5); // the pool goes on
/// # Ok(()) }
/// ```
pub struct Pool {
    engine: Arc<Engine>,
    size: usize,
    dispatcher: Option<thread::JoinHandle<()>>,
}

impl Pool {
    /// A pool of `workers` processes, which start at once.
    ///
    /// # Errors
    ///
    /// - [`is_invalid_argument`](Error::is_invalid_argument): `workers` is 0.
    /// - [`is_not_initialised`](Error::is_not_initialised): the program didn't call [`init`](crate::init) first.
    /// - [`is_start_failed`](Error::is_start_failed), [`is_out_of_memory`](Error::is_out_of_memory): the system has no
    ///   room for so many.
    /// - [`is_unsupported`](Error::is_unsupported): this process isn't the root of its family.
    pub fn new(workers: usize) -> Result<Pool> {
        Pool::builder().workers(workers).build()
    }

    /// A pool with settings of its own.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    fn start(size: usize, name: String) -> Result<Pool> {
        let engine = Arc::new(Engine::new(size, name)?);
        let dispatched = engine.clone();
        let dispatcher = thread::Builder::new()
            .name(format!("{}-dispatcher", engine.name))
            .spawn(move || dispatched.dispatch())
            .map_err(|e| {
                Error::new(ErrorKind::System, format!("could not start the dispatcher thread: {e}"))
            });
        match dispatcher {
            Ok(dispatcher) => Ok(Pool { engine, size, dispatcher: Some(dispatcher) }),
            Err(e) => {
                engine.terminate();
                Err(e)
            }
        }
    }

    /// Runs `f` on each item, on all workers, and gives the values in the order of the items.
    ///
    /// The items are encoded by the calling thread, a little ahead of the workers. It waits until every task is done, also
    /// when one fails.
    ///
    /// # Errors
    ///
    /// The first failure, in the order of the items: see [`TaskError`]. When an item can't be encoded that is returned at
    /// once, and the items before it may still run.
    pub fn map<A, R, F>(&self, f: F, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(A) -> R + 'static,
    {
        self.starmap(f, items.into_iter().map(|item| (item,)))
    }

    /// Like [`map`](Pool::map), for functions of any number of parameters: each item is a tuple of arguments.
    ///
    /// # Errors
    ///
    /// Those of [`map`](Pool::map).
    pub fn starmap<Args, F>(
        &self,
        f: F,
        items: impl IntoIterator<Item = Args>,
    ) -> Result<Vec<F::Output>, TaskError>
    where
        Args: Serialize + DeserializeOwned,
        F: Task<Args>,
    {
        // A value of the type is all that was needed of it: there is only one.
        let _ = f;
        map::map::<F, Args>(&self.engine, self.size, items.into_iter())
    }

    /// Runs `f` with these arguments on a worker and waits for its value.
    ///
    /// # Errors
    ///
    /// What became of the task instead: see [`TaskError`].
    pub fn apply<A, F>(&self, f: F, args: A) -> Result<F::Output, TaskError>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A>,
        F::Output: 'static,
    {
        self.apply_async(f, args)?.get()
    }

    /// Has `f` run with these arguments on a worker, and returns at once.
    ///
    /// # Errors
    ///
    /// - [`is_codec`](Error::is_codec): an argument can't be encoded.
    /// - [`is_closed`](Error::is_closed): the pool was closed or terminated.
    /// - [`is_start_failed`](Error::is_start_failed): its workers died and no new ones can be started.
    /// - [`is_out_of_memory`](Error::is_out_of_memory): the arguments don't fit into shared memory.
    pub fn apply_async<A, F>(&self, f: F, args: A) -> Result<AsyncResult<F::Output>>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A>,
        F::Output: 'static,
    {
        let _ = f;
        let function = descriptor::<F, A>().id()?;
        let mut batch = BatchBuilder::new();
        batch.push(&args)?;
        let cell = Arc::new(Cell::default());
        self.engine.submit(batch.build(function, 0, cell.clone()))?;
        Ok(AsyncResult::new(self.engine.clone(), cell))
    }

    /// Takes no more tasks. Those that it has are done; [`join`](Pool::join) waits for that.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Closes the pool, waits until all its tasks are done and their callbacks have run, and ends the workers.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked): this process is a plain fork of the one that made the pool.
    /// [`is_invalid_argument`](Error::is_invalid_argument): called in a callback of this pool. The failures of tasks belong to
    /// their results.
    pub fn join(mut self) -> Result<()> {
        self.engine.join()?;
        self.end_dispatcher();
        Ok(())
    }

    /// Ends the pool now: workers are killed, and tasks that are not done give [`TaskError::Cancelled`].
    pub fn terminate(&self) {
        self.engine.terminate();
    }

    /// What the pool is doing.
    pub fn statistics(&self) -> PoolStatistics {
        self.engine.statistics()
    }

    /// The process ids of the workers at this moment: for people, and for tests that kill them.
    pub fn worker_pids(&self) -> Vec<u32> {
        self.engine.worker_pids()
    }

    fn end_dispatcher(&mut self) {
        // In a plain fork there is no such thread to wait for.
        if let Some(dispatcher) = self.dispatcher.take()
            && procession_core::check().is_ok()
        {
            // It catches nothing, but it has nothing to panic with either; and a drop must not panic.
            let _ = dispatcher.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.engine.terminate();
        self.end_dispatcher();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.engine.name)
            .field("statistics", &self.statistics())
            .finish()
    }
}
