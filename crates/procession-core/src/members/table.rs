//! The process table: every slot, and the questions that are asked of all of them.

use crate::{
    atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
        fence,
    },
    members::{Owner, SLOTS, Slot, State, Tag},
    sync::Census,
    sys::{byte_lock, pidfd::Pidfd},
};
use rustix::fd::BorrowedFd;
use std::io;

/// The byte of the arena's file that stands for slot 0; far behind any content.
const LIVENESS_BYTES: u64 = 1 << 60;

/// The process table as one member sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table<'a> {
    slots: &'a [Slot; SLOTS],
    /// Slots from here on were never used.
    used: &'a AtomicU64,
    file: BorrowedFd<'a>,
    /// The slot of the process that looks: it knows of itself that it lives.
    me: Option<usize>,
}

impl<'a> Table<'a> {
    pub(crate) fn new(
        slots: &'a [Slot; SLOTS],
        used: &'a AtomicU64,
        file: BorrowedFd<'a>,
        me: Option<usize>,
    ) -> Table<'a> {
        Table { slots, used, file, me }
    }

    fn used(&self) -> &'a [Slot] {
        &self.slots[..(self.used.load(Acquire) as usize).min(SLOTS)]
    }

    fn slot(&self, owner: Owner) -> &'a Slot {
        &self.slots[owner.slot()]
    }

    /// Reserves a slot; `None` when all are taken.
    pub(crate) fn reserve(&self, generation: u32, starter: Tag) -> Option<Owner> {
        let slot = self.slots.iter().enumerate().position(|(i, slot)| {
            let is_free = matches!(slot.read(), Some((_, State::Free)));
            if is_free {
                // Before it's taken, so that no taken slot is ever overlooked.
                self.used.fetch_max(i as u64 + 1, AcqRel);
            }
            is_free && slot.reserve(generation, starter)
        })?;
        self.slots[slot].pid.store(0, Relaxed);
        self.slots[slot].set_name("");
        Owner::new(slot, generation)
    }

    /// Has `to` go on with the start of a member that `from` reserved; false when it was given up.
    pub(crate) fn hand_over(&self, owner: Owner, from: Owner, to: Owner) -> bool {
        self.slot(owner).hand_over(owner.generation(), from.tag(), to.tag())
    }

    /// Joins the family as `owner`: from here on the kernel says that this process lives. False when it was given up.
    pub(crate) fn attach(&self, owner: Owner) -> io::Result<bool> {
        byte_lock::hold(self.file, LIVENESS_BYTES + owner.slot() as u64)?;
        self.slot(owner).set_pid(std::process::id());
        Ok(self.slot(owner).attach(owner.generation()))
    }

    pub(crate) fn announce_exit(&self, owner: Owner) {
        self.slot(owner).announce_exit(owner.generation());
    }

    /// Says that the member has ended; true for the one who is to tell the others, and then to `finish_marking`.
    pub(crate) fn mark(&self, owner: Owner, marker: Owner) -> bool {
        self.slot(owner).mark(owner.generation(), marker.tag())
    }

    pub(crate) fn finish_marking(&self, owner: Owner) {
        self.slot(owner).finish_marking(owner.generation());
    }

    /// Members whose marker died before it had told everybody.
    pub(crate) fn half_marked(&self) -> impl Iterator<Item = Owner> + use<'a> {
        let table = *self;
        self.used().iter().enumerate().filter_map(move |(slot, word)| {
            let generation = word.half_marked(|agent| {
                let slot = Tag::from_word(agent).and_then(Tag::slot);
                let occupant = slot.and_then(|slot| table.occupant(slot));
                occupant.is_some_and(|owner| owner.tag().short_bits() == agent)
            })?;
            Owner::new(slot, generation)
        })
    }

    /// Gives up a member that `starter` reserved and that has not arrived; false if it has, or somebody else starts it.
    pub(crate) fn give_up(&self, owner: Owner, starter: Owner) -> bool {
        self.slot(owner).give_up(owner.generation(), starter.tag())
    }

    pub(crate) fn release(&self, owner: Owner) {
        self.slot(owner).release(owner.generation());
    }

    /// Where the member is in its life; `Free` once its slot went on to somebody else.
    pub(crate) fn state(&self, owner: Owner) -> State {
        match self.slot(owner).read() {
            Some((generation, state)) if generation == owner.generation() => state,
            _ => State::Free,
        }
    }

    /// Whether the member has not been marked dead.
    pub(crate) fn is_alive(&self, owner: Owner) -> bool {
        matches!(self.state(owner), State::Starting | State::Live | State::Exiting)
    }

    /// Whether somebody is being told of a death.
    pub(crate) fn is_marking(&self) -> bool {
        // What the caller did before is seen by one who marks from now on.
        fence(SeqCst);
        self.used().iter().any(|slot| matches!(slot.read(), Some((_, State::Marked))))
    }

    /// How many slots were ever used.
    pub(crate) fn used_slots(&self) -> usize {
        self.used().len()
    }

    pub(crate) fn set_name(&self, owner: Owner, name: &str) {
        self.slot(owner).set_name(name);
    }

    /// The process id and name of a member, for people.
    pub(crate) fn describe(&self, owner: Owner) -> (u32, String) {
        (self.slot(owner).pid.load(Acquire), self.slot(owner).name())
    }

    /// Whether the slot has no living member; with `ask`, as far as the kernel knows.
    pub(crate) fn is_vacant(&self, slot: usize, ask: bool) -> bool {
        self.occupant(slot).is_none_or(|owner| ask && self.kernel_says_gone(owner))
    }

    /// The living member that has the slot.
    pub(crate) fn occupant(&self, slot: usize) -> Option<Owner> {
        let (generation, state) = self.slots.get(slot)?.read()?;
        let owner = Owner::new(slot, generation)?;
        matches!(state, State::Starting | State::Live | State::Exiting).then_some(owner)
    }

    /// All members that are marked dead and wait to be swept.
    pub(crate) fn dead(&self) -> impl Iterator<Item = Owner> + use<'a> {
        self.used().iter().enumerate().filter_map(|(slot, word)| match word.read() {
            Some((generation, State::Dead)) => Owner::new(slot, generation),
            _ => None,
        })
    }

    /// How many slots are in use, in whatever state.
    pub(crate) fn occupied(&self) -> usize {
        self.used().iter().filter(|slot| !matches!(slot.read(), Some((_, State::Free)))).count()
    }

    /// Members that a dead starter reserved and that never attached.
    pub(crate) fn reserved_by(&self, starter: Owner) -> impl Iterator<Item = Owner> + use<'a> {
        let tag = starter.tag();
        self.used()
            .iter()
            .enumerate()
            .filter_map(move |(slot, word)| Owner::new(slot, word.reserved_by(tag)?))
    }

    pub(crate) fn by_tag(&self, tag: Tag) -> Option<Owner> {
        let slot = tag.slot()?;
        let (generation, _) = self.slots[slot].read()?;
        Owner::new(slot, generation).filter(|owner| owner.tag() == tag)
    }

    /// Asks the kernel whether the member is gone, for when the monitor does not say so.
    ///
    /// Two witnesses must agree. The byte of a member that closed all its descriptors is unlocked though it lives; the
    /// process id of one that died may belong to a stranger by now. The second error only makes a waiter wait on.
    fn kernel_says_gone(&self, owner: Owner) -> bool {
        if self.me == Some(owner.slot()) || self.state(owner) == State::Starting {
            return false;
        }
        if byte_lock::is_held(self.file, LIVENESS_BYTES + owner.slot() as u64).unwrap_or(true) {
            return false;
        }
        match Pidfd::open(self.slot(owner).pid.load(Acquire)) {
            Ok(pidfd) => pidfd.has_ended(),
            Err(e) => e == rustix::io::Errno::SRCH,
        }
    }
}

impl Census for Table<'_> {
    fn is_marked_dead(&self, tag: Tag) -> bool {
        // A tag that names no occupant was left by one that is long gone.
        self.by_tag(tag).is_none_or(|owner| !self.is_alive(owner))
    }

    fn is_gone(&self, tag: Tag) -> bool {
        // Says it to this waiter only; marking it for all belongs to the monitor, which also counts and wakes.
        self.by_tag(tag).is_none_or(|owner| !self.is_alive(owner) || self.kernel_says_gone(owner))
    }
}
