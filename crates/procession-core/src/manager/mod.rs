//! Managers: what one made ends with it. `README.md` has the protocol and its kill table.

mod close;

pub(crate) use close::{doubt, finish, postpone};

use crate::{
    arena::{Arena, Kind, Object, Stable},
    error::Result,
    family,
    members::Owner,
    objects::handle,
    recovery,
    references::{Held, Maker, ManagerRecord, Share, Shared, shut_down},
};
use std::sync::Arc;

impl Object for ManagerRecord {
    const KIND: Kind = Kind::Manager;
    const CLASS: Option<Stable> = Some(Stable::Manager);
}

impl Held for ManagerRecord {
    fn mark(&self, _arena: &Arena, _dead: Owner) {
        // Nobody waits for a manager; for those who wait for what it made see `doubt`.
    }

    fn disturb(&self, _arena: &Arena) {}

    fn clear(&self, share: &Arc<Share>) -> bool {
        // What it made is closed next.
        self.life.end(share.arena(), self.life.state());
        true
    }
}

/// What makes objects, which end with it.
pub struct Manager {
    shared: Shared<ManagerRecord>,
}

handle!(Manager);

impl Manager {
    /// A manager that has made nothing.
    pub fn new() -> Result<Manager> {
        let shared = Shared::create(size_of::<ManagerRecord>(), 0, |record: &ManagerRecord, _| {
            record.life.begin(family::current()?.arena.new_generation());
            Ok(())
        })?;
        Ok(Manager { shared })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<Manager> {
        Ok(Manager { shared: Shared::from_share(share, 0)? })
    }

    fn maker(&self) -> Result<Maker> {
        self.shared.checked()?;
        let maker = Maker::new(self.shared.share().target(), self.shared.get());
        maker.ok_or_else(|| shut_down(Kind::Manager))
    }

    /// Runs `make`: the objects that this thread makes meanwhile are the manager's.
    pub fn own<R, E: From<crate::Error>>(&self, make: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        self.maker()?.run(make)
    }

    /// Ends everything that it made. Nothing happens if it's shut down already.
    pub fn shutdown(&self) -> Result<()> {
        let arena = &family::current()?.arena;
        self.shared.life.end(arena, self.shared.life.state());
        if !finish(arena) {
            // Somebody who was stopped is in the way: a later sweep does it.
            arena.count_death();
        }
        recovery::try_sweep(arena);
        Ok(())
    }

    /// Whether it has been shut down.
    pub fn is_shut_down(&self) -> bool {
        self.maker().is_err()
    }

    fn details(&self) -> [(&'static str, u64); 1] {
        [("shut_down", self.is_shut_down().into())]
    }
}
