//! An asymmetric fence: cheap on the side that is hot, dear on the side that is about to sleep.
//!
//! A producer that publishes and then looks whether somebody sleeps needs a store-load fence (about 8 ns), on every
//! message. `membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED)` lets the sleeper pay for both: it runs a fence on every core
//! that runs a registered process. Where the kernel or a filter refuses it, both sides use the ordinary fence.
//!
//! All members of a family must agree, so the root probes once and writes the answer into the arena's header.

#[cfg(loom)]
use loom::sync::atomic::fence;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{compiler_fence, fence};

static EXPEDITED: AtomicBool = AtomicBool::new(false);

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: bounds: no memory is passed. Aliasing: none. Lifetime: none.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Registers this process as one that `heavy` reaches; false where that is refused.
pub(crate) fn register() -> bool {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

/// Whether the family can use the expedited barrier: asked once, by its root.
pub(crate) fn probe() -> bool {
    register() && membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

/// Makes `light` a compiler fence in this process. Only after every member registered (see the module).
pub(crate) fn use_expedited() {
    EXPEDITED.store(true, Ordering::SeqCst);
}

/// The fence of the hot side, between publishing and looking for sleepers.
#[cfg(not(loom))]
#[inline]
pub(crate) fn light() {
    if EXPEDITED.load(Ordering::Relaxed) { compiler_fence(Ordering::SeqCst) } else { fence(Ordering::SeqCst) }
}

/// A full fence after a locked instruction: which is one itself on some machines.
#[cfg(not(loom))]
#[inline]
pub(crate) fn after_locked() {
    if cfg!(target_arch = "x86_64") { compiler_fence(Ordering::SeqCst) } else { fence(Ordering::SeqCst) }
}

#[cfg(loom)]
pub(crate) use light as after_locked;

/// The fence of the side that is about to sleep, between announcing that and looking once more.
#[cfg(not(loom))]
pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
    if EXPEDITED.load(Ordering::Relaxed) && !membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED) {
        // It worked for the root, so this process has a filter that the root has not. Without it a wake-up may be missed until the next
        // slice of the wait ends; that is slow, never wrong.
        fence(Ordering::SeqCst);
    }
}

#[cfg(loom)]
pub(crate) fn light() {
    fence(Ordering::SeqCst);
}

#[cfg(loom)]
pub(crate) fn heavy() {
    fence(Ordering::SeqCst);
}
