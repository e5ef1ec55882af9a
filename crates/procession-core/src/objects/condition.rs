//! A condition variable.

use super::{MutexGuard, handle, record, waits};
use crate::{
    error::Result,
    members::Owner,
    references::{Header, Held, Share, Shared},
    sync::EventCount,
    sys::clock::Deadline,
    wait,
};
use bytemuck::Pod;
use std::sync::Arc;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct ConditionRecord {
    header: Header,
    change: EventCount,
}

record!(ConditionRecord, Condition);

impl Held for ConditionRecord {
    fn mark(&self, _dead: Owner) {
        self.change.broadcast();
    }
}

/// A condition variable.
pub struct Condition {
    shared: Shared<ConditionRecord>,
}

handle!(Condition);

impl Condition {
    /// A condition that nobody waits for.
    pub fn new() -> Result<Condition> {
        let shared = Shared::create(size_of::<ConditionRecord>(), 0, |_: &ConditionRecord, _| Ok(()))?;
        Ok(Condition { shared })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<Condition> {
        Ok(Condition { shared: Shared::from_share(share, 0)? })
    }

    /// Releases the lock, waits for a notification or the deadline, and takes the lock again: also whether it was notified.
    pub fn wait<'a, T: Pod>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Deadline,
    ) -> Result<(MutexGuard<'a, T>, bool)> {
        self.shared.checked()?;
        let (mutex, change) = (guard.mutex(), &self.shared.change);
        // Under the lock: who notifies after this thread has let go of it sees this.
        let key = change.announce();
        drop(guard);
        let notified = || change.has_changed(key).then_some(());
        let notified = wait::spin(notified).or_else(|| {
            let _note = waits::note(&self.shared);
            loop {
                if change.has_changed(key) {
                    return Some(());
                }
                if deadline.has_passed() {
                    return None;
                }
                change.sleep(key, deadline);
            }
        });
        let guard = mutex.lock(Deadline::NEVER)?.expect("a wait without a deadline ends with the lock");
        Ok((guard, notified.is_some()))
    }

    /// Wakes one of those who wait.
    pub fn notify_one(&self) -> Result<()> {
        self.shared.checked()?;
        self.shared.change.notify_one();
        Ok(())
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) -> Result<()> {
        self.shared.checked()?;
        self.shared.change.notify();
        Ok(())
    }

    fn details(&self) -> [(&'static str, u64); 0] {
        []
    }
}
