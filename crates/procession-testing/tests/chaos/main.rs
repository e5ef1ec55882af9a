//! The trial by fire: families that use everything at once, while their processes are killed, stopped and continued at random, shared
//! memory is nearly full, and descriptors are scarce. A few short ones are part of `cargo test`; `scripts/chaos [SECONDS [SEED]]` goes on
//! for as long as it's told.
//!
//! Each family is a program of its own, started by this one, which is no member: it sees all members, harms them, and looks whether any is
//! left. What each process does, and what must be true of it, is in `world`; what may go wrong when, and nothing else may, in `mishap`.

mod family;
mod harm;
mod mishap;
mod tally;
mod trial;
mod world;

use procession_testing::{Rng, tests};
use std::{process::ExitCode, time::Duration};
use trial::{Kind, Trial};

fn main() -> ExitCode {
    procession::init();
    if let Some(orders) = family::orders() {
        return family::run(&orders);
    }
    match std::env::args().skip_while(|argument| argument != "--seconds").nth(1) {
        Some(seconds) => long(Duration::from_secs(seconds.parse().expect("a number of seconds"))),
        None => procession_testing::run(tests![
            families_survive_deaths,
            families_survive_want_of_memory,
            families_survive_want_of_descriptors,
            families_end_with_their_root,
        ]),
    }
}

/// One family after the other, of all kinds.
fn long(time: Duration) -> ExitCode {
    // Nothing watches here: a family has a watchdog of its own, and this program one for each family.
    let mut trial = Trial::new(Rng::new("chaos"));
    while trial.time() < time {
        trial.family(Kind::ALL[trial.families() % Kind::ALL.len()]);
    }
    trial.end();
    ExitCode::SUCCESS
}

/// One family of a kind.
fn short(kind: Kind) {
    let mut trial = Trial::new(Rng::new(kind.name()));
    trial.family(kind);
    trial.end();
}

fn families_survive_deaths() {
    short(Kind::Deaths);
}

fn families_survive_want_of_memory() {
    short(Kind::Memory);
}

fn families_survive_want_of_descriptors() {
    short(Kind::Descriptors);
}

fn families_end_with_their_root() {
    short(Kind::Root);
}
