//! Waiting for the first of several things.

use crate::{Event, JoinableQueue, Process, Queue, Receiver, channel::Connection};
use procession_core::{
    Deadline, Error, Result,
    select::{self, Source, watch},
};
use std::{cell::Cell, future::poll_fn, task::Poll, time::Duration};

/// What a [`Selector`] can wait for: a [`Receiver`], a [`Connection`], a [`Queue`] or a [`JoinableQueue`] (until there is something to
/// receive, or the end), an [`Event`] (until it's set), a [`Process`] (until it has ended).
pub trait Select {
    #[doc(hidden)]
    fn source(&self) -> Result<Source<'_>>;
}

macro_rules! select {
    ($($type:ident$(<$($t:ident),*>)? => |$this:ident| $source:expr),*) => {
        $(
            impl$(<$($t: 'static),*>)? Select for $type$(<$($t),*>)? {
                fn source(&self) -> Result<Source<'_>> {
                    let $this = self;
                    $source
                }
            }
        )*
    };
}

select! {
    Receiver<T> => |this| Ok(this.source()),
    Connection<S, R> => |this| Ok(this.receiver().source()),
    Queue<T> => |this| Ok(this.source()),
    JoinableQueue<T> => |this| Ok(this.source()),
    Event => |this| Ok(this.source()),
    Process<R> => |this| this.source()
}

/// Waits for the first of several things; see [`Select`].
///
/// It takes nothing: if others receive from the same channel, one of them may be faster, so use `try_recv` and the like. If several
/// are ready, they take turns.
///
/// # Process death
///
/// A process that is killed while it waits takes nothing with it. The death of a process is something that can be waited for, and the
/// end of a stream is something to receive.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::{Event, Selector, channel};
///
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// let (sender, receiver) = channel::<String>()?;
/// let stop = Event::new()?;
/// let mut selector = Selector::new();
/// let messages = selector.add(&receiver)?;
/// let stopped = selector.add(&stop)?;
/// # sender.send(&"hello".to_string())?;
/// # stop.set()?;
/// loop {
///     let ready = selector.wait()?;
///     if ready == messages {
///         match receiver.try_recv()? {
///             Some(text) => println!("{text}"),
///             None => continue,
///         }
///     } else if ready == stopped {
///         break;
///     }
/// }
/// # Ok(()) }
/// ```
#[doc(alias = "wait")]
#[derive(Debug, Default)]
pub struct Selector<'a> {
    sources: Vec<Source<'a>>,
    /// Where to look first.
    next: usize,
}

impl<'a> Selector<'a> {
    /// Nothing yet.
    pub fn new() -> Selector<'a> {
        Selector::default()
    }

    /// Adds something to wait for: the number by which [`wait`](Selector::wait) will name it.
    ///
    /// # Errors
    ///
    /// [`is_corrupted`](Error::is_corrupted), for a process.
    pub fn add(&mut self, what: &'a impl Select) -> Result<usize> {
        self.sources.push(what.source()?);
        Ok(self.sources.len() - 1)
    }

    /// Waits until one of them is ready: which one.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): there are none, or more than 128. [`is_forked`](Error::is_forked).
    pub fn wait(&mut self) -> Result<usize> {
        Ok(self.wait_until(Deadline::NEVER)?.expect("a wait without a deadline ends with one"))
    }

    /// Waits for at most `timeout` until one of them is ready: which one. Zero looks without waiting.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Selector::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<usize>> {
        self.wait_until(Deadline::after(timeout))
    }

    fn wait_until(&mut self, deadline: Deadline) -> Result<Option<usize>> {
        let found = select::select(&self.sources, self.next, deadline)?;
        if let Some(found) = found {
            self.next = found + 1;
        }
        Ok(found)
    }
}

/// Tries again and again, when a source says that it may be of use, until something comes of it. For `async`.
pub(crate) async fn until_ready<'a, T, E: From<Error>>(
    source: impl Fn() -> Source<'a>,
    mut attempt: impl FnMut() -> Result<Option<T>, E>,
) -> Result<T, E> {
    let interest = Cell::new(None);
    poll_fn(move |context| {
        for is_last in [false, true] {
            interest.set(None);
            // Asked before the attempt: what changes after that is seen.
            let source = source();
            if let Some(outcome) = attempt().transpose() {
                return Poll::Ready(outcome);
            }
            match watch(&source, context.waker()) {
                // It's ready, and nothing came of it again: somebody who has been stopped, or wrong bytes in shared memory, may be in
                // the way for long. Others of this executor's have their turn.
                Ok(None) if is_last => context.waker().wake_by_ref(),
                Ok(None) => {}
                Ok(watched) => {
                    interest.set(watched);
                    return Poll::Pending;
                }
                Err(e) => return Poll::Ready(Err(e.into())),
            }
        }
        Poll::Pending
    })
    .await
}
