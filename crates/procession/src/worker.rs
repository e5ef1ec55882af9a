//! Inside a worker: which one it is, and what its pool's initializer made there.

use procession_core::pool::task_number;
use std::{
    any::{Any, type_name},
    cell::Cell,
    sync::OnceLock,
};

/// Who a worker is; see [`current`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Current {
    /// Its number in its pool: the smallest that no other worker had when it started. So one that replaces another has the same, and all
    /// are below the most that the pool may have; unless one that leaves, or waits for another task, still has its own.
    pub index: usize,
    /// Its process id.
    pub pid: u32,
    /// How many tasks it ran before the present one.
    pub task: u64,
}

static INDEX: OnceLock<usize> = OnceLock::new();

/// From now on this process is that worker.
pub(crate) fn begin(index: usize) {
    // It becomes one only once.
    let _ = INDEX.set(index);
}

/// Which worker this process is; `None` if it isn't one.
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::{Pool, worker};
///
/// let pool = Pool::new(2)?;
/// let index = pool.apply(|| worker::current().unwrap().index, ())?;
/// assert!(index < 2 && worker::current().is_none());
/// # Ok(()) }
/// ```
#[doc(alias = "current_process")]
pub fn current() -> Option<Current> {
    INDEX.get().map(|index| Current { index: *index, pid: std::process::id(), task: task_number() })
}

thread_local! {
    static STATE: Cell<Option<&'static dyn Any>> = const { Cell::new(None) };
}

/// What the [initializer](crate::PoolBuilder::initializer) of this worker's pool returned, for tasks to use: a connection, a model, a
/// cache. It's made once in each worker and lives as long as the worker does; it isn't dropped at the end.
///
/// Tasks run one after the other in one thread, so it needn't be [`Sync`]; what they change in it goes into a [`Cell`] or a
/// [`RefCell`](std::cell::RefCell).
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::{Pool, worker};
///
/// struct Model(u64);
///
/// let pool = Pool::builder().workers(2).initializer(|seed: u64| Model(seed), (10,)).build()?;
/// let sums = pool.map(|n: u64| worker::state::<Model>().0 + n, 0..3)?;
/// assert_eq!(sums, [10, 11, 12]);
/// # Ok(()) }
/// ```
///
/// # Panics
///
/// If there is none of that type: no initializer, or one that returns something else, or another thread than that which runs the
/// tasks.
#[track_caller]
pub fn state<T: 'static>() -> &'static T {
    match try_state() {
        Some(state) => state,
        None => panic!(
            "this worker has no state of type {}: does the pool's initializer return that, and is this the thread that runs the tasks?",
            type_name::<T>()
        ),
    }
}

/// What [`state`] gives, or `None` if there is none of that type.
pub fn try_state<T: 'static>() -> Option<&'static T> {
    STATE.get()?.downcast_ref()
}

/// Keeps what the initializer made, for the tasks of this thread.
pub(crate) fn keep(state: impl Any) {
    STATE.set(Some(Box::leak(Box::new(state))));
}
