//! Streams whose bytes in shared memory are scribbled over. Also driven by the fuzzer, see `fuzz/`.

pub(crate) mod arena;
pub(crate) mod choices;
pub(crate) mod world;

use arena::Arena;
use choices::Choices;
use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};
use world::World;

/// What a case does besides.
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

/// One case: errors are fine, and so are wrong values.
pub(crate) fn run(plan: Plan, choices: &mut Choices) {
    let mut world = World::new(choices);
    let arena = Arena::open();
    let places = arena.places();
    assert!(places.streams >= world::STREAMS && places.rings.len() >= world::STREAMS, "{places:?}");
    assert!(!places.messages.is_empty(), "a message that lies outside of its ring");
    if plan.waiters {
        world.wait_for_ever();
    }
    let (is_over, mut other) = (AtomicBool::new(!plan.meanwhile), choices.split());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Relaxed) {
                arena.scribble(&places, plan.locks, &mut other);
                thread::sleep(Duration::from_micros(200));
            }
        });
        for _ in 0..=choices.below(3) {
            if !plan.meanwhile {
                arena.scribble(&arena.places(), plan.locks, choices);
            }
            (0..choices.below(40)).for_each(|_| world.step(choices));
            if plan.processes && choices.one_in(2) {
                world.kill_one(choices);
            }
        }
        is_over.store(true, Relaxed);
    });
    if !plan.locks && choices.one_in(2) {
        world.close();
        (0..5).for_each(|_| world.step(choices));
    }
    drop(world);
    let _ = procession_core::sweep();
    let _ = procession::audit();
}
