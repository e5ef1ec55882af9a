//! Why a lock gave no guard, or one that needs a second look.

use procession_core::{Error, ErrorKind};
use std::fmt;

/// A lock was poisoned, or couldn't be taken.
///
/// Poisoned means that who held it died or panicked: what it protects may be half changed. The lock has been taken all the
/// same, as in [`std::sync`]: [`into_inner`](LockError::into_inner) gives the guard. Like every error of this library it becomes
/// an [`Error`] by `?`. (It has the guard, so it can't leave the lock's scope as it is: for a `Box<dyn Error>` there is
/// `map_err(Error::from)`.)
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// let list = procession::Mutex::new([0_u64; 4])?;
/// let mut list = list.lock().unwrap_or_else(|e| e.into_inner()); // all the same to us
/// list[0] += 1;
/// # Ok(()) }
/// ```
pub struct LockError<G> {
    error: Error,
    guard: Option<G>,
}

impl<G> LockError<G> {
    pub(crate) fn poisoned(guard: G) -> LockError<G> {
        let text =
            "a process or thread that held the lock died or panicked: what it protects may be half changed";
        LockError { error: Error::new(ErrorKind::Poisoned, text), guard: Some(guard) }
    }

    /// The lock, which is held, and what it protects.
    ///
    /// # Panics
    ///
    /// If the lock couldn't be taken: this thread has it already, or this process is a plain fork.
    #[track_caller]
    pub fn into_inner(self) -> G {
        match self.guard {
            Some(guard) => guard,
            None => panic!("the lock isn't held: {}", self.error),
        }
    }

    /// Whether the lock is poisoned, and held.
    pub fn is_poisoned(&self) -> bool {
        self.guard.is_some()
    }

    /// What went wrong.
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl<G> From<Error> for LockError<G> {
    fn from(error: Error) -> LockError<G> {
        LockError { error, guard: None }
    }
}

impl<G> From<LockError<G>> for Error {
    fn from(error: LockError<G>) -> Error {
        error.error
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl<G> std::error::Error for LockError<G> {}

/// What taking a lock gives.
pub type LockResult<G> = Result<G, LockError<G>>;

/// What trying to take a lock gives: no guard if somebody else has it.
pub type TryLockResult<G> = Result<Option<G>, LockError<G>>;

/// A guard as the result of a lock that may be poisoned.
pub(crate) fn checked<G>(guard: G, is_poisoned: impl FnOnce(&G) -> bool) -> LockResult<G> {
    if is_poisoned(&guard) { Err(LockError::poisoned(guard)) } else { Ok(guard) }
}

/// The same, of one that was tried.
pub(crate) fn checked_try<G>(guard: Option<G>, is_poisoned: impl FnOnce(&G) -> bool) -> TryLockResult<G> {
    guard.map(|guard| checked(guard, is_poisoned)).transpose()
}

/// What is left when a wait without a deadline has ended.
pub(crate) fn must<T>(found: Option<T>) -> T {
    found.expect("a wait without a deadline ends with what it waits for")
}
