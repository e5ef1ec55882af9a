//! The family of this process: the arena, and in the root also the children, the monitor and the lifeline.

mod child;
mod children;
mod monitor;
mod requests;
mod root;
mod service;

pub(crate) use child::join;
pub(crate) use children::Child;
pub(crate) use requests::{Started, ask};
pub(crate) use root::Root;

use crate::{
    arena::Arena,
    error::{Error, ErrorKind, Result},
    sys::{clone::leave, sentinel},
};
use rustix::fd::OwnedFd;
use std::sync::{
    Mutex, OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// What this process belongs to.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) arena: Arena,
    /// In the root only.
    pub(crate) root: Option<Root>,
    /// In members only: where they ask the root to start processes.
    requests: Option<OwnedFd>,
}

static FAMILY: OnceLock<Family> = OnceLock::new();
static INITIALISED: AtomicBool = AtomicBool::new(false);

/// Remembers that the program called `init()`.
pub(crate) fn set_initialised() {
    INITIALISED.store(true, Ordering::Release);
}

/// This process's family. The first use in a root creates it.
///
/// # Errors
///
/// Not initialised, forked; and whatever keeps a new family from being made.
#[inline]
pub(crate) fn current() -> Result<&'static Family> {
    match FAMILY.get() {
        Some(family) if sentinel::is_member() => Ok(family),
        Some(_) => Err(Error::new(
            ErrorKind::Forked,
            "this process is a plain fork of a member: it may not use the member's objects; exec, or start a Process instead",
        )),
        None => create(),
    }
}

#[cold]
fn create() -> Result<&'static Family> {
    static CREATING: Mutex<()> = Mutex::new(());
    if !INITIALISED.load(Ordering::Acquire) {
        return Err(Error::new(
            ErrorKind::NotInitialised,
            "procession::init() was not called: make it the first statement of main (or use #[procession::main]; for tests, #[procession::test])",
        ));
    }
    let creating = CREATING.lock().unwrap_or_else(|e| e.into_inner());
    if FAMILY.get().is_none() {
        let family = Root::found()?;
        // The thread first: a family without a monitor must not be.
        monitor::start().map_err(|e| match e.kind() {
            std::io::ErrorKind::PermissionDenied => Error::new(
                ErrorKind::Unsupported,
                format!(
                    "could not start the monitor thread: {e}; does a filter refuse clone3? It must do so with ENOSYS"
                ),
            ),
            _ => Error::system("could not start the monitor thread", e),
        })?;
        let _ = FAMILY.set(family);
    }
    drop(creating);
    current()
}

/// Ends this process if it's a plain fork of a member. For after a function has run: if that forked, and the copy comes
/// back as well, it must not go on as the member.
#[inline]
pub(crate) fn end_if_forked() {
    if !sentinel::is_member() {
        end_fork();
    }
}

#[cold]
fn end_fork() -> ! {
    eprintln!(
        "procession: a function that runs in another process forked, and the copy returned from it; the copy ends"
    );
    // Nothing of the member's may be run.
    leave(101)
}

/// Whether this process has a family already.
pub(crate) fn is_joined() -> bool {
    FAMILY.get().is_some()
}

/// Says that this process is a member of somebody else's family.
fn adopt(family: Family) -> &'static Family {
    let _ = FAMILY.set(family);
    FAMILY.get().expect("just set")
}
