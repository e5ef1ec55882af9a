//! A process with settings of its own.

use super::{Pipes, Process, Stdio};
use crate::{
    codec,
    task::{Task, descriptor},
};
use procession_core::{Result, start::Launch};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    ffi::{OsStr, OsString},
    marker::PhantomData,
    path::PathBuf,
    sync::OnceLock,
};

/// How a process is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartMethod {
    /// The program is executed anew for each process (`posix_spawn` of the running executable): about a millisecond,
    /// whatever the size of the parent.
    #[default]
    Spawn,
}

/// Settings for a new process; made by [`Process::builder`], used up by [`spawn`](Builder::spawn).
///
/// ```no_run
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
pub struct Builder {
    name: String,
    daemon: bool,
    method: StartMethod,
    environment: Vec<(OsString, Option<OsString>)>,
    clear_environment: bool,
    current_dir: Option<PathBuf>,
    stdio: [Stdio; 3],
}

impl Builder {
    /// Its name: in messages, and (the first 15 bytes) in `ps`.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = name.into();
        self
    }

    /// Whether the root's orderly exit ends it (true) or waits for it (false, the default). When the root is killed it
    /// ends either way.
    pub fn daemon(mut self, daemon: bool) -> Builder {
        self.daemon = daemon;
        self
    }

    /// How it's started.
    pub fn start_method(mut self, method: StartMethod) -> Builder {
        self.method = method;
        self
    }

    /// Sets an environment variable for it.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Builder {
        self.environment.push((name.as_ref().to_owned(), Some(value.as_ref().to_owned())));
        self
    }

    /// Sets environment variables for it.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Builder {
        for (name, value) in variables {
            self = self.env(name, value);
        }
        self
    }

    /// Keeps an environment variable of this process from it.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Builder {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    /// Keeps all environment variables of this process from it, except for those set with [`env`](Builder::env).
    pub fn env_clear(mut self) -> Builder {
        self.clear_environment = true;
        self
    }

    /// The directory that it starts in.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Builder {
        self.current_dir = Some(dir.into());
        self
    }

    /// Its standard input.
    pub fn stdin(mut self, stdio: impl Into<Stdio>) -> Builder {
        self.stdio[0] = stdio.into();
        self
    }

    /// Its standard output.
    pub fn stdout(mut self, stdio: impl Into<Stdio>) -> Builder {
        self.stdio[1] = stdio.into();
        self
    }

    /// Its standard error.
    pub fn stderr(mut self, stdio: impl Into<Stdio>) -> Builder {
        self.stdio[2] = stdio.into();
        self
    }

    /// Runs `f` in a new process with these settings; see [`Process::spawn`].
    ///
    /// # Errors
    ///
    /// Those of [`Process::spawn`]; also [`is_invalid_argument`](procession_core::Error::is_invalid_argument) for a nul
    /// byte in the environment or the directory.
    pub fn spawn<A, F>(self, f: F, args: A) -> Result<Process<F::Output>>
    where
        A: Serialize + DeserializeOwned,
        F: Task<A>,
    {
        // A value of the type is all that was needed of it: there is only one.
        let _ = f;
        let mut argument = Vec::new();
        codec::encode(&args, &mut argument)?;
        let [stdin, stdout, stderr] = self.stdio;
        let (stdin, to_stdin) = stdin.open(true)?;
        let (stdout, from_stdout) = stdout.open(false)?;
        let (stderr, from_stderr) = stderr.open(false)?;
        let StartMethod::Spawn = self.method;
        let mut launch = Launch::new(descriptor::<F, A>().id()?, &argument);
        launch.name = &self.name;
        launch.daemon = self.daemon;
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
