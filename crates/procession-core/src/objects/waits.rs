//! Who waits for what, and who has it: for people, and for those who look for deadlocks.
//!
//! A thread that is about to sleep for an object says so in a record of its own; what looks at all of them is `waits`.

use crate::{
    arena::{Arena, BlockState, Handle, Kind, Object, Shared as Record, Stable},
    atomic::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::Result,
    family,
    members::Owner,
    recovery,
    references::{Held, Holders, Shared},
    sync::thread_id,
    sys::clock::Deadline,
};
use std::{cell::RefCell, collections::HashMap, fmt, fs};

/// What one thread waits for.
#[derive(Debug)]
#[repr(C)]
struct WaitRecord {
    /// 0, or the object's offset: stored last.
    offset: AtomicU64,
    generation: AtomicU64,
    thread: AtomicU32,
    /// Whether it waits only until some deadline.
    has_deadline: AtomicU32,
}

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Record for WaitRecord {}

/// This thread's record, made when it first waits.
struct Own(Option<&'static WaitRecord>, u64);

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

impl Own {
    fn new(arena: &'static Arena) -> Own {
        // Without memory for it nobody sees this thread wait, which is all.
        let made = arena.alloc_stable(Stable::Wait).and_then(|block| {
            let record: &WaitRecord = arena.record(block)?;
            record.offset.store(0, Relaxed);
            record.thread.store(thread_id(), Relaxed);
            Ok((record, block.offset()))
        });
        made.map_or(Own(None, 0), |(record, offset)| Own(Some(record), offset))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Ok(family) = family::current()
            && let Ok(block) = family.arena.block(self.1)
        {
            family.arena.free(block, family.arena.me());
        }
    }
}

/// While this is there, the thread is seen to wait.
pub(crate) struct Note(Option<&'static WaitRecord>);

impl Drop for Note {
    fn drop(&mut self) {
        if let Some(record) = self.0 {
            record.offset.store(0, Release);
        }
    }
}

/// Says that this thread waits for the object, until the deadline.
pub(crate) fn note<T: Object + Held + 'static>(object: &Shared<T>, deadline: Deadline) -> Note {
    let Ok(family) = family::current() else { return Note(None) };
    let target = object.share().target();
    // A thread that is ending has no record any more.
    let record = OWN.try_with(|own| own.borrow_mut().get_or_insert_with(|| Own::new(&family.arena)).0);
    let record = record.ok().flatten();
    if let Some(record) = record {
        record.generation.store(target.generation, Relaxed);
        record.has_deadline.store(u32::from(deadline != Deadline::NEVER), Relaxed);
        record.offset.store(target.offset, Release);
    }
    Note(record)
}

/// A process, or a thread of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Party {
    /// The process's id.
    pub pid: u32,
    /// The thread's number, as in `/proc` and `ps -L`; none if only the process is known.
    pub thread: Option<u32>,
    /// The process's name; empty if it has none.
    pub name: String,
}

impl Party {
    fn new(arena: &Arena, owner: Owner, thread: u32) -> Party {
        let (pid, name) = arena.members().describe(owner);
        Party { pid, thread: (thread != 0).then_some(thread), name }
    }

    /// Whether `other` is this one, or a thread of it.
    fn contains(&self, other: &Party) -> bool {
        self.pid == other.pid && self.thread.is_none_or(|thread| other.thread == Some(thread))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if !self.name.is_empty() {
            write!(f, " ({})", self.name)?;
        }
        match self.thread {
            Some(thread) if thread != self.pid => write!(f, " thread {thread}"),
            _ => Ok(()),
        }
    }
}

/// Who has an object and who waits for it, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Those who have it: a lock, a permit. Nobody has an event, a condition or a barrier.
    pub holders: Vec<Party>,
    /// Those who sleep until they get it. (Who is still looking, for some 40 us, isn't among them.)
    pub waiters: Vec<Party>,
}

impl Statistics {
    /// As what an object's `Debug` shows.
    pub(crate) fn fmt_as(
        &self,
        f: &mut fmt::Formatter<'_>,
        name: &str,
        details: &[(&str, u64)],
    ) -> fmt::Result {
        let list = |parties: &[Party]| parties.iter().map(Party::to_string).collect::<Vec<_>>();
        let mut out = f.debug_struct(name);
        for (name, value) in details {
            out.field(name, value);
        }
        out.field("holders", &list(&self.holders)).field("waiters", &list(&self.waiters)).finish()
    }
}

/// See [`Statistics`].
pub(crate) fn statistics<T: Object + Held + 'static>(object: &Shared<T>) -> Statistics {
    let Ok(family) = family::current() else { return Statistics::default() };
    let (arena, target) = (&family.arena, object.share().target());
    let holders = object.holders(arena).who;
    let mut waiters = Vec::new();
    for_each_wait(arena, |who, waited_for, _| {
        if waited_for == target {
            waiters.push(who);
        }
    });
    let holders = holders.into_iter().map(|(owner, thread)| Party::new(arena, owner, thread)).collect();
    Statistics { holders, waiters }
}

fn for_each_wait(arena: &Arena, mut f: impl FnMut(Party, Handle, bool)) {
    arena.for_each_stable(Stable::Wait, |block| {
        let BlockState::Raw(owner) = block.state() else { return };
        let Ok(record) = arena.record::<WaitRecord>(block) else { return };
        let offset = record.offset.load(Acquire);
        if offset != 0 && arena.members().is_alive(owner) {
            let target = Handle { offset, generation: record.generation.load(Relaxed) };
            let has_deadline = record.has_deadline.load(Relaxed) != 0;
            f(Party::new(arena, owner, record.thread.load(Relaxed)), target, has_deadline);
        }
    });
}

/// One thread that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// Who waits.
    pub who: Party,
    /// What kind of object it waits for: `"Mutex"`, `"Semaphore"`, …
    pub kind: String,
    /// Which one: the same number for all who wait for the same one.
    pub object: u64,
    /// Who has it. Empty where nobody does: an event, a condition, a barrier.
    pub held_by: Vec<Party>,
    /// One of those who have it is enough.
    any: bool,
    /// It goes on by itself, or has gone on in the meantime.
    is_passing: bool,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} waits for {} {:#x}", self.who, self.kind, self.object)?;
        for (i, holder) in self.held_by.iter().enumerate() {
            write!(f, "{} {holder}", if i == 0 { ", held by" } else { " and" })?;
        }
        Ok(())
    }
}

/// Who in the family waits for what: the wait-for graph, at about one moment.
///
/// Each line of it was true when it was looked at; all together are a picture of a moment only if nothing moves, as in a
/// deadlock. Displays as one line for each wait, and the cycle if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits(Vec<Wait>);

impl Waits {
    /// Every thread that sleeps for an object.
    pub fn iter(&self) -> std::slice::Iter<'_, Wait> {
        self.0.iter()
    }

    /// Threads that wait for each other in a circle, each for the next, if there are such: a deadlock.
    ///
    /// Who waits with a timeout is part of none, and a permit of a semaphore is taken to come back from whoever has it and from nobody
    /// else. A process of which only some threads wait may still release what it has, where it isn't known which thread has it (a
    /// semaphore's permit, a lock for reading).
    pub fn cycle(&self) -> Option<Vec<Wait>> {
        let stuck = self.stuck();
        let start = stuck.first()?;
        // Each of them waits for another one of them, so whoever goes on long enough comes back.
        let mut path: Vec<&Wait> = vec![start];
        loop {
            let last = path.last().expect("begins with one");
            let next =
                stuck.iter().find(|next| last.held_by.iter().any(|holder| holder.contains(&next.who)))?;
            if let Some(at) = path.iter().position(|wait| wait.who == next.who) {
                return Some(path[at..].iter().map(|wait| (*wait).clone()).collect());
            }
            path.push(next);
        }
    }

    /// Those who can't go on whatever the others do: what is left when all are taken away that somebody may release.
    fn stuck(&self) -> Vec<&Wait> {
        let is_candidate = |wait: &&Wait| !wait.held_by.is_empty() && !wait.is_passing;
        let mut stuck: Vec<&Wait> = self.0.iter().filter(is_candidate).collect();
        let mut threads = HashMap::new();
        for holder in self.0.iter().flat_map(|wait| &wait.held_by).filter(|holder| holder.thread.is_none()) {
            threads.entry(holder.pid).or_insert_with(|| threads_of(holder.pid));
        }
        loop {
            let is_stuck = |holder: &Party| match holder.thread {
                Some(_) => stuck.iter().any(|other| holder.contains(&other.who)),
                None => {
                    let waiting = stuck.iter().filter(|other| holder.contains(&other.who)).count();
                    waiting > 0 && waiting >= threads[&holder.pid]
                }
            };
            let can_go_on = |wait: &Wait| {
                let mut others = wait.held_by.iter().filter(|holder| **holder != wait.who);
                if wait.any { !others.all(is_stuck) } else { !others.any(is_stuck) }
            };
            let left: Vec<&Wait> = stuck.iter().copied().filter(|wait| !can_go_on(wait)).collect();
            if left.len() == stuck.len() {
                return left;
            }
            stuck = left;
        }
    }
}

/// How many threads a process has that could release something: not those of this library.
fn threads_of(pid: u32) -> usize {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return usize::MAX };
    let names = tasks.flatten().map(|task| fs::read_to_string(task.path().join("comm")).unwrap_or_default());
    names.filter(|name| !name.starts_with("procession-")).count()
}

impl<'a> IntoIterator for &'a Waits {
    type Item = &'a Wait;
    type IntoIter = std::slice::Iter<'a, Wait>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|wait| writeln!(f, "{wait}"))?;
        let Some(cycle) = self.cycle() else { return Ok(()) };
        writeln!(f, "deadlock:")?;
        cycle.iter().try_for_each(|wait| writeln!(f, "  {wait}"))
    }
}

/// Who in the family waits for what.
///
/// # Errors
///
/// Not initialised, forked.
pub fn waits() -> Result<Waits> {
    let arena = &family::current()?.arena;
    let mut waits = look(arena);
    // What isn't so any more when all has been looked at is no part of a deadlock.
    let again = look(arena);
    for wait in &mut waits {
        wait.is_passing |= !again.contains(wait);
    }
    Ok(Waits(waits))
}

fn look(arena: &Arena) -> Vec<Wait> {
    let mut waits = Vec::new();
    for_each_wait(arena, |who, target, is_passing| {
        let Ok(block) = arena.block(target.offset) else { return };
        let BlockState::Object { kind, generation } = block.state() else { return };
        let Some(kind) = Kind::from_bits(kind).filter(|_| generation == target.generation) else { return };
        let mut holders = Holders::default();
        recovery::with_object(arena, target, |object| holders = object.holders(arena));
        let held_by =
            holders.who.into_iter().map(|(owner, thread)| Party::new(arena, owner, thread)).collect();
        let (kind, object, any) = (format!("{kind:?}"), target.generation, holders.any);
        waits.push(Wait { who, kind, object, held_by, any, is_passing });
    });
    waits
}
