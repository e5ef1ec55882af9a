//! A descriptor that says whether a source is ready, for programs that poll descriptors.

use super::{Check, Interest, Source, reactor::watch_checked};
use crate::error::{Error, Result};
use rustix::{
    event::{EventfdFlags, eventfd},
    fd::{AsFd, BorrowedFd, OwnedFd},
    io,
};
use std::{
    sync::{Arc, Mutex},
    task::{Wake, Waker},
};

/// Readable when the source may be ready.
pub(crate) struct Pollable {
    fd: Arc<Signal>,
    interest: Mutex<Option<Interest>>,
    check: Check,
}

#[derive(Debug)]
struct Signal(OwnedFd);

impl Signal {
    fn set(&self) {
        // It can't fail but when it's set so often that it needn't be.
        let _ = io::write(&self.0, &1_u64.to_ne_bytes());
    }

    fn clear(&self) {
        let _ = io::read(&self.0, &mut [0; 8]);
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Signal>) {
        self.set();
    }
}

impl std::fmt::Debug for Pollable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pollable").field("fd", &self.fd).finish_non_exhaustive()
    }
}

impl Pollable {
    /// `check` says whether the source is ready, also later.
    pub(crate) fn new(check: Check) -> Result<Pollable> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|e| Error::system("could not make a descriptor to be polled", e))?;
        Ok(Pollable { fd: Arc::new(Signal(fd)), interest: Mutex::new(None), check })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.0.as_fd()
    }

    /// To be called after the source may have become unready.
    ///
    /// # Errors
    ///
    /// Those of `watch`.
    pub(crate) fn refresh(&self, source: &Source<'_>) -> Result<()> {
        let mut interest = self.interest.lock().unwrap_or_else(|e| e.into_inner());
        // First: what becomes ready from now on sets it again.
        self.fd.clear();
        *interest = None;
        match watch_checked(source, &Waker::from(self.fd.clone()), Some(self.check.clone())) {
            Ok(Some(watched)) => *interest = Some(watched),
            Ok(None) => self.fd.set(),
            Err(e) => {
                // Whoever looks sees whether it's ready.
                self.fd.set();
                return Err(e);
            }
        }
        Ok(())
    }

    /// Whether it will be set when the source becomes ready.
    pub(crate) fn is_watched(&self) -> bool {
        self.interest.lock().unwrap_or_else(|e| e.into_inner()).is_some()
    }
}
