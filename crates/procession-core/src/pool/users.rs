//! Who uses a record whose block goes to somebody else some time. Counted in private memory: the record's own words may be another's by
//! then.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// How many users there are, and `FREE` once there may be no more.
#[derive(Debug)]
pub(super) struct Users(AtomicU64);

const FREE: u64 = 1 << 63;

impl Users {
    pub(super) const fn new() -> Users {
        Users(AtomicU64::new(0))
    }

    /// One more; false if the record may be another's already.
    pub(super) fn enter(&self) -> bool {
        let may = self.0.fetch_add(1, SeqCst) & FREE == 0;
        if !may {
            self.leave();
        }
        may
    }

    /// One who has entered doesn't use it any more.
    pub(super) fn leave(&self) {
        self.0.fetch_sub(1, SeqCst);
    }

    /// Nobody enters from now on; false if somebody is there, or it was done before.
    pub(super) fn close(&self) -> bool {
        self.0.compare_exchange(0, FREE, SeqCst, SeqCst).is_ok()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.load(SeqCst) & FREE != 0
    }
}
