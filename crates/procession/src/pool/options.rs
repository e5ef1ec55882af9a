//! Calls with options of their own; and the calls themselves.

use super::{
    arrivals::{Arrivals, InOrder},
    async_result::{AsyncResult, Cell, Outcome},
    batch::{BatchBuilder, Kind, Limits},
    engine::Engine,
    imap::{Imap, Window},
    map, map_async,
    progress::{Progress, Reporter},
    settings::{check_timeout, retries},
};
use crate::{TaskError, task::Task};
use procession_core::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

/// A call of a pool with options of its own; made by [`Pool::options`](crate::Pool::options). It has the same methods as the pool.
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::{Pool, TaskError};
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// let late = pool
///     .options()
///     .timeout(Duration::from_millis(50))
///     .apply(|| std::thread::sleep(Duration::from_secs(3600)), ());
/// assert!(matches!(late, Err(TaskError::TimedOut)));
///
/// let squares = pool
///     .options()
///     .chunk(10)
///     .progress(|done, total| println!("{done} of {total:?}"))
///     .map(|n: u64| n * n, 0..1000)?;
/// # Ok(()) }
/// ```
#[must_use = "options alone run nothing"]
pub struct TaskOptions<'a> {
    engine: &'a Arc<Engine>,
    limits: Limits,
    chunk: Option<usize>,
    window: Option<usize>,
    progress: Reporter,
    /// The first option that can't be.
    wrong: Option<Error>,
}

/// What is left of them when they have been checked.
pub(super) struct Call<'a> {
    pub(super) engine: &'a Arc<Engine>,
    pub(super) limits: Limits,
    pub(super) chunk: Option<usize>,
    pub(super) progress: Reporter,
}

/// The options.
impl<'a> TaskOptions<'a> {
    pub(super) fn new(engine: &'a Arc<Engine>) -> TaskOptions<'a> {
        let limits = engine.settings.limits;
        TaskOptions { engine, limits, chunk: None, window: None, progress: Reporter::default(), wrong: None }
    }

    /// How long each task may run; instead of the pool's [`task_timeout`](crate::PoolBuilder::task_timeout).
    pub fn timeout(mut self, timeout: Duration) -> TaskOptions<'a> {
        self.wrong = self.wrong.or(check_timeout("timeout", Some(timeout)).err());
        self.limits.timeout = Some(timeout);
        self
    }

    /// How often each task is tried; instead of the pool's [`max_attempts`](crate::PoolBuilder::max_attempts).
    pub fn attempts(mut self, max_attempts: u32) -> TaskOptions<'a> {
        match retries("attempts", max_attempts) {
            Ok(retries) => self.limits.retries = retries,
            Err(e) => self.wrong = self.wrong.or(Some(e)),
        }
        self
    }

    /// How many tasks of a map are handed out together. Only a hint: otherwise it follows from how many there are, and those that
    /// an idle worker could run instead are taken back from a busy one in any case.
    #[doc(alias = "chunksize")]
    pub fn chunk(mut self, tasks: usize) -> TaskOptions<'a> {
        self.chunk = Some(tasks.max(1));
        self
    }

    /// How many items [`imap`](TaskOptions::imap) and [`imap_unordered`](TaskOptions::imap_unordered) may be ahead of the results that
    /// were taken. Otherwise that is two for each worker at first, and what is done in two milliseconds later.
    pub fn window(mut self, tasks: usize) -> TaskOptions<'a> {
        self.window = Some(tasks.max(1));
        self
    }

    /// Who hears how far a map has come. Called by the thread that maps, or takes the results of an `imap`; for the asynchronous ones
    /// by the pool's callback thread.
    pub fn progress(mut self, progress: impl Progress + 'static) -> TaskOptions<'a> {
        self.progress = Reporter::new(Box::new(progress));
        self
    }

    /// Shows a progress bar on the terminal.
    #[cfg(feature = "progress")]
    pub fn progress_bar(self) -> TaskOptions<'a> {
        self.progress(indicatif::ProgressBar::no_length().with_style(super::progress::style()))
    }

    fn check(self) -> Result<Call<'a>> {
        match self.wrong {
            Some(error) => Err(error),
            None => {
                let TaskOptions { engine, limits, chunk, progress, .. } = self;
                Ok(Call { engine, limits, chunk, progress })
            }
        }
    }
}

/// The calls: see those of [`Pool`](crate::Pool).
///
/// # Errors
///
/// Theirs; also [`is_invalid_argument`](Error::is_invalid_argument) for a timeout of zero or no attempts.
impl TaskOptions<'_> {
    /// See [`Pool::map`](crate::Pool::map).
    pub fn map<A, R, F>(self, f: F, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(A) -> R + 'static,
    {
        self.starmap(f, items.into_iter().map(|item| (item,)))
    }

    /// See [`Pool::starmap`](crate::Pool::starmap).
    pub fn starmap<Args, F>(
        self,
        f: F,
        items: impl IntoIterator<Item = Args>,
    ) -> Result<Vec<F::Output>, TaskError>
    where
        Args: Serialize + DeserializeOwned,
        F: Task<Args>,
    {
        // A value of the type is all that was needed of it: there is only one.
        let _ = f;
        map::map::<F, Args>(self.check()?, items.into_iter())
    }

    /// See [`Pool::for_each`](crate::Pool::for_each).
    pub fn for_each<A, F>(self, f: F, items: impl IntoIterator<Item = A>) -> Result<(), TaskError>
    where
        A: Serialize + DeserializeOwned,
        F: Fn(A) + 'static,
    {
        // A vector of nothings takes no memory.
        self.map(f, items).map(drop)
    }

    /// See [`Pool::map_async`](crate::Pool::map_async).
    pub fn map_async<A, R, F>(self, f: F, items: impl IntoIterator<Item = A>) -> Result<AsyncResult<Vec<R>>>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned + 'static,
        F: Fn(A) -> R + 'static,
    {
        self.starmap_async(f, items.into_iter().map(|item| (item,)))
    }

    /// See [`Pool::starmap_async`](crate::Pool::starmap_async).
    pub fn starmap_async<Args, F>(
        self,
        f: F,
        items: impl IntoIterator<Item = Args>,
    ) -> Result<AsyncResult<Vec<F::Output>>>
    where
        Args: Serialize + DeserializeOwned,
        F: Task<Args>,
        F::Output: 'static,
    {
        let _ = f;
        map_async::map_async::<F, Args>(self.check()?, items.into_iter())
    }

    /// See [`Pool::imap`](crate::Pool::imap).
    pub fn imap<A, R, F, I>(self, f: F, items: I) -> Imap<I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(A) -> R + 'static,
        I: IntoIterator<Item = A>,
    {
        self.lazily(f, items, Some(InOrder::default()))
    }

    /// See [`Pool::imap_unordered`](crate::Pool::imap_unordered).
    pub fn imap_unordered<A, R, F, I>(self, f: F, items: I) -> Imap<I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(A) -> R + 'static,
        I: IntoIterator<Item = A>,
    {
        self.lazily(f, items, None)
    }

    fn lazily<A, R, F, I>(self, f: F, items: I, order: Option<InOrder>) -> Imap<I::IntoIter, R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(A) -> R + 'static,
        I: IntoIterator<Item = A>,
    {
        let _ = f;
        let arrivals = Arc::new(Arrivals::default());
        let TaskOptions { engine, limits, chunk, window, mut progress, wrong } = self;
        let kind = match wrong {
            Some(error) => Err(error),
            None => engine.check_open().and_then(|()| Kind::new::<F, (A,)>(limits, arrivals.clone())),
        };
        let items = items.into_iter();
        progress.begin(items.size_hint());
        Imap {
            engine: engine.clone(),
            items: items.fuse(),
            push: |batch, item| batch.push(&(item,)),
            limits,
            kind: kind.map_err(TaskError::from),
            arrivals,
            order,
            progress,
            chunk,
            window: Window::new(window),
            ready: VecDeque::new(),
            submitted: 0,
            taken: 0,
            ended: false,
        }
    }

    /// See [`Pool::apply`](crate::Pool::apply).
    pub fn apply<A, F>(self, f: F, args: A) -> Result<F::Output, TaskError>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A>,
        F::Output: 'static,
    {
        self.apply_async(f, args)?.get()
    }

    /// See [`Pool::apply_async`](crate::Pool::apply_async).
    pub fn apply_async<A, F>(self, f: F, args: A) -> Result<AsyncResult<F::Output>>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A>,
        F::Output: 'static,
    {
        let _ = f;
        let call = self.check()?;
        let cell = Arc::new(Cell::default());
        let kind = Kind::new::<F, A>(call.limits, cell.clone())?;
        let mut batch = BatchBuilder::new(call.limits);
        batch.push(&args)?;
        call.engine.submit(batch.build(kind, 0))?;
        Ok(AsyncResult::new(call.engine.clone(), cell.clone(), cell, Outcome::one))
    }
}

impl fmt::Debug for TaskOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskOptions").field("limits", &self.limits).finish_non_exhaustive()
    }
}
