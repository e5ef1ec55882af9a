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
    sync::{Mutex, MutexGuard, OnceLock},
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
}

static REACTOR: OnceLock<Reactor> = OnceLock::new();

impl Reactor {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Wakes those whose source has changed, or all.
    fn wake(&self, all: bool) {
        let mut waiting = self.lock();
        let changed: Vec<u64> = waiting
            .entries
            .iter()
            .filter(|(_, entry)| all || entry.change.has_changed(entry.key))
            .map(|(id, _)| *id)
            .collect();
        let wakers: Vec<Waker> =
            changed.iter().filter_map(|id| Some(waiting.entries.remove(id)?.waker)).collect();
        // A waker may run anything.
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn run(&self) {
        loop {
            let seen = self.added.load(Acquire);
            let mut words = vec![(&*self.added, seen)];
            words.extend(self.lock().entries.values().map(|entry| entry.change.word(entry.key)));
            // Those beyond are looked at more often instead.
            let slice = if words.len() > futex::MOST_WORDS { wait::SLICE / 50 } else { wait::SLICE };
            words.truncate(futex::MOST_WORDS);
            let deadline = Deadline::after(slice);
            futex::wait_any(&words, deadline);
            // Now and then all: whoever should have told them may have been killed.
            self.wake(deadline.has_passed());
        }
    }
}

/// As long as it's there, a waker is woken when a source may have become ready; once.
#[derive(Debug)]
pub struct Interest {
    id: u64,
    change: &'static EventCount,
}

impl Drop for Interest {
    fn drop(&mut self) {
        if let Some(reactor) = REACTOR.get()
            && reactor.lock().entries.remove(&self.id).is_none()
            && family::current().is_ok()
        {
            // It was woken, and perhaps uses nothing up: another may.
            self.change.notify_one();
        }
    }
}

/// Has `waker` woken when the source may have become ready; `None` if it's ready now.
///
/// # Errors
///
/// Forked; the thread that does that could not be started.
pub fn watch(source: &Source<'_>, waker: &Waker) -> Result<Option<Interest>> {
    family::current()?;
    let reactor =
        REACTOR.get_or_init(|| Reactor { waiting: Mutex::default(), added: futex::Futex::private() });
    let key = source.change.announce();
    // Either the notifier sees the bit, or this sees that it's ready.
    barrier::heavy();
    if source.is_ready() {
        // The announcement may have taken another's wake-up.
        source.change.notify_one();
        return Ok(None);
    }
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
    waiting.entries.insert(id, Entry { change: source.change, key, waker: waker.clone() });
    drop(waiting);
    reactor.added.fetch_add(1, Release);
    reactor.added.wake(1);
    Ok(Some(Interest { id, change: source.change }))
}
