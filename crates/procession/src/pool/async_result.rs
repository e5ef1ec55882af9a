//! The result of tasks that run while their submitter does something else.

use super::{
    arrivals::Values,
    callbacks::Callbacks,
    engine::Engine,
    sink::{Later, Part, Sink},
};
use crate::{TaskError, error};
use procession_core::{Deadline, Parcel, start::Verdict};
use serde::de::DeserializeOwned;
use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// What came of what was submitted together.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    One(Result<(Verdict, Parcel), TaskError>),
    /// In the order of the items.
    Many(Arc<Vec<Part>>),
}

impl Outcome {
    pub(super) fn one<R: DeserializeOwned>(&self) -> Result<R, TaskError> {
        match self {
            Outcome::One(Ok((verdict, parcel))) => error::outcome(*verdict, &parcel.bytes, &parcel.shares),
            Outcome::One(Err(error)) => Err(error.clone()),
            Outcome::Many(_) => unreachable!("of one task"),
        }
    }

    pub(super) fn many<R: DeserializeOwned>(&self) -> Result<Vec<R>, TaskError> {
        let Outcome::Many(parts) = self else { unreachable!("of any number of tasks") };
        let mut values = Values::default();
        parts.iter().for_each(|part| values.add(part));
        values.finish()
    }

    fn failed(&self) -> bool {
        match self {
            Outcome::One(outcome) => !matches!(outcome, Ok((Verdict::Value, _))),
            Outcome::Many(parts) => parts.iter().any(Part::has_failed),
        }
    }
}

type Listener = Box<dyn FnOnce(&Outcome) + Send>;

/// Where an outcome arrives.
#[derive(Default)]
pub(super) struct Cell {
    outcome: OnceLock<Outcome>,
    watchers: Mutex<Watchers>,
}

/// Who is to hear of it.
#[derive(Default)]
struct Watchers {
    listeners: Vec<(Arc<Callbacks>, Listener)>,
    waker: Option<(Arc<Callbacks>, Waker)>,
}

impl Cell {
    pub(super) fn set(&self, outcome: Outcome, later: &mut Vec<Later>) {
        if self.outcome.set(outcome).is_err() {
            return;
        }
        let Watchers { listeners, waker } = std::mem::take(&mut *self.watchers());
        for (callbacks, listener) in listeners {
            let outcome = self.outcome.get().expect("just set").clone();
            callbacks.run(Box::new(move || listener(&outcome)));
            callbacks.want(false);
        }
        if let Some((callbacks, waker)) = waker {
            callbacks.want(false);
            later.push(Box::new(move || waker.wake()));
        }
    }

    fn watchers(&self) -> MutexGuard<'_, Watchers> {
        self.watchers.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Sink for Cell {
    fn deliver(&self, _first: usize, part: Part, later: &mut Vec<Later>) {
        self.set(Outcome::One(part.single()), later);
    }

    fn is_single(&self) -> bool {
        true
    }

    fn is_settled(&self) -> bool {
        self.outcome.get().is_some()
    }
}

/// The result of a task that was submitted with [`Pool::apply_async`](crate::Pool::apply_async), or of many, with
/// [`Pool::map_async`](crate::Pool::map_async).
///
/// Dropping it doesn't cancel anything. It's also a future, in any runtime: `result.await` gives what [`get`](AsyncResult::get) gives.
///
/// # Process death
///
/// If the worker dies while it runs the task, the result is [`TaskError::Died`]. If it dies before, the task runs
/// elsewhere.
///
/// # Examples
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::{Pool, TaskError};
/// use std::time::Duration;
///
/// let pool = Pool::new(2)?;
/// let slow = pool.apply_async(|| std::thread::sleep(Duration::from_secs(3600)), ())?;
/// assert!(slow.get_timeout(Duration::from_millis(20))?.is_none());
/// slow.cancel(); // its worker is killed, and replaced
/// assert!(matches!(slow.get(), Err(TaskError::Cancelled)));
/// # Ok(()) }
/// ```
#[doc(alias = "Future")]
#[must_use = "a task's failure is only seen by those who look at its result"]
pub struct AsyncResult<R> {
    engine: Arc<Engine>,
    cell: Arc<Cell>,
    /// Where its tasks' outcomes go; often the cell itself.
    sink: Arc<dyn Sink>,
    decode: fn(&Outcome) -> Result<R, TaskError>,
}

impl<R: 'static> AsyncResult<R> {
    pub(super) fn new(
        engine: Arc<Engine>,
        cell: Arc<Cell>,
        sink: Arc<dyn Sink>,
        decode: fn(&Outcome) -> Result<R, TaskError>,
    ) -> AsyncResult<R> {
        AsyncResult { engine, cell, sink, decode }
    }

    /// Waits for the task's end and gives its value; again the same when called again.
    ///
    /// # Errors
    ///
    /// What became of the task instead: see [`TaskError`]. Of many tasks the first failure, in the order of the items.
    #[doc(alias = "result")]
    #[doc(alias = "exception")]
    pub fn get(&self) -> Result<R, TaskError> {
        self.wait_until(Deadline::NEVER)?;
        (self.decode)(self.cell.outcome.get().expect("a wait without a deadline ends with an outcome"))
    }

    /// Waits like [`get`](AsyncResult::get), for at most `timeout`: `None` if the task isn't done by then. It goes on.
    ///
    /// # Errors
    ///
    /// Those of [`get`](AsyncResult::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<R>, TaskError> {
        self.wait_until(Deadline::after(timeout))?;
        self.cell.outcome.get().map(self.decode).transpose()
    }

    /// Waits until the task is done, one way or the other, for at most `timeout`: whether it is.
    pub fn wait(&self, timeout: Duration) -> bool {
        let _ = self.wait_until(Deadline::after(timeout));
        self.cell.outcome.get().is_some()
    }

    /// Whether the task is done, one way or the other. Doesn't wait.
    #[doc(alias = "done")]
    pub fn ready(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Whether the task is done and gave its value. Doesn't wait.
    pub fn successful(&self) -> bool {
        self.ready() && self.cell.outcome.get().is_some_and(|outcome| !outcome.failed())
    }

    fn wait_until(&self, deadline: Deadline) -> Result<(), TaskError> {
        if self.cell.outcome.get().is_none() {
            procession_core::check()?;
            self.engine.wait_for(deadline, || self.cell.outcome.get().map(|_| ()));
        }
        Ok(())
    }

    /// Cancels what isn't done: whether there was anything. Doesn't wait.
    ///
    /// A task that has not begun never runs. If it's running, its worker is killed and replaced; no other task is harmed. Its result
    /// is [`TaskError::Cancelled`] then, unless it ended at this very moment. It's not run again, whatever
    /// [`max_attempts`](crate::PoolBuilder::max_attempts) says.
    pub fn cancel(&self) -> bool {
        let pending = !self.ready();
        if pending {
            self.engine.cancel(&self.sink, true);
        }
        pending
    }

    /// Has `f` called with the task's value, in this process, on the pool's callback thread. Not called if the task
    /// fails.
    ///
    /// A callback that blocks holds up other callbacks, and nothing else; one that panics harms nothing.
    #[doc(alias = "add_done_callback")]
    pub fn callback(self, f: impl FnOnce(R) + Send + 'static) -> AsyncResult<R> {
        let decode = self.decode;
        self.listen(Box::new(move |outcome| {
            if let Ok(value) = decode(outcome) {
                f(value);
            }
        }))
    }

    /// Has `f` called with what became of the task, if it didn't give its value; like
    /// [`callback`](AsyncResult::callback) otherwise.
    pub fn error_callback(self, f: impl FnOnce(TaskError) + Send + 'static) -> AsyncResult<R> {
        let decode = self.decode;
        self.listen(Box::new(move |outcome| {
            if let Err(error) = decode(outcome) {
                f(error);
            }
        }))
    }

    fn listen(self, listener: Listener) -> AsyncResult<R> {
        let callbacks = &self.engine.callbacks;
        let mut watchers = self.cell.watchers();
        // Under the lock, which who sets the outcome takes afterwards: one of both sees the other.
        if let Some(outcome) = self.cell.outcome.get() {
            let outcome = outcome.clone();
            callbacks.run(Box::new(move || listener(&outcome)));
        } else {
            callbacks.want(true);
            watchers.listeners.push((callbacks.clone(), listener));
            // From now on somebody waits for it.
            self.engine.wake_dispatcher();
        }
        drop(watchers);
        self
    }
}

impl<R: 'static> Future for AsyncResult<R> {
    type Output = Result<R, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R, TaskError>> {
        if self.cell.outcome.get().is_none() {
            procession_core::check()?;
            // Cloned before the lock, and the one before dropped after it: either may run anybody's code.
            let waker = (self.engine.callbacks.clone(), context.waker().clone());
            let mut watchers = self.cell.watchers();
            // Looked at under the lock, as above.
            if self.cell.outcome.get().is_none() {
                let before = watchers.waker.replace(waker);
                if before.is_none() {
                    self.engine.callbacks.want(true);
                    self.engine.wake_dispatcher();
                }
                drop(watchers);
                return Poll::Pending;
            }
        }
        Poll::Ready((self.decode)(self.cell.outcome.get().expect("there is one")))
    }
}

impl<R> fmt::Debug for AsyncResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncResult")
            .field("ready", &self.cell.outcome.get().is_some())
            .finish_non_exhaustive()
    }
}
