//! A condition variable.

use super::{MutexGuard, handle, record, waits};
use crate::{
    arena::Arena,
    error::Result,
    members::Owner,
    references::{Header, Held, Share, Shared},
    sync::RawCondition,
    sys::clock::Deadline,
};
use bytemuck::Pod;
use std::sync::Arc;

#[derive(Debug)]
#[repr(C)]
pub(crate) struct ConditionRecord {
    header: Header,
    condition: RawCondition,
}

record!(ConditionRecord, Condition);

impl Held for ConditionRecord {
    fn mark(&self, _arena: &Arena, _dead: Owner) {
        self.condition.mark();
    }

    fn disturb(&self, _arena: &Arena) {
        self.condition.mark();
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
        let mutex = guard.mutex();
        let notified = self.shared.condition.wait(
            || drop(guard),
            deadline,
            |sleep| {
                let _note = waits::note(&self.shared, deadline);
                self.shared.wait(deadline, sleep)
            },
        )?;
        self.shared.check()?;
        let guard = mutex.lock(Deadline::NEVER)?.expect("a wait without a deadline ends with the lock");
        Ok((guard, notified))
    }

    /// Wakes one of those who wait.
    pub fn notify_one(&self) -> Result<()> {
        self.shared.checked()?;
        self.shared.condition.notify_one();
        Ok(())
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) -> Result<()> {
        self.shared.checked()?;
        self.shared.condition.notify_all();
        Ok(())
    }

    fn details(&self) -> [(&'static str, u64); 0] {
        []
    }
}
