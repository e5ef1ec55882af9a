//! The result of one task that runs while its submitter does something else.

use super::{
    callbacks::Callbacks,
    engine::Engine,
    sink::{Outcome, Sink},
};
use crate::TaskError;
use procession_core::{Deadline, Parcel, pool::Results};
use serde::de::DeserializeOwned;
use std::{
    fmt,
    marker::PhantomData,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

type Listener = Box<dyn FnOnce(&Outcome) + Send>;

/// Where the outcome of one task arrives.
#[derive(Default)]
pub(super) struct Cell {
    outcome: OnceLock<Outcome>,
    listeners: Mutex<Vec<(Arc<Callbacks>, Listener)>>,
}

impl Cell {
    fn set(&self, outcome: Outcome) {
        if self.outcome.set(outcome).is_err() {
            return;
        }
        let listeners = std::mem::take(&mut *self.listeners.lock().unwrap_or_else(|e| e.into_inner()));
        for (callbacks, listener) in listeners {
            let outcome = self.outcome.get().expect("just set").clone();
            callbacks.run(Box::new(move || listener(&outcome)));
            callbacks.want(false);
        }
    }
}

impl Sink for Cell {
    fn deliver(&self, _first: usize, results: Results) {
        if let Some((verdict, bytes, shares)) = results.iter().next() {
            self.set(Outcome::Ran(verdict, Parcel { bytes: bytes.to_vec(), shares: shares.to_vec() }));
        }
    }

    fn fail(&self, _index: usize, error: TaskError) {
        self.set(Outcome::Failed(error));
    }
}

/// The result of a task that was submitted with [`Pool::apply_async`](crate::Pool::apply_async).
///
/// Dropping it doesn't cancel the task.
///
/// # Process death
///
/// If the worker dies while it runs the task, the result is [`TaskError::Died`]. If it dies before, the task runs
/// elsewhere.
#[must_use = "a task's failure is only seen by those who look at its result"]
pub struct AsyncResult<R> {
    engine: Arc<Engine>,
    cell: Arc<Cell>,
    result: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned + 'static> AsyncResult<R> {
    pub(super) fn new(engine: Arc<Engine>, cell: Arc<Cell>) -> AsyncResult<R> {
        AsyncResult { engine, cell, result: PhantomData }
    }

    /// Waits for the task's end and gives its value; again the same when called again.
    ///
    /// # Errors
    ///
    /// What became of the task instead: see [`TaskError`].
    pub fn get(&self) -> Result<R, TaskError> {
        self.wait_until(Deadline::NEVER)?;
        self.cell.outcome.get().expect("a wait without a deadline ends with an outcome").decode()
    }

    /// Waits like [`get`](AsyncResult::get), for at most `timeout`: `None` if the task isn't done by then. It goes on.
    ///
    /// # Errors
    ///
    /// What became of the task instead: see [`TaskError`].
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<R>, TaskError> {
        self.wait_until(Deadline::after(timeout))?;
        self.cell.outcome.get().map(|outcome| outcome.decode()).transpose()
    }

    /// Waits until the task is done, one way or the other, for at most `timeout`: whether it is.
    pub fn wait(&self, timeout: Duration) -> bool {
        let _ = self.wait_until(Deadline::after(timeout));
        self.cell.outcome.get().is_some()
    }

    /// Whether the task is done, one way or the other. Doesn't wait.
    pub fn ready(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    fn wait_until(&self, deadline: Deadline) -> Result<(), TaskError> {
        if self.cell.outcome.get().is_none() {
            procession_core::check()?;
            self.engine.wait_for(deadline, || self.cell.outcome.get().map(|_| ()));
        }
        Ok(())
    }

    /// Has `f` called with the task's value, in this process, on the pool's callback thread. Not called if the task
    /// fails.
    ///
    /// A callback that blocks holds up other callbacks, and nothing else; one that panics harms nothing.
    pub fn callback(self, f: impl FnOnce(R) + Send + 'static) -> AsyncResult<R> {
        self.listen(Box::new(move |outcome| {
            if let Ok(value) = outcome.decode() {
                f(value);
            }
        }))
    }

    /// Has `f` called with what became of the task, if it didn't give its value; like
    /// [`callback`](AsyncResult::callback) otherwise.
    pub fn error_callback(self, f: impl FnOnce(TaskError) + Send + 'static) -> AsyncResult<R> {
        self.listen(Box::new(move |outcome| {
            if let Err(error) = outcome.decode::<R>() {
                f(error);
            }
        }))
    }

    fn listen(self, listener: Listener) -> AsyncResult<R> {
        let callbacks = &self.engine.callbacks;
        let mut listeners = self.cell.listeners.lock().unwrap_or_else(|e| e.into_inner());
        // Under the lock, which who sets the outcome takes afterwards: one of both sees the other.
        if let Some(outcome) = self.cell.outcome.get() {
            let outcome = outcome.clone();
            callbacks.run(Box::new(move || listener(&outcome)));
            return {
                drop(listeners);
                self
            };
        }
        callbacks.want(true);
        listeners.push((callbacks.clone(), listener));
        drop(listeners);
        // From now on somebody waits for it.
        self.engine.wake_dispatcher();
        self
    }
}

impl<R> fmt::Debug for AsyncResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncResult")
            .field("ready", &self.cell.outcome.get().is_some())
            .finish_non_exhaustive()
    }
}
