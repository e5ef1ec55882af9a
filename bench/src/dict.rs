//! What it costs to look up and change entries that one or two processes share.

mod contest;
mod entries;
mod lmdb;
mod local;
mod ours;
mod server;

use crate::{
    measure::{Goal, Result, medians},
    peers::{LMDB, SERVER},
    report::{head, row},
    sync::area::Area,
};
use contest::Does;
use lmdb::Lmdb;
use local::Local;
use ours::Ours;
use server::Server;

/// With this argument the program is one of a peer's other processes; the next ones say what it does, with whose entries, and where
/// they are. It isn't of the family.
pub(crate) const OTHER: &str = "dict-other";

const ROUNDS: usize = 5;

const LOCAL: &str = "Mutex<HashMap>";

pub(crate) fn run() -> Result<()> {
    let (mut ours, mut lmdb, mut server, local) = (Ours::new()?, Lmdb::new()?, Server::new()?, Local::new()?);
    head("memory, bytes per entry of 80");
    row("filled", ours.bytes_per_entry()?, LMDB, lmdb.bytes_per_entry()?, Goal::None);

    head("one process, M/s");
    let mut alone = Vec::new();
    for does in Does::ALL {
        let rates = medians(
            ROUNDS,
            [&mut || ours.alone(does), &mut || lmdb.alone(does), &mut || server.alone(does), &mut || {
                local.alone(does)
            }],
        )?;
        rows(does, rates, goal_alone(does));
        alone.push(rates[0]);
    }

    head("two processes, M/s");
    let mut two = Vec::new();
    for does in Does::ALL {
        let rates = medians(
            ROUNDS,
            [&mut || ours.two(does), &mut || lmdb.two(does), &mut || server.two(does), &mut || {
                local.two(does)
            }],
        )?;
        rows(does, rates, goal_two(does));
        two.push(rates[0]);
    }

    head("two processes beside one, M/s");
    for ((does, alone), two) in Does::ALL.into_iter().zip(alone).zip(two) {
        let goal = if does == Does::UpdateOne { Goal::None } else { Goal::RatioAtLeast(GAIN) };
        row(&does.to_string(), two, "one of ours", alone, goal);
    }

    head("memory, bytes per entry of 80");
    row("after all this", ours.bytes_per_entry()?, LMDB, lmdb.bytes_per_entry()?, Goal::None);
    Ok(())
}

/// Of two processes, compared with one.
const GAIN: f64 = 1.5;

fn goal_alone(does: Does) -> Goal {
    match does {
        Does::Get => Goal::AtLeast(15.0),
        Does::Put => Goal::AtLeast(10.0),
        Does::Update => Goal::AtLeast(5.0),
        Does::UpdateOne => Goal::None,
    }
}

fn goal_two(does: Does) -> Goal {
    match (does, goal_alone(does)) {
        (Does::UpdateOne, _) => Goal::AtLeast(2.0),
        (_, Goal::AtLeast(alone)) => Goal::AtLeast(alone * GAIN),
        (_, goal) => goal,
    }
}

fn rows(does: Does, [ours, lmdb, server, local]: [f64; 4], goal: Goal) {
    let what = does.to_string();
    row(&what, ours, LMDB, lmdb, goal);
    row(&what, ours, SERVER, server, Goal::None);
    row(&what, ours, LOCAL, local, Goal::None);
}

/// What a peer's other process does: the memory by which they start together is its standard input.
pub(crate) fn serve(does: &str, peer: &str, address: &str) -> Result<()> {
    let area = Area::of_stdin()?;
    match (peer, does) {
        (SERVER, server::SERVE) => server::serve(&area, address),
        (SERVER, _) => server::second(&area, does.parse()?, address),
        (LMDB, _) => lmdb::second(&area, does.parse()?, address),
        _ => Err(format!("no such peer here: {peer}").into()),
    }
}
