//! What shared memory is for, with its bytes scribbled over. Also driven by the fuzzer, see `fuzz/`.

pub(crate) mod arena;
pub(crate) mod blocks;
pub(crate) mod choices;
mod handles;
mod maps;
mod records;
mod table;
pub(crate) mod world;
mod wrong;

use arena::Arena;
use choices::Choices;
use procession::{Process, TaskError};
use std::{
    fmt::Debug,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};
use world::World;

/// What is scribbled over. The streams have a plan besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Streams,
    Table,
    Handles,
    Records,
    Maps,
}

impl Target {
    /// Each with its name.
    pub(crate) const ALL: [(&str, Target); 5] = [
        ("streams", Target::Streams),
        ("table", Target::Table),
        ("handles", Target::Handles),
        ("records", Target::Records),
        ("maps", Target::Maps),
    ];

    pub(crate) fn named(name: &str) -> Option<Target> {
        Target::ALL.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
    }

    /// One case: errors are fine, and so are wrong values. With `others` there are other threads and processes, and no case is quite the
    /// same again; without, there may have been cases before.
    pub(crate) fn run(self, others: bool, choices: &mut Choices) {
        match self {
            Target::Streams => run_streams(Plan::new(others, choices), choices),
            Target::Table => table::run(others, choices),
            Target::Handles => handles::run(others, choices),
            Target::Records => records::run(others, choices),
            Target::Maps => maps::run(others, choices),
        }
        let _ = procession_core::sweep();
        let _ = procession::audit();
    }
}

/// How a process may end, whatever it found in shared memory.
fn check_end<T: Debug>(ended: Result<T, TaskError>) {
    match ended {
        Err(TaskError::Died(status)) if status.signal().is_some_and(|signal| signal != 9) => {
            panic!("a process that found nonsense has ended: {status:?}")
        }
        _ => {}
    }
}

/// Kills a process that uses everything, in the middle of something.
fn kill_in_use(child: procession::Result<Process<()>>, choices: &mut Choices) {
    let Ok(child) = child else { return };
    thread::sleep(Duration::from_micros(choices.one_of(&[0, 500, 5000, 20_000])));
    world::see(child.kill());
    check_end(child.join());
}

/// Uses everything in up to `most` rounds, before each of which something is written over its places; or all the time `meanwhile`.
fn scribble_and_use<P: Sync>(
    meanwhile: bool,
    most: usize,
    choices: &mut Choices,
    places: impl Fn() -> P,
    scribble: impl Fn(&P, &mut Choices) + Sync,
    mut use_it: impl FnMut(&mut Choices),
) {
    let first = places();
    let (is_over, mut other) = (AtomicBool::new(!meanwhile), choices.split());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                scribble(&first, &mut other);
                thread::sleep(Duration::from_micros(200));
            }
        });
        for _ in 0..=choices.below(most) {
            if !meanwhile {
                scribble(&places(), choices);
            }
            use_it(choices);
        }
        is_over.store(true, Relaxed);
    });
}

/// What a case with streams does besides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Locks are scribbled over as well: they may be held by whoever lives, so that nothing may wait without a timeout.
    pub(crate) locks: bool,
    /// Others wait without a timeout meanwhile.
    pub(crate) waiters: bool,
    /// Scribbles all the time while everything is used, instead of before. Such a case isn't the same again.
    pub(crate) meanwhile: bool,
    /// Starts processes that are killed.
    pub(crate) processes: bool,
}

impl Plan {
    fn new(others: bool, choices: &mut Choices) -> Plan {
        let locks = choices.one_in(8);
        if !others {
            return Plan { locks, waiters: false, meanwhile: false, processes: false };
        }
        Plan { locks, waiters: choices.one_in(4), meanwhile: choices.one_in(4), processes: choices.one_in(3) }
    }
}

fn run_streams(plan: Plan, choices: &mut Choices) {
    let mut world = World::new(choices);
    let arena = Arena::open();
    let places = arena.places();
    assert!(places.streams >= world::STREAMS && places.rings.len() >= world::STREAMS, "{places:?}");
    assert!(!places.messages.is_empty(), "a message that lies outside of its ring");
    if plan.waiters {
        world.wait_for_ever();
    }
    let scribble = |places: &_, choices: &mut _| arena.scribble(places, plan.locks, choices);
    let places = || arena.places();
    scribble_and_use(plan.meanwhile, 3, choices, places, scribble, |choices| {
        (0..choices.below(40)).for_each(|_| world.step(choices));
        if plan.processes && choices.one_in(2) {
            world.kill_one(choices);
        }
    });
    if !plan.locks && choices.one_in(2) {
        world.close();
        (0..5).for_each(|_| world.step(choices));
    }
}
