//! Random deaths among processes that work on shared dictionaries: what a dead one had done is there, what it hadn't is not, of what
//! it was doing all or nothing; and nobody waits in vain.

#[path = "../common/begin.rs"]
mod begin;
mod ledger;
mod own;
mod world;

use procession::{Dict, Event, Process, TaskError, Value};
use procession_testing::{Census, Rng, tests};
use std::{process::ExitCode, thread, time::Duration};
use world::World;

fn main() -> ExitCode {
    begin::begin();
    let mut tests = tests![who_waits_sees_what_the_dead_have_done];
    for run in 1..=3000 / KILLS {
        tests.push((format!("random_kills::{run}"), Box::new(random_kills)));
    }
    procession_testing::run(tests)
}

/// How many processes a run kills.
const KILLS: u64 = 500;

/// How many processes work at once.
pub(crate) const WORKERS: usize = 3;

/// Works until it's killed, by turns on entries of its own among those of the others, and on what all change.
fn work(world: World, slot: u32, seed: u64, started: Value<u64>) {
    started.fetch_add(1).unwrap();
    let mut rng = Rng::from_seed(seed);
    let own = world.own(slot);
    let mut state = own.resume();
    loop {
        own.step(&mut state);
        world.work(rng.seed(), 1);
    }
}

/// It was killed, and hadn't ended otherwise before.
fn kill(process: Process<()>, when: &str) {
    process.kill().unwrap();
    match process.join() {
        Err(TaskError::Died(status)) => assert_eq!(status.signal(), Some(9), "{when}"),
        other => panic!("{when}: {other:?}"),
    }
}

fn random_kills() {
    let mut rng = Rng::new("random kills");
    // With the family, and its forkserver.
    Process::spawn(|| (), ()).unwrap().join().unwrap();
    let before = Census::take_at_rest();
    let world = World::new();
    let blocks = world.clear();
    world.fill();
    let started = Value::new(0_u64).unwrap();
    let start = |rng: &mut Rng, slot: usize| {
        // Behind this process, which is to kill them in time, whoever else has work for the processors.
        let worker = Process::builder().nice(5);
        worker.spawn(work, (world.clone(), slot as u32, rng.seed(), started.clone())).unwrap()
    };
    let mut workers: Vec<_> = (0..WORKERS).map(|slot| start(&mut rng, slot)).collect();
    for number in 0..KILLS {
        let seen = started.load();
        let slot = rng.below(WORKERS);
        // Anywhere between its start and a few milliseconds later.
        thread::sleep(Duration::from_micros(rng.below(3000) as u64));
        // One at a time works for a slot.
        let victim = workers.remove(slot);
        kill(victim, &format!("after {number} kills"));
        workers.insert(slot, start(&mut rng, slot));
        // Now and then all that others left must have been mended by those who go on.
        if rng.below(50) == 0 {
            while started.load() == seen {
                thread::yield_now();
            }
            world.work(rng.seed(), 20);
        }
    }
    workers.into_iter().for_each(|worker| kill(worker, "in the end"));
    let steps = world.check(KILLS + WORKERS as u64);
    println!("{KILLS} kills, {} starts came to work, {steps}", started.load());
    assert_eq!(world.clear(), blocks, "as when they were new");
    drop((world, started));
    assert_nothing_left();
    before.wait_until_back();
}

fn assert_nothing_left() {
    procession_core::sweep().unwrap();
    let audit = procession::audit().unwrap();
    let left =
        (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible, audit.members);
    assert_eq!(left, (0, 0, 0, 0, 0, 1), "{audit:?}");
}

/// Adds until it's killed.
fn add(dict: Dict<String, u64>, started: Event) {
    started.set().unwrap();
    loop {
        dict.fetch_add("n", 1).unwrap();
    }
}

/// Says what it saw last, each time the value has changed.
fn watch_value(dict: Dict<String, u64>, seen: Value<u64>) {
    loop {
        let last = seen.load();
        let mut now = last;
        let is_other = |value: Option<&u64>| {
            now = *value.unwrap();
            now != last
        };
        assert!(dict.wait_for("n", is_other, Duration::MAX).unwrap());
        seen.store(now).unwrap();
    }
}

/// The same, of any change.
fn watch_all(dict: Dict<String, u64>, seen: Value<u64>) {
    let mut last = 0;
    loop {
        last = dict.wait_for_change(last, Duration::MAX).unwrap().unwrap();
        seen.store(dict.get("n").unwrap().unwrap()).unwrap();
    }
}

/// Nobody uses the dictionary but one who is killed and two who wait: they are told of its last change, although it may not have come
/// to telling them.
fn who_waits_sees_what_the_dead_have_done() {
    let mut rng = Rng::new("who waits");
    let dict = Dict::new().unwrap();
    dict.insert("n", &0).unwrap();
    let seen = [Value::new(0).unwrap(), Value::new(0).unwrap()];
    let watchers = [
        Process::spawn(watch_value, (dict.clone(), seen[0].clone())).unwrap(),
        Process::spawn(watch_all, (dict.clone(), seen[1].clone())).unwrap(),
    ];
    let mut last = 0;
    for round in 0..300 {
        let started = Event::new().unwrap();
        let victim = Process::spawn(add, (dict.clone(), started.clone())).unwrap();
        started.wait().unwrap();
        thread::sleep(Duration::from_micros(rng.below(500) as u64));
        kill(victim, &format!("in round {round}"));
        let now = dict.get("n").unwrap().unwrap();
        assert!(now >= last);
        last = now;
        while seen.iter().any(|seen| seen.load() != now) {
            thread::yield_now();
        }
    }
    println!("{last} added");
    watchers.into_iter().for_each(|watcher| kill(watcher, "in the end"));
    drop((dict, seen));
    assert_nothing_left();
}
