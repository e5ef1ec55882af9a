//! Signal masks and ignored signals, as sets of bits (signal 1 is bit 0).

use std::{mem::MaybeUninit, ptr};

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
