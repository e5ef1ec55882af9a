//! A queue whose items are finished after they were got.

use super::{UNBOUNDED, both_ends, bounded};
use crate::{
    channel::{RecvError, wire},
    handles::stream_end,
    selector::until_ready,
};
use procession_core::{
    Deadline, Error, ErrorKind, Result,
    select::select,
    stream::{self, Limits},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, marker::PhantomData, ops::Deref, time::Duration};

/// A queue that knows which of its items aren't finished yet.
///
/// [`get`](JoinableQueue::get) gives a [`Lease`], which dereferences to the item; [`task_done`](Lease::task_done) finishes it.
/// [`join`](JoinableQueue::join) waits until all items that were put are finished.
///
/// # Process death
///
/// An item of a consumer that died before it finished it goes to another, once (or as often as
/// [`redeliver`](JoinableQueueBuilder::redeliver) says). After that it's lost, and [`join`](JoinableQueue::join) reports it: so an item that
/// kills its consumers doesn't kill all of them, and nobody waits for ever. The same holds for a lease that is dropped, as by a panic.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{JoinableQueue, Process};
///
/// fn eat(dishes: JoinableQueue<String>) {
///     while let Ok(dish) = dishes.get() {
///         println!("{} eats {}", std::process::id(), *dish);
///         dish.task_done().unwrap();
///     }
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let dishes = JoinableQueue::bounded(10)?;
///     let eaters = [Process::spawn(eat, (dishes.clone(),))?, Process::spawn(eat, (dishes.clone(),))?];
///     for i in 0..20 {
///         dishes.put(&format!("dish {i}"))?;
///     }
///     dishes.join()?; // all eaten
///     dishes.close()?;
///     for eater in eaters {
///         eater.join()?;
///     }
///     Ok(())
/// }
/// ```
pub struct JoinableQueue<T> {
    inner: stream::Tasks,
    item: PhantomData<fn(T) -> T>,
}

stream_end!(JoinableQueue, stream::Tasks);
both_ends!(JoinableQueue);

/// Settings of a [`JoinableQueue`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct JoinableQueueBuilder {
    items: Option<usize>,
    redeliver: u32,
}

impl JoinableQueueBuilder {
    /// At most so many items; whoever puts one more waits. Those that were got and aren't finished don't count.
    pub fn bounded(mut self, items: usize) -> JoinableQueueBuilder {
        self.items = Some(items);
        self
    }

    /// How many times an item is given to another when its consumer died or dropped it. If nothing is said: once. At most 254.
    pub fn redeliver(mut self, times: u32) -> JoinableQueueBuilder {
        self.redeliver = times;
        self
    }

    /// Makes the queue.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): 0 items, or more than 254 times. [`is_not_initialised`](Error::is_not_initialised),
    /// [`is_out_of_memory`](Error::is_out_of_memory).
    pub fn build<T: 'static>(&self) -> Result<JoinableQueue<T>> {
        const MOST: u32 = 254;
        if self.redeliver > MOST {
            let text = format!("items that are delivered again {} times: {MOST} is the most", self.redeliver);
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let limits: Limits = self.items.map_or(Ok(UNBOUNDED), bounded)?;
        let inner = stream::Tasks::create(stream::signature::<T>(), limits, self.redeliver)?;
        Ok(JoinableQueue::new(inner))
    }
}

impl JoinableQueue<()> {
    /// A queue with settings of its own; its items are of the type that [`build`](JoinableQueueBuilder::build) is asked for.
    pub fn builder() -> JoinableQueueBuilder {
        JoinableQueueBuilder { items: None, redeliver: 1 }
    }
}

impl<T: 'static> JoinableQueue<T> {
    /// A queue of at most so many items; whoever puts one more waits.
    ///
    /// # Errors
    ///
    /// Those of [`build`](JoinableQueueBuilder::build).
    pub fn bounded(items: usize) -> Result<JoinableQueue<T>> {
        JoinableQueue::builder().bounded(items).build()
    }

    /// A queue of as many items as there is memory for.
    ///
    /// # Errors
    ///
    /// Those of [`build`](JoinableQueueBuilder::build).
    pub fn unbounded() -> Result<JoinableQueue<T>> {
        JoinableQueue::builder().build()
    }
}

impl<T> JoinableQueue<T> {
    /// How many items were put and are neither finished nor lost. (0 in a plain fork, which may not use the queue, and after the end of
    /// the manager that made it.)
    pub fn unfinished(&self) -> usize {
        self.inner.unfinished().unwrap_or(0)
    }

    /// How many items were lost since the queue was made.
    pub fn lost(&self) -> u64 {
        self.inner.lost()
    }

    /// Waits until all items are finished. Items that are in the queue with no consumer left are waited for.
    ///
    /// # Process death
    ///
    /// An item that nobody gets any more, because all the consumers that had it died, is not waited for.
    ///
    /// # Errors
    ///
    /// [`is_lost`](Error::is_lost): nothing is unfinished, but so many items were lost since the queue was made. [`is_forked`](Error::is_forked).
    pub fn join(&self) -> Result<()> {
        self.join_until(Deadline::NEVER).map(|_| ())
    }

    /// Waits like [`join`](JoinableQueue::join), for at most `timeout`: whether all items are finished.
    ///
    /// # Errors
    ///
    /// Those of [`join`](JoinableQueue::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool> {
        self.join_until(Deadline::after(timeout))
    }

    fn join_until(&self, deadline: Deadline) -> Result<bool> {
        let joined = self.inner.join(deadline)?;
        match self.inner.lost() {
            lost @ 1.. if joined => {
                let text = format!(
                    "{lost} items of the queue were lost: each of the consumers that had them died or dropped them"
                );
                Err(Error::new(ErrorKind::Lost, text))
            }
            _ => Ok(joined),
        }
    }
}

/// Getting.
///
/// # Errors
///
/// Those of a [`Queue`](super::Queue); and [`RecvError::Undecodable`] for an item whose own code refuses to decode it: it's lost then.
impl<T: Serialize + DeserializeOwned + 'static> JoinableQueue<T> {
    /// Gets the next item. Waits while there is none. If the queue is closed and others have items that they haven't finished, it
    /// waits for those, since they may come back.
    pub fn get(&self) -> Result<Lease<T>, RecvError> {
        Ok(self.get_until(Deadline::NEVER)?.expect("a wait without a deadline ends with an item"))
    }

    /// Gets the next item if there is one now.
    #[doc(alias = "get_nowait")]
    pub fn try_get(&self) -> Result<Option<Lease<T>>, RecvError> {
        self.get_until(Deadline::PASSED)
    }

    /// Gets the next item, waiting for at most `timeout`.
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<Lease<T>>, RecvError> {
        self.get_until(Deadline::after(timeout))
    }

    /// Gets the next item, in any runtime for futures: nothing is blocked while there is none.
    pub async fn get_async(&self) -> Result<Lease<T>, RecvError> {
        until_ready(|| self.source(), || self.try_get()).await
    }

    /// Waits for at most `timeout` until there is an item, or the queue is closed and there won't be any: whether that is so. Takes
    /// nothing: another may be faster to get it.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked).
    pub fn poll(&self, timeout: Duration) -> Result<bool> {
        Ok(select(&[self.source()], 0, Deadline::after(timeout))?.is_some())
    }

    fn get_until(&self, deadline: Deadline) -> Result<Option<Lease<T>>, RecvError> {
        let Some(lease) = self.inner.lease(deadline)? else { return Ok(None) };
        let (bytes, shares) = lease.message();
        match wire::decode(bytes, shares) {
            Ok(item) => Ok(Some(Lease { item, lease })),
            Err(e) => {
                // Nobody else could decode it either.
                lease.finish(false)?;
                Err(e)
            }
        }
    }
}

/// An item that was got and isn't finished. Dereferences to the item.
///
/// Dropped without [`task_done`](Lease::task_done), it goes back to the queue, for another to get; see [`JoinableQueue`].
///
/// # Process death
///
/// As if it had been dropped.
#[must_use = "an item that is dropped goes back to the queue"]
pub struct Lease<T> {
    item: T,
    lease: stream::Lease,
}

impl<T> Lease<T> {
    /// Says that the item is finished.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked).
    pub fn task_done(self) -> Result<()> {
        self.lease.finish(true)
    }

    /// Says that the item is finished, and gives it.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked).
    pub fn into_inner(self) -> Result<T> {
        self.lease.finish(true)?;
        Ok(self.item)
    }
}

impl<T> Deref for Lease<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T: fmt::Debug> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lease").field(&self.item).finish()
    }
}
