//! Inside a worker: which one it is, and what its pool's initializer made there.

use crate::{
    codec, panics,
    task::{Initializer, verdict},
};
use procession_core::{
    Handle, Parcel, Result, Share,
    pool::{Worker, task_number},
    start::{Descriptor, Function, FunctionId, Verdict},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    any::{Any, type_name},
    cell::Cell,
    marker::PhantomData,
    sync::{Arc, OnceLock},
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

/// A pool's initializer and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Initial {
    function: FunctionId,
    arguments: Parcel,
}

impl Initial {
    pub(crate) fn new<F: Initializer<Args>, Args: Serialize + DeserializeOwned>(
        args: &Args,
    ) -> Result<Initial> {
        Ok(Initial { function: Entry::<F, Args>::DESCRIPTOR.id()?, arguments: codec::pack(args)? })
    }
}

struct Entry<F, Args>(PhantomData<(F, Args)>);

impl<F: Initializer<Args>, Args: DeserializeOwned> Entry<F, Args> {
    const DESCRIPTOR: &'static Descriptor =
        &Descriptor::new(type_name::<(Initial, F, Args)>, initialise::<F, Args>);
}

/// Runs an initializer and keeps what it returns.
fn initialise<F: Initializer<Args>, Args: DeserializeOwned>(
    arguments: &[u8],
    shares: &[Arc<Share>],
    result: &mut Parcel,
) -> Verdict {
    let made = panics::catch(|| codec::decode::<Args>(arguments, shares).map(F::call));
    match made {
        Ok(Ok(state)) => {
            STATE.set(Some(Box::leak(Box::new(state))));
            Verdict::Value
        }
        Ok(Err(e)) => verdict(Ok(Err(e)), result),
        Err(info) => verdict(Err(info), result),
    }
}

/// What a new worker is told.
#[derive(Serialize, Deserialize)]
pub(crate) struct Assignment {
    link: (u64, u64),
    index: usize,
    has_memory_limit: bool,
    /// The initializer, whose arguments follow.
    initializer: Option<[u8; 16]>,
}

impl Assignment {
    pub(crate) fn new(
        link: Handle,
        index: usize,
        has_memory_limit: bool,
        initial: Option<&Initial>,
    ) -> Assignment {
        let initializer = initial.map(|initial| initial.function.to_bytes());
        Assignment { link: (link.offset, link.generation), index, has_memory_limit, initializer }
    }

    /// The argument of a worker process.
    pub(crate) fn pack(&self, initial: Option<&Initial>) -> Result<Parcel> {
        let mut argument = codec::pack(self)?;
        if let Some(Initial { arguments, .. }) = initial {
            argument.bytes.extend_from_slice(&arguments.bytes);
            argument.shares.clone_from(&arguments.shares);
        }
        Ok(argument)
    }

    /// What a worker process runs.
    pub(crate) fn function() -> Result<FunctionId> {
        const SERVE: &Descriptor = &Descriptor::new(type_name::<Assignment>, serve);
        SERVE.id()
    }
}

/// The life of a worker. Its result says why it didn't become ready, if it didn't.
fn serve(argument: &[u8], shares: &[Arc<Share>], result: &mut Parcel) -> Verdict {
    let mut life = || -> Result<Verdict> {
        let (assignment, arguments) = codec::decode_first::<Assignment>(argument)?;
        let (offset, generation) = assignment.link;
        let _ = INDEX.set(assignment.index);
        let mut worker = Worker::attach(Handle { offset, generation })?;
        if assignment.has_memory_limit {
            worker.note_starvation();
        }
        if let Some(name) = assignment.initializer {
            let initializer = Function::resolve(FunctionId::parse(&name)?)?;
            let verdict = initializer.run(arguments, shares, result);
            if verdict != Verdict::Value {
                return Ok(verdict);
            }
        }
        worker.serve()?;
        Ok(Verdict::Value)
    };
    match life() {
        Ok(verdict) => verdict,
        // Its pool has gone meanwhile.
        Err(e) if e.is_closed() => Verdict::Value,
        Err(e) => {
            eprintln!("procession: a worker of a pool ends: {e}");
            Verdict::refuse(&e, result)
        }
    }
}
