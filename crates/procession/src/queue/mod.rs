//! Queues: both ends in one handle.

mod error;
mod joinable;

pub use error::{GetManyError, PutManyError};
pub use joinable::{JoinableQueue, JoinableQueueBuilder, Lease};

use crate::{
    channel::{RecvError, wire},
    handles::stream_end,
    selector::until_ready,
};
use procession_core::{
    Deadline, Error, ErrorKind, Result,
    stream::{self, Limits, Received},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{borrow::Borrow, marker::PhantomData, time::Duration};

/// A queue that any number of processes put items into and get them out of, each once and in order.
///
/// A handle is both ends in one, so there is no end of the stream but [`close`](Queue::close): consumers wait for as long as it isn't
/// closed, even if nobody is left who puts anything (a [`channel`](crate::channel) has two ends, and ends by itself). Handles are cheap to
/// clone, and travel like any other; the queue ends with the last of them.
///
/// # Process death
///
/// An item that was put is got, whoever put it and whatever became of that process. A process that is killed while it puts or gets
/// an item has done it or not; one that waits takes nothing with it. An item that a process got is lost with it: see
/// [`JoinableQueue`] for one that isn't.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Process, Queue};
///
/// fn work(jobs: Queue<u64>, results: Queue<u64>) {
///     while let Ok(n) = jobs.get() {
///         results.put(&(n * n)).unwrap();
///     }
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let (jobs, results) = (Queue::unbounded()?, Queue::bounded(100)?);
///     let worker = Process::spawn(work, (jobs.clone(), results.clone()))?;
///     jobs.put(&12)?;
///     jobs.close()?;
///     assert_eq!(results.get()?, 144);
///     worker.join()?;
///     Ok(())
/// }
/// ```
#[doc(alias = "SimpleQueue")]
pub struct Queue<T> {
    inner: stream::Queue,
    item: PhantomData<fn(T) -> T>,
}

stream_end!(Queue, stream::Queue);
both_ends!(Queue);

/// What every queue has: `$type<T>` has a field `inner` that knows.
macro_rules! both_ends {
    ($type:ident) => {
        impl<T> $type<T> {
            pub(crate) fn source(&self) -> procession_core::select::Source<'_> {
                self.inner.source()
            }

            /// A descriptor for `poll`, `epoll` and the like: readable when there is an item, or the queue has been closed and is
            /// empty. When `try_get` has found nothing, it's readable again when there is more.
            /// Nothing is to be read from it.
            ///
            /// # Errors
            ///
            /// What the system refuses: another descriptor, or a thread.
            /// [`is_forked`](procession_core::Error::is_forked).
            #[doc(alias = "fileno")]
            pub fn as_fd(&self) -> procession_core::Result<std::os::fd::BorrowedFd<'_>> {
                self.inner.fd()
            }

            /// Whether it holds as many items as it may. Exact when it's asked; others may get and put meanwhile.
            #[doc(alias = "full")]
            pub fn is_full(&self) -> bool {
                self.inner.limit().is_some_and(|limit| self.inner.len() >= limit)
            }

            /// How many items it may hold; `None`: as many as there is memory for.
            pub fn limit(&self) -> Option<usize> {
                self.inner.limit()
            }

            /// Nothing can be put any more, by anybody: that gives [`SendError::Closed`](crate::SendError::Closed). Items that are
            /// there can still be got; then `get` gives [`RecvError::Closed`](crate::RecvError::Closed), also to those who wait.
            ///
            /// # Errors
            ///
            /// [`is_forked`](procession_core::Error::is_forked).
            pub fn close(&self) -> procession_core::Result<()> {
                self.inner.close()
            }

            /// Whether it has been closed.
            pub fn is_closed(&self) -> bool {
                self.inner.is_closed()
            }
        }

        /// Putting.
        ///
        /// # Errors
        ///
        /// All of these:
        ///
        /// - [`SendError::Closed`](crate::SendError::Closed): the queue has been closed.
        /// - [`SendError::Failed`](crate::SendError::Failed): the item can't be encoded
        ///   ([`is_codec`](procession_core::Error::is_codec)); there is no memory for it
        ///   ([`is_out_of_memory`](procession_core::Error::is_out_of_memory)); this is a plain fork
        ///   ([`is_forked`](procession_core::Error::is_forked)).
        ///
        /// The queue stays usable.
        impl<T: serde::Serialize + serde::de::DeserializeOwned + 'static> $type<T> {
            /// Puts an item into the queue. Waits while it's full.
            #[inline]
            pub fn put(&self, item: &T) -> Result<(), crate::SendError> {
                self.put_until(item, procession_core::Deadline::NEVER).map(|_| ())
            }

            /// Puts an item into the queue if there is room now: whether it did.
            #[doc(alias = "put_nowait")]
            #[doc(alias = "Full")]
            #[inline]
            pub fn try_put(&self, item: &T) -> Result<bool, crate::SendError> {
                self.put_until(item, procession_core::Deadline::PASSED)
            }

            /// Puts an item into the queue, waiting for room for at most `timeout`: whether it did.
            pub fn put_timeout(
                &self,
                item: &T,
                timeout: std::time::Duration,
            ) -> Result<bool, crate::SendError> {
                self.put_until(item, procession_core::Deadline::after(timeout))
            }

            /// Puts an item into the queue, in any runtime for futures: nothing is blocked while it's full.
            pub async fn put_async(&self, item: &T) -> Result<(), crate::SendError> {
                crate::selector::until_ready(|| self.inner.room(), || Ok(self.try_put(item)?.then_some(())))
                    .await
            }

            #[inline]
            fn put_until(
                &self,
                item: &T,
                deadline: procession_core::Deadline,
            ) -> Result<bool, crate::SendError> {
                let put = crate::channel::wire::encoded(item, |bytes, shares| {
                    self.inner.send(bytes, shares, deadline)
                })?;
                Ok(put)
            }
        }
    };
}
use both_ends;

/// What a queue of at most so many items may hold.
fn bounded(items: usize) -> Result<Limits> {
    if items == 0 {
        let text = "a queue of at most 0 items: nothing could ever be put into it";
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    Ok(Limits { messages: Some(items), ..UNBOUNDED })
}

const UNBOUNDED: Limits = Limits { messages: None, ring: None, bulk: None };

impl<T: 'static> Queue<T> {
    /// A queue of at most so many items; whoever puts one more waits. So many fit, whatever their size, if there is memory for them.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): 0 items. [`is_not_initialised`](Error::is_not_initialised),
    /// [`is_out_of_memory`](Error::is_out_of_memory).
    pub fn bounded(items: usize) -> Result<Queue<T>> {
        Ok(Queue::new(stream::Queue::create(stream::signature::<T>(), bounded(items)?)?))
    }

    /// A queue of as many items as there is memory for.
    ///
    /// # Errors
    ///
    /// [`is_not_initialised`](Error::is_not_initialised), [`is_out_of_memory`](Error::is_out_of_memory).
    pub fn unbounded() -> Result<Queue<T>> {
        Ok(Queue::new(stream::Queue::create(stream::signature::<T>(), UNBOUNDED)?))
    }

    /// A queue of at most so many items, which waits as well while they take more than `bytes`. One item is always let in.
    ///
    /// # Errors
    ///
    /// Those of [`bounded`](Queue::bounded).
    pub fn bounded_bytes(items: usize, bytes: usize) -> Result<Queue<T>> {
        let limits = Limits { ring: Some(bytes), bulk: Some(bytes), ..bounded(items)? };
        Ok(Queue::new(stream::Queue::create(stream::signature::<T>(), limits)?))
    }
}

/// Putting many at once.
impl<T: Serialize + DeserializeOwned + 'static> Queue<T> {
    /// Puts many items into the queue, in order; as many at a time as there is room for, which is faster than one by one. Waits
    /// while it's full. How many were put: all.
    ///
    /// # Errors
    ///
    /// Those of [`put`](Queue::put), with how many items were put before. No other was.
    pub fn put_many(&self, items: impl IntoIterator<Item = impl Borrow<T>>) -> Result<usize, PutManyError> {
        let (mut batch, mut put) = (Batch::default(), 0);
        let all = items.into_iter().try_for_each(|item| self.put_with(item.borrow(), &mut batch, &mut put));
        // Also after an error: those before it are put.
        match self.flush(&mut batch, &mut put).and(all) {
            Ok(()) => Ok(put),
            Err(error) => Err(PutManyError { put, error: error.into() }),
        }
    }

    /// Adds an item to those that are to be put together, and puts them if they are enough.
    fn put_with(&self, item: &T, batch: &mut Batch, put: &mut usize) -> Result<()> {
        /// So many bytes are encoded before they are put.
        const ENOUGH: usize = 64 << 10;
        let start = batch.bytes.len();
        let shares = wire::append(item, &mut batch.bytes)?;
        if !shares.is_empty() {
            // With handles in it, it's sent by itself, after those before it.
            let message = batch.bytes.split_off(start);
            self.flush(batch, put)?;
            self.inner.send(&message, &shares, Deadline::NEVER)?;
            *put += 1;
            return Ok(());
        }
        batch.ends.push(batch.bytes.len());
        if batch.bytes.len() >= ENOUGH { self.flush(batch, put) } else { Ok(()) }
    }

    fn flush(&self, batch: &mut Batch, put: &mut usize) -> Result<()> {
        let Batch { bytes, ends } = std::mem::take(batch);
        if !ends.is_empty() {
            self.inner.send_many(&bytes, &ends, put, Deadline::NEVER)?;
        }
        Ok(())
    }
}

/// Items that are put together.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Getting.
///
/// # Errors
///
/// All of these:
///
/// - [`RecvError::Closed`]: the queue has been closed, and is empty.
/// - [`RecvError::Undecodable`]: the item's own code refuses to decode it. It has been taken out; the queue stays usable.
/// - [`RecvError::Failed`]: there is no memory for a copy; this is a plain fork ([`is_forked`](Error::is_forked)).
impl<T: Serialize + DeserializeOwned + 'static> Queue<T> {
    /// Gets the next item. Waits while there is none.
    #[inline]
    pub fn get(&self) -> Result<T, RecvError> {
        Ok(self.get_until(Deadline::NEVER)?.expect("a wait without a deadline ends with an item"))
    }

    /// Gets the next item if there is one now.
    #[doc(alias = "get_nowait")]
    #[doc(alias = "Empty")]
    #[inline]
    pub fn try_get(&self) -> Result<Option<T>, RecvError> {
        self.get_until(Deadline::PASSED)
    }

    /// Gets the next item, waiting for at most `timeout`.
    pub fn get_timeout(&self, timeout: Duration) -> Result<Option<T>, RecvError> {
        self.get_until(Deadline::after(timeout))
    }

    /// Gets the next item, in any runtime for futures: nothing is blocked while there is none.
    pub async fn get_async(&self) -> Result<T, RecvError> {
        until_ready(|| self.source(), || self.try_get()).await
    }

    fn get_until(&self, deadline: Deadline) -> Result<Option<T>, RecvError> {
        wire::with_buffer(|buffer| match self.inner.receive(buffer, deadline)? {
            Some(received) => wire::decoded(received, buffer).map(Some),
            None => Ok(None),
        })
    }

    /// Gets up to `most` items at once, which is faster than one by one. Waits while there is none; then takes what is there.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Queue::get). If an item's own code refuses to decode it: the error has the items before it, and the bytes of
    /// those after it.
    pub fn get_many(&self, most: usize) -> Result<Vec<T>, GetManyError<T>> {
        let (mut items, mut bytes, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        if most == 0 {
            return Ok(items);
        }
        // The first one may be long, or have handles in it; and it's waited for.
        let received = self.inner.receive(&mut bytes, Deadline::NEVER);
        let first = received
            .map_err(RecvError::from)
            .and_then(|received| wire::decoded(received.unwrap_or(Received::Inline), &bytes));
        items.push(first.map_err(|error| GetManyError { items: Vec::new(), error, rest: Vec::new() })?);
        bytes.clear();
        if let Err(error) = self.inner.receive_many(most - 1, &mut bytes, &mut ends) {
            return Err(GetManyError { items, error: error.into(), rest: Vec::new() });
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let mut messages = starts.zip(&ends).map(|(start, end)| &bytes[start..*end]);
        while let Some(message) = messages.next() {
            match wire::decode(message, &[]) {
                Ok(item) => items.push(item),
                Err(error) => {
                    return Err(GetManyError { items, error, rest: messages.map(<[u8]>::to_vec).collect() });
                }
            }
        }
        Ok(items)
    }

    /// Waits for at most `timeout` until there is an item, or the queue is closed and empty: whether there is. Takes nothing: another
    /// may be faster to get it.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked).
    pub fn poll(&self, timeout: Duration) -> Result<bool> {
        self.inner.poll(Deadline::after(timeout))
    }
}
