//! A process with settings of its own.

use super::{Pipes, Process, Stdio};
use crate::{
    codec,
    task::{Task, descriptor},
};
use procession_core::{
    Error, ErrorKind, Result,
    start::{Launch, StartMethod},
};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    ffi::{OsStr, OsString},
    marker::PhantomData,
    path::PathBuf,
    sync::OnceLock,
};

/// Settings for a new process; made by [`Process::builder`], used up by [`spawn`](ProcessBuilder::spawn).
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// use procession::{Process, Stdio};
/// use std::io::Read;
///
/// let mut process = Process::builder()
///     .name("greeter")
///     .env("GREETING", "good evening")
///     .stdout(Stdio::piped())
///     .spawn(|| println!("{}", std::env::var("GREETING").unwrap()), ())?;
/// let mut text = String::new();
/// process.take_stdout().unwrap().read_to_string(&mut text).unwrap();
/// process.join()?;
/// assert_eq!(text, "good evening\n");
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
#[must_use]
pub struct ProcessBuilder {
    name: String,
    daemon: bool,
    method: Option<StartMethod>,
    kill_on_drop: bool,
    nice: Option<i32>,
    memory_limit: Option<u64>,
    cpus: Option<Vec<usize>>,
    environment: Vec<(OsString, Option<OsString>)>,
    clear_environment: bool,
    current_dir: Option<PathBuf>,
    stdio: [Stdio; 3],
}

impl ProcessBuilder {
    /// Its name: in messages, and (the first 15 bytes) in `ps`.
    pub fn name(mut self, name: impl Into<String>) -> ProcessBuilder {
        self.name = name.into();
        self
    }

    /// Whether the root's orderly exit ends it (true) or waits for it (false, the default). When the root is killed it
    /// ends either way.
    pub fn daemon(mut self, daemon: bool) -> ProcessBuilder {
        self.daemon = daemon;
        self
    }

    /// Whether dropping its [`Process`] kills it. So does the death of the process that holds the `Process`.
    pub fn kill_on_drop(mut self, kill_on_drop: bool) -> ProcessBuilder {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// How it's started. The default is what [`set_start_method`](crate::set_start_method) says.
    #[doc(alias = "get_context")]
    pub fn start_method(mut self, method: StartMethod) -> ProcessBuilder {
        self.method = Some(method);
        self
    }

    /// The most bytes of private memory that it may have: heap, stacks of threads, what it maps for itself; what the
    /// family shares doesn't count. (`RLIMIT_DATA`, soft and hard.)
    ///
    /// An allocation beyond it fails, and a Rust program that can't allocate aborts; so joining it gives
    /// [`Died`](crate::TaskError::Died) with SIGABRT. What others have isn't touched.
    pub fn memory_limit(mut self, bytes: u64) -> ProcessBuilder {
        self.memory_limit = Some(bytes);
        self
    }

    /// How nice it is to others that want a processor, from -20 to 19 (the nicest). The default is the starter's. Less than
    /// that takes a privilege; without it, joining gives [`Failed`](crate::TaskError::Failed).
    pub fn nice(mut self, nice: i32) -> ProcessBuilder {
        self.nice = Some(nice);
        self
    }

    /// The processors that it may run on, by number. The default is the starter's.
    pub fn cpu_affinity(mut self, cpus: impl IntoIterator<Item = usize>) -> ProcessBuilder {
        self.cpus = Some(cpus.into_iter().collect());
        self
    }

    /// Sets an environment variable for it. By the forkserver, what runs before [`init`](crate::init) doesn't see it.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> ProcessBuilder {
        self.environment.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Sets environment variables for it.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> ProcessBuilder {
        for (name, value) in variables {
            self = self.env(name, value);
        }
        self
    }

    /// Keeps an environment variable of this process from it.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> ProcessBuilder {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    /// Keeps all environment variables of this process from it, except for those set with [`env`](ProcessBuilder::env).
    pub fn env_clear(mut self) -> ProcessBuilder {
        self.clear_environment = true;
        self
    }

    /// The directory that it starts in.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> ProcessBuilder {
        self.current_dir = Some(dir.into());
        self
    }

    /// Its standard input.
    pub fn stdin(mut self, stdio: impl Into<Stdio>) -> ProcessBuilder {
        self.stdio[0] = stdio.into();
        self
    }

    /// Its standard output.
    pub fn stdout(mut self, stdio: impl Into<Stdio>) -> ProcessBuilder {
        self.stdio[1] = stdio.into();
        self
    }

    /// Its standard error.
    pub fn stderr(mut self, stdio: impl Into<Stdio>) -> ProcessBuilder {
        self.stdio[2] = stdio.into();
        self
    }

    /// Runs `f` in a new process with these settings; see [`Process::spawn`].
    ///
    /// # Errors
    ///
    /// Those of [`Process::spawn`]; also [`is_invalid_argument`](procession_core::Error::is_invalid_argument) for a nul
    /// byte in the environment, a nice value that there isn't, a memory limit of 0, and a set of processors that is empty or
    /// has one above 1023.
    pub fn spawn<A, F>(self, f: F, args: A) -> Result<Process<F::Output>>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A>,
    {
        // A value of the type is all that was needed of it: there is only one.
        let _ = f;
        let argument = codec::pack(&args)?;
        let [stdin, stdout, stderr] = self.stdio;
        let (stdin, to_stdin) = stdin.open(true)?;
        let (stdout, from_stdout) = stdout.open(false)?;
        let (stderr, from_stderr) = stderr.open(false)?;
        let mut launch = Launch::new(descriptor::<F, A>().id()?, &argument);
        launch.name = &self.name;
        launch.daemon = self.daemon;
        launch.kill_on_drop = self.kill_on_drop;
        launch.method = self.method;
        launch.nice = self.nice.map(valid_nice).transpose()?;
        launch.memory_limit = self.memory_limit.map(valid_limit).transpose()?;
        launch.processors = self.cpus.as_deref().map(set_of).transpose()?;
        launch.environment = self.environment;
        launch.clear_environment = self.clear_environment;
        launch.current_dir = self.current_dir;
        launch.stdio = [stdin, stdout, stderr];
        let running = launch.start()?;
        Ok(Process {
            running,
            name: self.name,
            pipes: Pipes {
                stdin: to_stdin.map(Into::into),
                stdout: from_stdout.map(Into::into),
                stderr: from_stderr.map(Into::into),
            },
            outcome: OnceLock::new(),
            result: PhantomData,
        })
    }
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, what)
}

fn valid_nice(nice: i32) -> Result<i32> {
    match nice {
        -20..=19 => Ok(nice),
        _ => Err(invalid(format!("nice({nice}): it goes from -20 to 19"))),
    }
}

fn valid_limit(bytes: u64) -> Result<u64> {
    match bytes {
        1.. => Ok(bytes),
        0 => Err(invalid("memory_limit(0): no process can run without memory".to_string())),
    }
}

fn set_of(cpus: &[usize]) -> Result<[u64; 16]> {
    let mut set = [0; 16];
    for cpu in cpus {
        let word: &mut u64 = set
            .get_mut(cpu / 64)
            .ok_or_else(|| invalid(format!("cpu_affinity: processor {cpu} is above 1023")))?;
        *word |= 1 << (cpu % 64);
    }
    if cpus.is_empty() {
        Err(invalid("cpu_affinity: an empty set of processors".to_string()))
    } else {
        Ok(set)
    }
}
