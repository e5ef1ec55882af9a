//! **Processes as easy as threads.** Run a function in another process, map a function over a pool of them, share locks and data; a crash, a
//! hang or a leak in one costs at most one task.
//!
//! ```standalone_crate
//! use procession::{Pool, Process};
//!
//! fn greet(name: String) -> String {
//!     format!("hello {name}, from process {}", std::process::id())
//! }
//!
//! fn main() -> procession::Result<()> {
//!     procession::init(); // first statement: a child runs its function here, and never returns
//!
//!     let process = Process::spawn(greet, ("egon".to_string(),))?;
//!     println!("{}", process.join()?);
//!
//!     let pool = Pool::new(4)?;
//!     let squares = pool.map(|n: u64| n * n, 0..100)?;
//!     assert_eq!(squares[9], 81);
//!     Ok(())
//! }
//! ```
//!
//! # What it's for
//!
//! Isolation that threads can't give: a C library that segfaults or leaks, work that must be killed on time, code that can run only once in
//! a process, or isn't thread-safe. You don't write the communication between processes, and you don't clean up after the dead.
//!
//! It's not for what threads do well. If nothing crashes and nothing must be killed, they are cheaper: arguments and results of processes are
//! encoded and copied. There is [more that it doesn't do](#things-this-library-doesnt-do), and there are
//! [other libraries](guide::comparison).
//!
//! # Where to begin
//!
//! - [`Process`] runs one function; [`Pool`] runs many tasks. Most programs need nothing else.
//! - [Ten recipes](guide::recipes), each a whole program.
//! - [Coming from Python](guide::from_python): `multiprocessing`, name by name.
//! - [How processes are started](guide::start_methods), and what they have from their starter.
//!
//! # What a function must be
//!
//! A `fn` item, or a closure that captures nothing (checked when it's compiled). A child runs the same program, but
//! shares no memory with it except what this library shares; so what a function works on travels as its arguments, which
//! are `serde` values, up to eight of them, and so does what it returns. References don't travel; `String` does. Arguments are encoded
//! number by number: a vector of many megabytes goes several times as fast through a [`channel`], and in an [`Array`] it needn't go at all.
//!
//! A child begins as the program does, and leaves `main` in [`init`]; so that is the first statement, and what stands before it may run more
//! than once. [`#[procession::main]`](main) and [`#[procession::test]`](test) put it where it belongs. By default children are forked by a
//! small copy of the program, [`StartMethod::ForkServer`], in a few hundred microseconds, whatever the size of the parent.
//!
//! # Process death
//!
//! Any process may be killed at any moment, in the middle of anything. This is what the others see of it:
//!
//! | who dies | what happens |
//! |---|---|
//! | a process started by [`Process::spawn`] | [`join`](Process::join) gives [`TaskError::Died`] with its [`ExitStatus`], or the value, if the function had returned |
//! | one that had started others | they run on, unless they were started with [`kill_on_drop`](ProcessBuilder::kill_on_drop) |
//! | a worker of a [`Pool`] | the task that it was running gives [`TaskError::Died`]; tasks that were only queued with it run elsewhere, and it's replaced |
//! | one that owns a [`Pool`] | its workers end; who waits with a [`PoolHandle`] gets an error |
//! | one that submitted with a [`PoolHandle`] | what it submitted runs; nobody hears of the result |
//! | one that has a [`Mutex`], a [`ReentrantMutex`], an [`RwLock`] for writing or a part of an [`Array`] | the next one who wants it gets it, *poisoned*: [`lock`](Mutex::lock) gives an error that has the guard |
//! | one that has an [`RwLock`] for reading | it's gone, and nothing is poisoned |
//! | one that has permits of a [`Semaphore`] or a [`BoundedSemaphore`] | they come back |
//! | one that has a [`Condition`] | all who wait are woken and look again, so no notification is lost with it |
//! | one that has a [`Barrier`] | it breaks: those who wait get an error instead of waiting for the dead |
//! | one that sets an [`Event`] | it's set or not; if it is, everybody wakes |
//! | one that runs the function of a [`Once`] or a [`OnceValue`] | it hasn't been done: the next one does it |
//! | one that changes a [`Value`], also with its lock | it has done it or not; nothing is poisoned, and the lock goes to the next |
//! | one that changes a [`Dict`] or a [`List`] | it has done it or not, also a transaction over several keys |
//! | one that sends or receives, puts or gets | it has done it or not; what it had sent or put is received, what it had received is gone with it |
//! | the last one that has an end of a channel | the other side sees the end of the stream, after all that was sent |
//! | one that got items of a [`JoinableQueue`] and hasn't finished them | another gets them, once; then [`join`](JoinableQueue::join) reports them |
//! | the last one that has a [`Manager`] | what the manager made is closed: each operation gives an error, and who waits wakes with it |
//! | one that waits for any of these (but at a [`Barrier`]), also in a [`Selector`], or was just woken | nobody else notices |
//! | the forkserver | the next start brings up another; processes that it made go on |
//! | the root (the process that started the others) | everything ends, at once, even by SIGKILL |
//!
//! Deaths are seen by one thread in the root, the *monitor*, which wakes whoever waits. Who isn't woken looks for itself, twice a second.
//!
//! A process that is *stopped* (SIGSTOP, a debugger) isn't dead, and nothing is taken from it: who wants what it has waits until it goes on
//! or is killed, or for as long as its timeout says. A stopped worker costs its own task, and with a time limit it's replaced.
//!
//! # What processes share
//!
//! [`Mutex`] and the other locks, [`Semaphore`], [`Event`], [`Value`], [`Array`] and so on are *handles* of objects in shared memory: cheap to
//! clone, and values like any other, so that they can be arguments and results and parts of these. The object ends with its last
//! handle. What they protect is [plain data](Pod): numbers, arrays and structures of numbers.
//!
//! ```standalone_crate
//! use procession::{Mutex, Process};
//!
//! fn count(hits: Mutex<u64>) {
//!     *hits.lock().unwrap() += 1;
//! }
//!
//! # fn main() -> procession::Result<()> {
//! # procession::init();
//! let hits = Mutex::new(0)?;
//! let processes: Vec<_> =
//!     (0..5).map(|_| Process::spawn(count, (hits.clone(),))).collect::<Result<_, _>>()?;
//! for process in processes {
//!     process.join()?;
//! }
//! assert_eq!(*hits.lock()?, 5);
//! # Ok(()) }
//! ```
//!
//! A [`Dict`] and a [`List`] have `serde` values of any size, with handles in them if need be; each of their operations is atomic, and to look up
//! one value takes no lock, unless it has handles in it. A [`Manager`] makes objects of all kinds, which end with it.
//!
//! # Messages
//!
//! [`channel`] and [`pipe`] have ends that any number of processes share without a lock; a [`Queue`] is both ends in one, a
//! [`JoinableQueue`] knows what isn't finished. Messages are `serde` values of any size, with handles of all kinds in them.
//!
//! ```standalone_crate
//! use procession::{Process, Receiver, channel};
//!
//! fn eat(food: Receiver<String>, name: String) {
//!     for dish in &food {
//!         println!("{name} eats {dish}");
//!     }
//! }
//!
//! # fn main() -> procession::Result<()> {
//! # procession::init();
//! let (cook, food) = channel::<String>()?;
//! let eaters = [
//!     Process::spawn(eat, (food.clone(), "egon".to_string()))?,
//!     Process::spawn(eat, (food, "alex".to_string()))?,
//! ];
//! (0..20).try_for_each(|i| cook.send(&format!("dish {i}")))?;
//! drop(cook); // the end of the stream: both eaters come back
//! for eater in eaters {
//!     eater.join()?;
//! }
//! # Ok(()) }
//! ```
//!
//! # Errors
//!
//! A function that gave no value says why by a [`TaskError`]; sending and receiving have [`SendError`] and [`RecvError`]; locks have
//! [`LockError`], which has the guard if the lock is only poisoned. Everything else is one [`Error`], whose text says what to do, and whose
//! predicates (`is_closed`, `is_out_of_memory`, …) tell apart what a program can act on; all others become one by `?`. Timeouts
//! aren't errors: what has one gives `None` or `false` (but a [`Barrier`] that is late breaks). A task's time limit is one:
//! [`TaskError::TimedOut`], by `?` an error that [`is_timeout`](Error::is_timeout).
//!
//! Who waits for which lock, permit, event, barrier, message or change, across all processes, says [`family::waits`].
//!
//! # Things this library doesn't do
//!
//! - It doesn't protect against malice: the family of processes is one trust domain. Wrong bytes in shared memory give
//!   errors, not undefined behaviour.
//! - It doesn't move closures with captured state, references, descriptors or threads to another process.
//! - It doesn't run on anything but 64-bit Linux.
//! - It doesn't run other programs: that is [`std::process::Command`].
//! - It doesn't reach other machines, nor processes that it didn't start.
//! - It isn't a job queue that survives a restart: when the root ends, everything does.
//!
//! # Limits
//!
//! - 1023 processes beside the root.
//! - 64 GiB of shared memory, or as many bytes as the root finds in the environment variable `PROCESSION_ARENA_LIMIT`. Only what is used
//!   is allocated.
//! - Eight arguments. Messages and values are of any size that fits into shared memory.
//!
//! # Crate features
//!
//! - `progress`: [`TaskOptions`] has `progress_bar`, which draws one for a map. Off by default; without it there's
//!   [`progress`](TaskOptions::progress), which calls whatever you like.

#![deny(unsafe_code)]

mod channel;
mod codec;
mod dict;
mod error;
pub mod family;
pub mod guide;
mod handles;
mod list;
mod manager;
mod panics;
mod plain;
mod pool;
mod process;
mod queue;
mod selector;
mod shared;
mod sync;
mod task;
mod travel;
pub mod worker;

/// What can lie in shared memory: plain data, any bits of which are a value.
#[doc(no_inline)]
pub use bytemuck::Pod;
pub use channel::{
    Connection, Iter, Message, Receiver, RecvError, Reservation, SendError, Sender, channel, channel_with,
    duplex, pipe,
};
pub use dict::{Dict, View};
pub use error::TaskError;
pub use list::List;
pub use manager::Manager;
pub use panics::PanicInfo;
pub use plain::Plain;
pub use pool::{
    AsyncResult, Imap, Pool, PoolBuilder, PoolHandle, PoolSize, PoolStatistics, Progress, RemoteResult,
    TaskOptions, WorkerState, WorkerStatistics,
};
pub use process::{Process, ProcessBuilder, Stdio};
#[doc(inline)]
pub use procession_core::{
    Audit, Error, Result,
    objects::Statistics,
    start::{ExitStatus, StartMethod},
};
pub use procession_macros::{main, test};
pub use queue::{GetManyError, JoinableQueue, JoinableQueueBuilder, Lease, PutManyError, Queue};
pub use selector::{Select, Selector};
pub use shared::{Array, ArrayGuard, Integer, Value, ValueGuard};
pub use sync::{
    Barrier, BarrierWait, BoundedSemaphore, Condition, Event, LockError, LockResult, Mutex, MutexGuard, Once,
    OnceValue, Permit, ReadGuard, ReentrantMutex, ReentrantMutexGuard, RwLock, Semaphore, TryLockResult,
    WriteGuard,
};
pub use task::{Initializer, Task};

/// Python's name for a [`Mutex`].
pub type Lock<T> = Mutex<T>;
/// Python's name for a [`ReentrantMutex`].
pub type RLock<T> = ReentrantMutex<T>;
/// The standard library's name for a [`Condition`].
pub type Condvar = Condition;

/// Makes this process ready to start others. The first statement of `main`, in every program that uses this library.
///
/// A process that the library starts is the same program, which comes here and no further: in it this call runs the function
/// that the process is for, and exits (as by [`std::process::exit`]: handlers of `atexit` run there, too). So nothing after it happens
/// twice. What stands before it happens again in each process that is started by [`StartMethod::Spawn`], and once more for all those that
/// the forkserver makes. [`#[procession::main]`](main) puts it where it belongs.
///
/// # Process death
///
/// A new process that can't join its family, because the root died in the meantime, exits here.
#[doc(alias = "freeze_support")]
#[doc(alias = "set_forkserver_preload")]
pub fn init() {
    procession_core::start::init();
}

/// Sets how this process, and those that it starts from now on, start others, where nothing else is said.
///
/// ```
/// procession::set_start_method(procession::StartMethod::Spawn);
/// ```
pub fn set_start_method(method: StartMethod) {
    procession_core::start::set_default_method(method);
}

/// How this process starts others, where nothing else is said.
#[doc(alias = "get_start_method")]
pub fn start_method() -> StartMethod {
    procession_core::start::default_method()
}

/// Looks at everything in the family's shared memory and says what is there. For tests and diagnosis.
///
/// # Errors
///
/// [`is_not_initialised`](Error::is_not_initialised), [`is_forked`](Error::is_forked).
pub fn audit() -> Result<Audit> {
    procession_core::audit()
}

/// The README's example is compiled like those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// What the macros expand to; not for use by hand.
#[doc(hidden)]
pub mod macro_support {
    pub use procession_core::start::set_test_entry;

    /// The name that a test harness knows a test by: its path without the crate.
    pub fn test_name(module: &str, function: &str) -> String {
        match module.split_once("::") {
            Some((_, path)) => format!("{path}::{function}"),
            None => function.to_string(),
        }
    }
}

/// For this project's own tests.
#[doc(hidden)]
#[cfg(feature = "kill-points")]
pub use procession_core::kill_point;
