//! What tests of objects have in common.

mod begin;

pub(crate) use begin::begin;

use std::thread;

/// Everything has gone: objects, references, blocks.
pub(crate) fn assert_nothing_left() {
    procession_core::sweep().unwrap();
    let audit = procession::audit().unwrap();
    let left = (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible);
    assert_eq!(left, (0, 0, 0, 0, 0), "{audit:?}");
}

/// Waits until so many sleep for the object.
pub(crate) fn until_waiting(count: usize, waiters: impl Fn() -> usize) {
    while waiters() != count {
        thread::yield_now();
    }
}

pub(crate) fn park() {
    loop {
        thread::park();
    }
}
