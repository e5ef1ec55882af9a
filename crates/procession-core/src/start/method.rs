//! How processes are started.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// How a process is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum StartMethod {
    /// The family's *forkserver* forks it: a small copy of the program that stopped inside `init()`, has one thread, and is
    /// started at the first use. It takes about a third of the time of [`Spawn`](StartMethod::Spawn), whatever the size of
    /// the parent.
    ///
    /// The process gets the environment, directory, streams, limits and so on that its starter has at that moment. But code
    /// that runs before `init()` ran earlier, once for all of them; so variables that such code or the loader reads have no
    /// effect any more. Handlers of `pthread_atfork` don't run. The forkserver and two processes that it keeps ready are children
    /// of the root, also for `waitpid(-1)`. PLATFORM.md has the details.
    ///
    /// Where that can't work, processes are started by `Spawn`, and the root says so once, on its standard error: when
    /// code that runs before `init()` starts threads, when the system forbids such a fork, or when the forkserver fails over
    /// and over. Under the standard test harness, where there are always threads, `Spawn` is used without a word.
    #[default]
    ForkServer = 1,
    /// The program is executed anew for each process (`posix_spawn` of the running executable): about a millisecond,
    /// whatever the size of the parent.
    Spawn = 2,
}

static DEFAULT: AtomicU32 = AtomicU32::new(StartMethod::ForkServer as u32);

impl StartMethod {
    /// The method that the bits stand for.
    pub(crate) fn from_bits(bits: u32) -> Option<StartMethod> {
        [StartMethod::ForkServer, StartMethod::Spawn].into_iter().find(|method| *method as u32 == bits)
    }
}

/// How this process starts others if nothing else is said.
pub fn default_method() -> StartMethod {
    StartMethod::from_bits(DEFAULT.load(Relaxed)).unwrap_or_default()
}

/// Sets how this process, and those that it starts from now on, start others if nothing else is said.
pub fn set_default_method(method: StartMethod) {
    DEFAULT.store(method as u32, Relaxed);
}
