//! What processes share to work together: locks, semaphores, conditions, events, barriers.

mod barrier;
mod condition;
mod event;
mod lock_error;
mod mutex;
mod once;
mod reentrant_mutex;
mod rw_lock;
mod semaphore;

pub use barrier::{Barrier, BarrierWait};
pub use condition::Condition;
pub use event::Event;
pub use lock_error::{LockError, LockResult, TryLockResult};
pub(crate) use lock_error::{checked, checked_try, must};
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceValue};
pub use reentrant_mutex::{ReentrantMutex, ReentrantMutexGuard};
pub use rw_lock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{BoundedSemaphore, Permit, Semaphore};
