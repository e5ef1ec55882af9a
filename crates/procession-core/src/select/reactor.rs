//! The one thread of a process that sleeps for all who wait without a thread: futures, and descriptors that are polled.

use super::Source;
use crate::{
    atomic::Ordering::{Acquire, Release},
    error::{Error, Result},
    family,
    sync::EventCount,
    sys::{barrier, clock::Deadline, futex, signals},
    wait,
};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    task::Waker,
    thread,
};

/// What the thread sleeps for.
struct Reactor {
    waiting: Mutex<Waiting>,
    /// Changes when something is added.
    added: futex::Futex,
}

#[derive(Default)]
struct Waiting {
    next: u64,
    entries: HashMap<u64, Entry>,
    is_running: bool,
}

struct Entry {
    change: &'static EventCount,
    key: u32,
    waker: Waker,
    check: Option<Check>,
}

/// Whether a source is ready, for one who asks later and elsewhere.
pub(crate) type Check = Arc<dyn Fn() -> bool + Send + Sync>;

static REACTOR: OnceLock<Reactor> = OnceLock::new();

impl Reactor {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Wakes those whose source has changed, or all; of those who can be asked, only who is ready.
    fn wake(&self, all: bool) {
        let is_due = |entry: &Entry| all || entry.change.has_changed(entry.key);
        let mut due = Vec::new();
        let mut asked = Vec::new();
        for (id, entry) in &self.lock().entries {
            match &entry.check {
                _ if !is_due(entry) => {}
                None => due.push(*id),
                Some(check) => asked.push((*id, entry.change, check.clone())),
            }
        }
        let mut unready = Vec::new();
        for (id, change, check) in asked {
            let key = change.announce();
            // Either the notifier sees the bit, or the check sees that it's ready.
            barrier::heavy();
            // Whatever was scribbled into the arena, this thread goes on: who is woken sees for himself.
            let is_ready = catch_unwind(AssertUnwindSafe(|| check())).unwrap_or(true);
            if is_ready { due.push(id) } else { unready.push((id, key)) }
        }
        let mut waiting = self.lock();
        for (id, key) in unready {
            if let Some(entry) = waiting.entries.get_mut(&id) {
                entry.key = key;
            }
        }
        let due: Vec<Entry> = due.iter().filter_map(|id| waiting.entries.remove(id)).collect();
        // A waker may run anything; and what it does is no business of the others.
        drop(waiting);
        for entry in due {
            let _ = catch_unwind(AssertUnwindSafe(|| entry.waker.wake()));
        }
    }

    fn run(&self) {
        let mut all_at = Deadline::after(wait::SLICE);
        loop {
            let seen = self.added.load(Acquire);
            let mut watched = vec![];
            watched.extend(self.lock().entries.values().map(|entry| (entry.change, entry.key)));
            // Those beyond what can be slept for are looked at more often instead.
            let is_crowded = watched.len() >= futex::MOST_WORDS;
            watched.truncate(futex::MOST_WORDS - 1);
            let mut words = vec![(&*self.added, seen)];
            words.extend(watched.iter().map(|(change, key)| change.word(*key)));
            let slice = if is_crowded { wait::SLICE / 50 } else { wait::SLICE };
            futex::wait_any(&words, all_at.at_most(slice));
            // Now and then all: whoever should have told them may have been killed.
            let all = all_at.has_passed();
            if all {
                all_at = Deadline::after(wait::SLICE);
            }
            self.wake(all);
            // This thread may have been woken in the place of one that would have used up what there is; and whether those do for whom
            // it was woken, it doesn't know.
            for (change, key) in watched {
                if change.has_changed(key) {
                    change.pass_on();
                }
            }
        }
    }
}

/// As long as it's there, a waker is woken when a source may have become ready; once.
#[derive(Debug)]
pub struct Interest(u64);

impl Drop for Interest {
    fn drop(&mut self) {
        // In a plain fork it's the original's, and so may be the lock.
        if family::current().is_ok()
            && let Some(reactor) = REACTOR.get()
        {
            let removed = reactor.lock().entries.remove(&self.0);
            // Without the lock: a waker may drop anything.
            drop(removed);
        }
    }
}

/// Has `waker` woken when the source may have become ready; `None` if it's ready now.
///
/// # Errors
///
/// Forked; the thread that does that could not be started.
pub fn watch(source: &Source<'_>, waker: &Waker) -> Result<Option<Interest>> {
    watch_checked(source, waker, None)
}

/// The same; with a check, it's woken only once that says so.
pub(crate) fn watch_checked(
    source: &Source<'_>,
    waker: &Waker,
    check: Option<Check>,
) -> Result<Option<Interest>> {
    family::current()?;
    let reactor =
        REACTOR.get_or_init(|| Reactor { waiting: Mutex::default(), added: futex::Futex::private() });
    let key = source.change.announce();
    // Either the notifier sees the bit, or this sees that it's ready.
    barrier::heavy();
    if source.is_ready() {
        return Ok(None);
    }
    let entry = Entry { change: source.change, key, waker: waker.clone(), check };
    let mut waiting = reactor.lock();
    if !waiting.is_running {
        let started =
            thread::Builder::new().name("procession-react".into()).stack_size(256 << 10).spawn(|| {
                // The program's handlers run on the program's threads.
                signals::mask(Some(!0));
                if let Some(reactor) = REACTOR.get() {
                    reactor.run();
                }
            });
        started.map_err(|e| Error::system("could not start the thread that waits for futures", e))?;
        waiting.is_running = true;
    }
    let id = waiting.next;
    waiting.next += 1;
    waiting.entries.insert(id, entry);
    drop(waiting);
    reactor.added.fetch_add(1, Release);
    reactor.added.wake(1);
    Ok(Some(Interest(id)))
}
