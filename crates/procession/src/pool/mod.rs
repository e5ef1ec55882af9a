//! A pool of worker processes.

mod arrivals;
mod async_result;
mod batch;
mod builder;
mod callbacks;
mod dispatcher;
mod ends;
mod engine;
mod given;
mod hand_out;
mod handle;
mod imap;
mod life;
mod locked;
mod map;
mod map_async;
mod options;
mod plan;
mod progress;
mod reply;
mod requests;
mod settings;
mod sink;
mod size;
mod state;
mod statistics;
mod trace;
mod worker;

pub use async_result::AsyncResult;
pub use builder::PoolBuilder;
pub use handle::{PoolHandle, RemoteResult};
pub use imap::Imap;
pub use options::TaskOptions;
pub use progress::Progress;
pub use size::PoolSize;
pub use statistics::{PoolStatistics, WorkerState, WorkerStatistics};

use crate::{TaskError, task::Task};
use engine::Engine;
use procession_core::{Error, ErrorKind, Result};
use serde::{Serialize, de::DeserializeOwned};
use settings::Settings;
use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

/// A pool of worker processes that run tasks.
///
/// Any number of threads may use it at once. Dropping it terminates it.
///
/// # Process death
///
/// A worker that dies costs the task that it was running, which gives [`TaskError::Died`] with its status; it's
/// replaced, and tasks that were only queued with it run elsewhere. No task is run twice, unless
/// [`max_attempts`](PoolBuilder::max_attempts) says so. When the process that made the pool dies, its workers end.
///
/// A process that is *stopped* isn't dead. A worker that is stopped costs its own task at most, and with a time limit it's replaced. Only one
/// that was stopped while it took or gave back shared memory holds up those who need some, until it goes on or is killed.
///
/// # Examples
///
/// ```standalone_crate
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
/// ```standalone_crate
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
#[doc(alias = "ProcessPoolExecutor")]
pub struct Pool {
    engine: Arc<Engine>,
    dispatcher: Mutex<Option<thread::JoinHandle<()>>>,
}

/// Making one, and its size.
impl Pool {
    /// A pool of `workers` processes, which start at once; or of as many as there is work for, `Pool::new(3..=20)`.
    ///
    /// # Errors
    ///
    /// - [`is_invalid_argument`](Error::is_invalid_argument): `workers` is 0, or `5..=2`.
    /// - [`is_not_initialised`](Error::is_not_initialised): the program didn't call [`init`](crate::init) first.
    /// - [`is_start_failed`](Error::is_start_failed), [`is_out_of_memory`](Error::is_out_of_memory): the system has no
    ///   room for so many.
    pub fn new(workers: impl Into<PoolSize>) -> Result<Pool> {
        Pool::builder().workers(workers).build()
    }

    /// A pool with settings of its own.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::default()
    }

    fn start(settings: Settings) -> Result<Pool> {
        let engine = Arc::new(Engine::new(settings)?);
        let dispatched = engine.clone();
        let dispatcher = thread::Builder::new()
            .name(format!("{}-dispatcher", engine.settings.name))
            .spawn(move || dispatched.dispatch())
            .map_err(|e| {
                Error::new(ErrorKind::System, format!("could not start the dispatcher thread: {e}"))
            });
        match dispatcher {
            Ok(dispatcher) => Ok(Pool { engine, dispatcher: Mutex::new(Some(dispatcher)) }),
            Err(e) => {
                engine.terminate();
                Err(e)
            }
        }
    }

    /// Has another number of workers from now on: as many, or as many as there is work for.
    ///
    /// Returns at once. Workers that are too many end when they have done what they are running; what else they had is done by others.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument), [`is_closed`](Error::is_closed).
    pub fn resize(&self, workers: impl Into<PoolSize>) -> Result<()> {
        self.engine.resize(workers.into())
    }
}

/// Running tasks. All of it can be done with options for that call alone: see [`options`](Pool::options).
impl Pool {
    /// This pool, for other processes: to be given to its own tasks, or to others, which submit tasks with it.
    ///
    /// # Errors
    ///
    /// [`is_closed`](Error::is_closed), [`is_out_of_memory`](Error::is_out_of_memory).
    pub fn handle(&self) -> Result<PoolHandle> {
        self.engine.handle()
    }

    /// Options for one call: a time limit, attempts, progress and so on.
    pub fn options(&self) -> TaskOptions<'_> {
        TaskOptions::new(&self.engine)
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
        self.options().map(f, items)
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
        self.options().starmap(f, items)
    }

    /// Runs `f` on each item, for what it does and not for a value.
    ///
    /// # Errors
    ///
    /// Those of [`map`](Pool::map).
    pub fn for_each<A, F>(&self, f: F, items: impl IntoIterator<Item = A>) -> Result<(), TaskError>
    where
        A: Serialize + DeserializeOwned,
        F: Fn(A) + 'static,
    {
        self.options().for_each(f, items)
    }

    /// Like [`map`](Pool::map), without waiting: reads and encodes all items, and returns. The result is that of all tasks.
    ///
    /// # Errors
    ///
    /// Those of [`apply_async`](Pool::apply_async). Items before the one that went wrong may still run.
    pub fn map_async<A, R, F>(&self, f: F, items: impl IntoIterator<Item = A>) -> Result<AsyncResult<Vec<R>>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
        F: Fn(A) -> R + 'static,
    {
        self.options().map_async(f, items)
    }

    /// Like [`map_async`](Pool::map_async), for functions of any number of parameters.
    ///
    /// # Errors
    ///
    /// Those of [`map_async`](Pool::map_async).
    pub fn starmap_async<Args, F>(
        &self,
        f: F,
        items: impl IntoIterator<Item = Args>,
    ) -> Result<AsyncResult<Vec<F::Output>>>
    where
        Args: Serialize + DeserializeOwned,
        F: Task<Args>,
        F::Output: 'static,
    {
        self.options().starmap_async(f, items)
    }

    /// Runs `f` on each item and gives the results in the order of the items, as they are asked for.
    ///
    /// The items are read only as fast as results are taken, a few ahead (see [`window`](TaskOptions::window)), so there may be more of
    /// them than fit into memory, or no end of them. A task that fails gives its error in its place, and so does an item that can't be
    /// encoded. If the pool ends meanwhile, what was handed out gives errors, and that is the end.
    ///
    /// ```standalone_crate
    /// # fn main() -> procession::Result<()> {
    /// # procession::init();
    /// let pool = procession::Pool::new(2)?;
    /// for square in pool.imap(|n: u64| n * n, 0..).take(10) {
    ///     println!("{}", square?);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn imap<A, R, F, I>(&self, f: F, items: I) -> Imap<I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(A) -> R + 'static,
        I: IntoIterator<Item = A>,
    {
        self.options().imap(f, items)
    }

    /// Like [`imap`](Pool::imap), in the order in which the tasks end.
    #[doc(alias = "as_completed")]
    pub fn imap_unordered<A, R, F, I>(&self, f: F, items: I) -> Imap<I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(A) -> R + 'static,
        I: IntoIterator<Item = A>,
    {
        self.options().imap_unordered(f, items)
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
        self.options().apply(f, args)
    }

    /// Has `f` run with these arguments on a worker, and returns at once; if the pool has
    /// [`max_pending`](PoolBuilder::max_pending) tasks, as soon as it has fewer.
    ///
    /// # Errors
    ///
    /// - [`is_codec`](Error::is_codec): an argument can't be encoded.
    /// - [`is_closed`](Error::is_closed): the pool was closed or terminated.
    /// - [`is_start_failed`](Error::is_start_failed): its workers died and no new ones can be started.
    /// - [`is_out_of_memory`](Error::is_out_of_memory): the arguments don't fit into shared memory.
    #[doc(alias = "submit")]
    pub fn apply_async<A, F>(&self, f: F, args: A) -> Result<AsyncResult<F::Output>>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A>,
        F::Output: 'static,
    {
        self.options().apply_async(f, args)
    }
}

/// Its end, and what it's doing.
impl Pool {
    /// Takes no more tasks. Those that it has are done; [`join`](Pool::join) waits for that.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Closes the pool, waits until all its tasks are done and their callbacks have run, and ends the workers.
    ///
    /// Another thread can [`terminate`](Pool::terminate) the pool meanwhile: then this returns as well.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked): this process is a plain fork of the one that made the pool.
    /// [`is_invalid_argument`](Error::is_invalid_argument): called in a callback of this pool. The failures of tasks belong to
    /// their results.
    #[doc(alias = "shutdown")]
    pub fn join(&self) -> Result<()> {
        self.engine.join()?;
        self.end_dispatcher();
        self.engine.end_requests();
        self.engine.callbacks.join();
        self.engine.inbox.free();
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

    /// Writes what each worker does when into a file, from now on until the pool ends: for the viewers of Chrome (`chrome://tracing`)
    /// and Perfetto. The file is complete when the pool has ended.
    ///
    /// Each task costs about two looks at the clock then, and a line of text.
    ///
    /// # Errors
    ///
    /// The file can't be written; [`is_closed`](Error::is_closed).
    pub fn trace(&self, path: impl AsRef<Path>) -> Result<()> {
        self.engine.trace(path.as_ref())
    }

    /// The process ids of the workers at this moment: for people, and for tests that kill them.
    pub fn worker_pids(&self) -> Vec<u32> {
        self.engine.worker_pids()
    }

    fn end_dispatcher(&self) {
        let dispatcher = self.dispatcher.lock().unwrap_or_else(|e| e.into_inner()).take();
        // In a plain fork there is no such thread to wait for.
        if let Some(dispatcher) = dispatcher
            && procession_core::check().is_ok()
        {
            callbacks::join(dispatcher);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.engine.terminate();
        self.end_dispatcher();
        self.engine.end_requests();
        self.engine.callbacks.end();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("name", &self.engine.settings.name)
            .field("statistics", &self.statistics())
            .finish()
    }
}
