//! The thread that callbacks run on: one for each pool, so that a callback that blocks or panics harms no task.

use super::sink::{Later, run};
use procession_core::{Error, ErrorKind, Result};
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, ThreadId},
};

/// Waits for the end of a thread of the pool; unless it's this one, in which somebody's code ends the pool.
pub(super) fn join(thread: thread::JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() {
        // What it runs for others is caught, and it has nothing to panic with itself; and a drop must not panic.
        let _ = thread.join();
    }
}

/// Queues callbacks for a pool's callback thread, which ends with its pool.
pub(super) struct Callbacks {
    /// Gone once the pool has ended.
    queue: Mutex<Option<mpsc::Sender<Later>>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    id: ThreadId,
    /// Callbacks of tasks that are not done: while there are any, results are received as they come.
    wanted: AtomicUsize,
    /// Callbacks that are queued or running.
    pending: Arc<Pending>,
}

#[derive(Default)]
struct Pending {
    count: Mutex<usize>,
    none: Condvar,
}

impl Pending {
    fn change(&self, by: isize) {
        let mut count = self.count.lock().unwrap_or_else(|e| e.into_inner());
        *count = count.wrapping_add_signed(by);
        if *count == 0 {
            self.none.notify_all();
        }
    }
}

impl Callbacks {
    pub(super) fn new(name: &str) -> Result<Callbacks> {
        let (queue, callbacks) = mpsc::channel::<Later>();
        let pending = Arc::new(Pending::default());
        let finished = pending.clone();
        let life = move || {
            for callback in callbacks {
                // The hook has printed its panic, and there is nobody else to tell.
                run(callback);
                finished.change(-1);
            }
        };
        let thread = thread::Builder::new().name(format!("{name}-callbacks")).spawn(life);
        let failed = |e| Error::new(ErrorKind::System, format!("could not start the callback thread: {e}"));
        let thread = thread.map_err(failed)?;
        let (id, thread) = (thread.thread().id(), Mutex::new(Some(thread)));
        Ok(Callbacks { queue: Mutex::new(Some(queue)), thread, id, wanted: AtomicUsize::new(0), pending })
    }

    /// Runs the callback on the thread, after those that came before.
    pub(super) fn run(&self, callback: Later) {
        match &*self.lock() {
            Some(queue) => {
                self.pending.change(1);
                if queue.send(callback).is_err() {
                    self.pending.change(-1);
                }
            }
            // On a result that has outlived its pool. If there can't be a thread for it, it's as if it had panicked.
            None => drop(thread::Builder::new().spawn(callback)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<mpsc::Sender<Later>>> {
        self.queue.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Lets the thread end, when it has run what is queued.
    pub(super) fn end(&self) {
        *self.lock() = None;
    }

    /// Waits for its end. Not to be called in it.
    pub(super) fn join(&self) {
        self.end();
        let thread = self.thread.lock().unwrap_or_else(|e| e.into_inner()).take();
        if let Some(thread) = thread {
            join(thread);
        }
    }

    /// One more task that somebody wants to hear of as soon as it's done, or one less.
    pub(super) fn want(&self, one_more: bool) {
        if one_more {
            self.wanted.fetch_add(1, Ordering::AcqRel);
        } else {
            self.wanted.fetch_sub(1, Ordering::AcqRel);
        }
    }

    pub(super) fn are_wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire) != 0
    }

    /// An error in a callback: it would wait for itself.
    pub(super) fn check_not_inside(&self) -> Result<()> {
        if thread::current().id() != self.id {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidArgument,
            "a callback can't join its own pool: it would wait for itself",
        ))
    }

    /// Waits until none is queued or running.
    pub(super) fn wait_done(&self) {
        let mut count = self.pending.count.lock().unwrap_or_else(|e| e.into_inner());
        while *count != 0 {
            count = self.pending.none.wait(count).unwrap_or_else(|e| e.into_inner());
        }
    }
}
