//! Signal masks and ignored signals, as sets of bits (signal 1 is bit 0); the handlers of a pool's workers.

use crate::atomic::{AtomicU32, Ordering::Release};
use std::{
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// The highest signal.
const SIGNALS: i32 = 64;

/// Replaces the calling thread's mask (`None`: leaves it) and gives what it was.
pub(crate) fn mask(new: Option<u64>) -> u64 {
    let set = new.map(|bits| {
        let mut set = MaybeUninit::uninit();
        // SAFETY: bounds: one set, emptied before it's used; numbers within 1..=64. Aliasing: ours alone. Lifetime: for
        // the calls.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in (1..=SIGNALS).filter(|signal| bits >> (signal - 1) & 1 != 0) {
                // The C library keeps two for itself and refuses those.
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            set.assume_init()
        }
    });
    let mut old = MaybeUninit::uninit();
    // SAFETY: bounds: reads one set (or none) and writes one. Aliasing: ours alone. Lifetime: for the calls. It changes
    // the mask of this thread only.
    unsafe {
        let new = set.as_ref().map_or(ptr::null(), ptr::from_ref);
        libc::pthread_sigmask(libc::SIG_SETMASK, new, old.as_mut_ptr());
        let old = old.assume_init();
        (1..=SIGNALS)
            .filter(|signal| libc::sigismember(&raw const old, *signal) == 1)
            .fold(0, |bits, signal| bits | 1 << (signal - 1))
    }
}

/// Ignores a signal, or gives it back its default effect.
pub(crate) fn ignore(signal: i32, ignored: bool) {
    let action = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: bounds: numbers only; the kernel refuses those that can't be changed. Aliasing: no handler of ours is
    // replaced. Lifetime: no memory is passed.
    unsafe { libc::signal(signal, action) };
}

/// Has a signal do nothing, if its effect is the default one. Unlike an ignored signal it has that effect again in whatever program
/// this process starts.
pub(crate) fn shrug_off(signal: i32) {
    extern "C" fn nothing(_: i32) {}
    // SAFETY: bounds: one action, all zeros of which are one without flags, mask or handler. Aliasing: ours alone; nobody's handler is
    // replaced, not even for a moment. Lifetime: the handler is a function of this program, and touches nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let is_known = libc::sigaction(signal, ptr::null(), &raw mut action) == 0;
        if is_known && action.sa_sigaction == libc::SIG_DFL {
            action = std::mem::zeroed();
            action.sa_sigaction = nothing as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(signal, &raw const action, ptr::null_mut());
        }
    }
}

/// Where `note_starvation` notes it.
static STARVED: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());

/// Has the word set to 1 when this process aborts and the last thing that went wrong in that thread was that it got no memory. (An
/// allocation that fails leaves ENOMEM, and a Rust program that can't go on without it aborts.)
pub(crate) fn note_starvation(word: &'static AtomicU32) {
    extern "C" fn aborted(signal: i32) {
        // SAFETY: bounds: this thread's errno, and a word that is never freed. Aliasing: one is the thread's own, the other atomic.
        // Lifetime: static. All of it may be done in a signal handler.
        unsafe {
            if *libc::__errno_location() == libc::ENOMEM
                && let Some(word) = STARVED.load(Ordering::Acquire).as_ref()
            {
                word.store(1, Release);
            }
            // It comes again when this returns, and ends the process.
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
    STARVED.store(ptr::from_ref(word).cast_mut(), Ordering::Release);
    // SAFETY: bounds: one action, as above, for a number. Aliasing: ours alone; who wants another handler replaces this one. Lifetime:
    // the handler is a function of this program.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = aborted as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK;
        libc::sigaction(libc::SIGABRT, &raw const action, ptr::null_mut());
    }
}

/// What went wrong in this thread before doesn't count any more.
pub(crate) fn forget_starvation() {
    // SAFETY: bounds: one number. Aliasing: it's this thread's own. Lifetime: for the store.
    unsafe { *libc::__errno_location() = 0 };
}
