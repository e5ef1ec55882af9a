//! The C library's mutex, condition and semaphore, of the kind that processes share.

use std::{
    cell::UnsafeCell,
    ffi::c_int,
    mem::MaybeUninit,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// How the lock was got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Locked {
    Clean,
    /// From a dead holder.
    Recovered,
}

/// A lock that survives whoever holds it.
#[repr(transparent)]
pub(super) struct RobustMutex(UnsafeCell<libc::pthread_mutex_t>);

/// The value of a call that can fail only by a mistake of ours.
fn right(code: c_int) {
    assert_eq!(code, 0, "a call of the C library");
}

impl RobustMutex {
    /// Makes it, before anybody else knows it.
    pub(super) fn init(&self) {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: bounds: attributes of our own, and a place for one mutex. Aliasing: nobody else knows either. Lifetime: the
        // attributes for these calls, the place as long as it's mapped.
        unsafe {
            right(libc::pthread_mutexattr_init(attributes.as_mut_ptr()));
            right(libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED));
            right(libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST));
            right(libc::pthread_mutex_init(self.0.get(), attributes.as_ptr()));
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked {
        // SAFETY: bounds: a mutex. Aliasing: made to be called by many. Lifetime: mapped while it's borrowed.
        match unsafe { libc::pthread_mutex_lock(self.0.get()) } {
            libc::EOWNERDEAD => {
                // SAFETY: as above; this thread has it.
                right(unsafe { libc::pthread_mutex_consistent(self.0.get()) });
                Locked::Recovered
            }
            code => {
                right(code);
                Locked::Clean
            }
        }
    }

    #[inline]
    pub(super) fn unlock(&self) {
        // SAFETY: bounds: a mutex. Aliasing: made to be called by many. Lifetime: mapped while it's borrowed.
        right(unsafe { libc::pthread_mutex_unlock(self.0.get()) });
    }
}

/// A flag that is raised by one and taken down by another who waits for it, by a mutex and a condition.
#[repr(C)]
pub(super) struct Flag {
    mutex: RobustMutex,
    condition: UnsafeCell<libc::pthread_cond_t>,
    /// Changed under the lock.
    is_up: AtomicBool,
}

impl Flag {
    /// Makes it, before anybody else knows it.
    pub(super) fn init(&self) {
        self.mutex.init();
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: as in `RobustMutex::init`.
        unsafe {
            right(libc::pthread_condattr_init(attributes.as_mut_ptr()));
            right(libc::pthread_condattr_setpshared(attributes.as_mut_ptr(), libc::PTHREAD_PROCESS_SHARED));
            right(libc::pthread_cond_init(self.condition.get(), attributes.as_ptr()));
        }
    }

    pub(super) fn raise(&self) {
        let _ = self.mutex.lock();
        self.is_up.store(true, Relaxed);
        // SAFETY: bounds: a condition. Aliasing: made to be called by many. Lifetime: mapped while it's borrowed.
        right(unsafe { libc::pthread_cond_signal(self.condition.get()) });
        self.mutex.unlock();
    }

    pub(super) fn take(&self) {
        let _ = self.mutex.lock();
        while !self.is_up.load(Relaxed) {
            // SAFETY: bounds: a condition and its mutex, which this thread has. Aliasing: made to be called by many. Lifetime:
            // mapped while they are borrowed.
            right(unsafe { libc::pthread_cond_wait(self.condition.get(), self.mutex.0.get()) });
        }
        self.is_up.store(false, Relaxed);
        self.mutex.unlock();
    }
}

/// A counting semaphore.
#[repr(transparent)]
pub(super) struct Semaphore(UnsafeCell<libc::sem_t>);

impl Semaphore {
    /// Makes it, before anybody else knows it: without any permits.
    pub(super) fn init(&self) {
        // SAFETY: bounds: a place for one. Aliasing: nobody else knows it. Lifetime: as long as it's mapped.
        right(unsafe { libc::sem_init(self.0.get(), 1, 0) });
    }

    pub(super) fn release(&self) {
        // SAFETY: bounds: a semaphore. Aliasing: made to be called by many. Lifetime: mapped while it's borrowed.
        right(unsafe { libc::sem_post(self.0.get()) });
    }

    pub(super) fn acquire(&self) {
        // SAFETY: as above.
        right(unsafe { libc::sem_wait(self.0.get()) });
    }
}
