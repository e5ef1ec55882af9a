//! Processes that run a function.

mod builder;
mod stdio;

pub use builder::ProcessBuilder;
pub use stdio::Stdio;

use crate::{TaskError, error, task::Task};
use procession_core::{
    Deadline, Error, ErrorKind, Parcel, Result, Signal,
    start::{Exit, ExitStatus, Running, Verdict},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt,
    marker::PhantomData,
    process::{ChildStderr, ChildStdin, ChildStdout},
    sync::OnceLock,
    time::Duration,
};

/// A function that runs in a process of its own.
///
/// Dropping a `Process` doesn't end it: it runs on, and nobody hears of its value. When the root exits in an orderly
/// way it waits for its processes first, except for daemons, which it ends; when the root is killed they all end.
///
/// # Process death
///
/// However the process ends, [`join`](Process::join) returns: with the value if the function had given it, else with
/// what happened. No zombie is left, whether or not anybody joins.
///
/// # Examples
///
/// ```standalone_crate
/// use procession::Process;
///
/// fn add(a: u64, b: u64) -> u64 {
///     a + b
/// }
///
/// fn main() -> procession::Result<()> {
///     procession::init();
///     let process = Process::spawn(add, (2, 3))?;
///     assert_eq!(process.join()?, 5);
///     Ok(())
/// }
/// ```
#[doc(alias = "sentinel")]
pub struct Process<R> {
    running: Running,
    name: String,
    pipes: Pipes,
    /// What it left, once it has ended.
    outcome: OnceLock<Result<Left, TaskError>>,
    result: PhantomData<fn() -> R>,
}

/// The parent's ends of piped standard streams.
#[derive(Debug, Default)]
struct Pipes {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
}

type Left = (Verdict, Parcel);

impl Process<()> {
    /// A process with settings of its own.
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder::default()
    }
}

impl<R: Serialize + DeserializeOwned> Process<R> {
    /// Runs `f` in a new process. Returns when the process has been started, without waiting for it to run.
    ///
    /// # Errors
    ///
    /// - [`is_not_initialised`](Error::is_not_initialised): the program didn't call [`init`](crate::init) first.
    /// - [`is_codec`](Error::is_codec): an argument can't be encoded.
    /// - [`is_start_failed`](Error::is_start_failed): the system starts no more processes, or the family is full.
    /// - [`is_out_of_memory`](Error::is_out_of_memory): the arguments don't fit into shared memory.
    /// - [`is_unsupported`](Error::is_unsupported): this process has changed its user or group since it joined the family.
    #[doc(alias = "start")]
    pub fn spawn<A, F>(f: F, args: A) -> Result<Process<R>>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A, Output = R>,
    {
        ProcessBuilder::default().spawn(f, args)
    }

    /// Waits until the process has ended, and gives what the function returned.
    ///
    /// # Process death
    ///
    /// A function that had returned before its process was killed has returned.
    ///
    /// # Errors
    ///
    /// - [`TaskError::Panicked`]: the function panicked.
    /// - [`TaskError::Died`]: the process ended otherwise, with this status.
    /// - [`TaskError::Codec`]: its arguments couldn't be decoded, or its value couldn't be encoded.
    /// - [`TaskError::Failed`]: the process ended before it reached [`init`](crate::init).
    pub fn join(self) -> Result<R, TaskError> {
        procession_core::check()?;
        self.wait_until(Deadline::NEVER).expect("a wait without a deadline ends with an outcome")
    }

    /// Waits like [`join`](Process::join), for at most `timeout`: `None` if it hasn't ended by then. The process isn't
    /// disturbed, and can be joined later.
    ///
    /// # Errors
    ///
    /// Those of [`join`](Process::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<Option<R>, TaskError> {
        procession_core::check()?;
        self.wait_until(Deadline::after(timeout)).transpose()
    }

    fn wait_until(&self, deadline: Deadline) -> Option<Result<R, TaskError>> {
        let exit = self.running.wait(deadline)?;
        let outcome = self.outcome.get_or_init(|| self.look(exit));
        Some(match outcome {
            Ok((verdict, parcel)) => error::outcome(*verdict, &parcel.bytes, &parcel.shares),
            Err(e) => Err(e.clone()),
        })
    }

    fn look(&self, exit: Exit) -> Result<Left, TaskError> {
        match self.running.take_result()? {
            Some(left) => Ok(left),
            None => Err(death(exit)),
        }
    }
}

/// The error for a function whose process ended without leaving a result.
pub(crate) fn death(exit: Exit) -> TaskError {
    if !exit.is_failed_start() {
        return TaskError::Died(exit.status);
    }
    let what = if exit.overdue {
        "the new process didn't reach procession::init() in time, and was killed".to_string()
    } else {
        format!("the new process ended ({}) before it reached procession::init()", exit.status)
    };
    let text = format!("{what}; is init() the first statement of main, on every path?");
    TaskError::Failed(Error::new(ErrorKind::StartFailed, text))
}

impl<R> Process<R> {
    pub(crate) fn source(&self) -> Result<procession_core::select::Source<'_>> {
        self.running.source()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// The name it was given; empty if none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it hasn't ended yet.
    pub fn is_alive(&self) -> bool {
        self.running.exit().is_none()
    }

    /// How it ended, if it has.
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.running.exit().map(|exit| exit.status)
    }

    /// Asks it to end (SIGTERM). Nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn terminate(&self) -> Result<()> {
        self.running.signal(Signal::TERM)
    }

    /// Ends it (SIGKILL), wherever it is. Nothing happens if it has ended. Doesn't wait for the end.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn kill(&self) -> Result<()> {
        self.running.signal(Signal::KILL)
    }

    /// Interrupts it as Ctrl-C would (SIGINT). Nothing happens if it has ended.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn interrupt(&self) -> Result<()> {
        self.running.signal(Signal::INT)
    }

    /// Its standard input, if that is [piped](Stdio::piped); once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.pipes.stdin.take()
    }

    /// Its standard output, if that is [piped](Stdio::piped); once.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.pipes.stdout.take()
    }

    /// Its standard error, if that is [piped](Stdio::piped); once.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.pipes.stderr.take()
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Process");
        out.field("name", &self.name)
            .field("pid", &self.pid())
            .field("exit_status", &self.exit_status())
            .finish()
    }
}
