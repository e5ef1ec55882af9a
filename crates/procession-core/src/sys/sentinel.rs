//! Notices a plain `fork`: a private page that reads as zero in the copy (`MADV_WIPEONFORK`).
//!
//! A forked copy of a member believes that it owns the member's slot: it would release the member's locks and close its
//! ends. So every entry point asks this page first. Without WIPEONFORK (kernels before 4.14, some sandboxes) the process
//! id is compared instead, which costs a system call.

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};
use std::{
    ptr,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

const MEMBER: usize = 1;

/// The page, once armed; null before, and where the kernel has no WIPEONFORK.
static PAGE: AtomicPtr<AtomicUsize> = AtomicPtr::new(ptr::null_mut());
static PID: AtomicUsize = AtomicUsize::new(0);

/// Makes the page, for this process or for a fork of it.
pub(crate) fn prepare() {
    if !PAGE.load(Ordering::Relaxed).is_null() {
        return;
    }
    // SAFETY: bounds: a new mapping of one page, used only as one word at its start. Aliasing: private to this process
    // and accessed as an atomic. Lifetime: never unmapped.
    let mapped = unsafe {
        mmap_anonymous(ptr::null_mut(), 4096, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
            .and_then(|page| madvise(page, 4096, Advice::LinuxWipeOnFork).map(|()| page))
    };
    if let Ok(page) = mapped {
        PAGE.store(page.cast(), Ordering::Release);
    }
}

/// Marks this process, and none of its plain forks, as a member.
pub(crate) fn arm() {
    if PID.swap(std::process::id() as usize, Ordering::AcqRel) != 0 {
        return;
    }
    prepare();
    let page = PAGE.load(Ordering::Acquire);
    if !page.is_null() {
        // SAFETY: bounds: `prepare` stored a pointer to a mapped page. Aliasing: atomic. Lifetime: never unmapped.
        unsafe { &*page }.store(MEMBER, Ordering::Relaxed);
    }
}

/// Whether this process armed the sentinel itself, and is not a plain fork of one that did.
#[inline]
pub(crate) fn is_member() -> bool {
    let page = PAGE.load(Ordering::Acquire);
    if page.is_null() {
        return PID.load(Ordering::Relaxed) == std::process::id() as usize;
    }
    // SAFETY: bounds: `prepare` stored a pointer to a mapped page. Aliasing: atomic. Lifetime: never unmapped.
    unsafe { &*page }.load(Ordering::Relaxed) == MEMBER
}
