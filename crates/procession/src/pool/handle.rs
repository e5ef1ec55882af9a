//! A pool as other processes see it, its own workers among them: tasks are sent to it as requests, and their outcomes come back.

use super::{
    reply::{self, Reply},
    requests::Request,
};
use crate::{
    TaskError,
    task::{Task, descriptor},
    travel::travels,
};
use procession_core::{
    Deadline, ErrorKind, Result,
    pool::Waiting,
    start::FunctionId,
    stream::{self, signature},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    marker::PhantomData,
    sync::{Mutex, MutexGuard, OnceLock, TryLockError},
    thread,
    time::Duration,
};

/// A pool, for any process of the family: a value that travels like other handles, for tasks that submit to their own pool, or to
/// another one. Made by [`Pool::handle`](crate::Pool::handle).
///
/// A worker that waits for another task doesn't count as one meanwhile: its pool starts one more in its place if need be. So tasks may
/// wait for tasks of their own pool, to any depth that the system has processes for.
///
/// It doesn't keep the pool: when that has ended, there's nobody to ask. Until then tasks may submit others, also after
/// [`close`](crate::Pool::close).
///
/// # Process death
///
/// What was submitted runs, whatever becomes of who submitted it. When the pool ends, or the process that has it, whoever waits for a
/// task gets an error ([`is_closed`](crate::Error::is_closed)).
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Pool, PoolHandle};
///
/// fn sum(pool: PoolHandle, from: u64, to: u64) -> u64 {
///     if to - from <= 1000 {
///         return (from..to).sum();
///     }
///     let middle = (from + to) / 2;
///     let left = pool.apply_async(sum, (pool.clone(), from, middle)).unwrap();
///     let right = pool.apply_async(sum, (pool.clone(), middle, to)).unwrap();
///     left.get().unwrap() + right.get().unwrap()
/// }
///
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// let pool = Pool::new(1..=8)?;
/// assert_eq!(pool.apply(sum, (pool.handle()?, 0, 5000))?, 4999 * 5000 / 2);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PoolHandle {
    pub(super) inner: stream::Sender,
}

travels!(PoolHandle, |share| stream::Sender::from_share(share, signature::<Request>()));

/// Running tasks.
///
/// # Errors
///
/// All of these: [`is_codec`](crate::Error::is_codec), an argument can't be encoded; [`is_closed`](crate::Error::is_closed), the pool
/// has ended; [`is_out_of_memory`](crate::Error::is_out_of_memory). Those that wait also give what became of the task: see
/// [`TaskError`].
impl PoolHandle {
    /// Has `f` run with these arguments on a worker, and returns at once.
    ///
    /// The pool's own limits hold for it, but for [`max_pending`](crate::PoolBuilder::max_pending): a task can't be made to wait for the
    /// end of those that wait for it.
    pub fn apply_async<A, F>(&self, f: F, args: A) -> Result<RemoteResult<F::Output>>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A>,
    {
        // A value of the type is all that was needed of it: there is only one.
        let _ = f;
        self.request(descriptor::<F, A>().id()?, &args)
    }

    /// Runs `f` with these arguments on a worker and waits for its value.
    pub fn apply<A, F>(&self, f: F, args: A) -> Result<F::Output, TaskError>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A>,
    {
        self.apply_async(f, args)?.get()
    }

    /// Runs `f` on each item and gives the values in the order of the items. It waits until every task is done, also when one fails;
    /// then it gives the first failure.
    pub fn map<A, R, F>(&self, f: F, items: impl IntoIterator<Item = A>) -> Result<Vec<R>, TaskError>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(A) -> R + 'static,
    {
        let _ = f;
        let function = descriptor::<F, (A,)>().id()?;
        let ask = |item| self.request(function, &(item,));
        let asked: Vec<RemoteResult<R>> = items.into_iter().map(ask).collect::<Result<_>>()?;
        let outcomes: Vec<_> = asked.iter().map(RemoteResult::get).collect();
        outcomes.into_iter().collect()
    }

    fn request<A: Serialize, R>(&self, function: FunctionId, args: &A) -> Result<RemoteResult<R>> {
        let (request, replies) = Request::message(function, args)?;
        self.inner.send(&request.bytes, &request.shares, Deadline::NEVER).map_err(ended)?;
        Ok(RemoteResult { replies: Mutex::new(replies), outcome: OnceLock::new(), result: PhantomData })
    }
}

impl fmt::Debug for PoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolHandle").finish_non_exhaustive()
    }
}

fn ended(error: procession_core::Error) -> procession_core::Error {
    if error.kind() == ErrorKind::Disconnected { reply::pool_ended() } else { error }
}

/// The result of a task that was submitted through a [`PoolHandle`]. Dropping it doesn't cancel the task.
///
/// # Process death
///
/// If the worker dies while it runs the task, the result is [`TaskError::Died`]. If the pool ends, or the process that has it, the
/// result is an error ([`is_closed`](crate::Error::is_closed)).
#[must_use = "a task's failure is only seen by those who look at its result"]
pub struct RemoteResult<R> {
    replies: Mutex<stream::Receiver>,
    outcome: OnceLock<Reply>,
    result: PhantomData<fn() -> R>,
}

impl<R: DeserializeOwned> RemoteResult<R> {
    /// Waits for the task's end and gives its value; again the same when called again.
    ///
    /// # Errors
    ///
    /// What became of the task instead: see [`TaskError`].
    pub fn get(&self) -> Result<R, TaskError> {
        self.wait_until(Deadline::NEVER).expect("a wait without a deadline ends with an outcome")
    }

    /// Waits like [`get`](RemoteResult::get), for at most `timeout`: `None` if the task isn't done by then. It goes on.
    ///
    /// # Errors
    ///
    /// Those of [`get`](RemoteResult::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<R>, TaskError> {
        self.wait_until(Deadline::after(timeout)).transpose()
    }

    /// Waits until the task is done, one way or the other, for at most `timeout`: whether it is.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.receive(Deadline::after(timeout)).is_some()
    }

    /// Whether the task is done, one way or the other. Doesn't wait.
    pub fn ready(&self) -> bool {
        self.receive(Deadline::PASSED).is_some()
    }

    fn wait_until(&self, deadline: Deadline) -> Option<Result<R, TaskError>> {
        if let Err(e) = procession_core::check() {
            return Some(Err(e.into()));
        }
        self.receive(deadline).map(|reply| reply.decode())
    }

    /// Another thread may wait for the same.
    fn replies(&self, deadline: Deadline) -> Option<MutexGuard<'_, stream::Receiver>> {
        loop {
            match self.replies.try_lock() {
                Ok(replies) => return Some(replies),
                Err(TryLockError::Poisoned(e)) => return Some(e.into_inner()),
                Err(TryLockError::WouldBlock) if deadline.has_passed() => return None,
                Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    fn receive(&self, deadline: Deadline) -> Option<&Reply> {
        if self.outcome.get().is_none() {
            let replies = self.replies(deadline)?;
            // Another thread may have had it meanwhile.
            if self.outcome.get().is_none() {
                let reply = Reply::receive(&replies, Deadline::PASSED).or_else(|| {
                    let _waiting = Waiting::begin();
                    Reply::receive(&replies, deadline)
                });
                let _ = self.outcome.set(reply?);
            }
        }
        self.outcome.get()
    }
}

impl<R> fmt::Debug for RemoteResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteResult").field("ready", &self.outcome.get().is_some()).finish_non_exhaustive()
    }
}
