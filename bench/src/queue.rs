//! What messages cost that some processes put and others take.

mod ours;
mod peers;
mod seat;

use crate::{
    measure::{Goal, Result, medians},
    peers::{CLOUDTOID, IPMPSC, PIPE},
    report::{head, row},
    sync::area::Area,
    traffic::{ONE_TO_ONE, Plan},
};
use seat::{Lots, Seat};

/// With this argument the program is one of a peer's other processes; the next ones say what it does, by whose queue, and where
/// that is. It isn't of the family.
pub(crate) const OTHER: &str = "queue-other";

const ROUNDS: usize = 7;

/// After so many messages the clock is looked at.
const BATCH: usize = 256;

const TWO_TO_TWO: Plan = Plan { putters: 2, takers: 2 };
const TWO_TO_ONE: Plan = Plan { putters: 2, takers: 1 };

pub(crate) fn run() -> Result<()> {
    head("queue, 64 bytes, M/s");
    one_taker("1 to 1", ONE_TO_ONE, Goal::AtLeast(8.0))?;
    two_to_two()?;
    one_taker("2 to 1", TWO_TO_ONE, Goal::None)?;
    many()
}

/// What a peer's other process does: the memory is its standard input.
pub(crate) fn serve(does: &str, peer: &str, address: &str) -> Result<()> {
    peers::serve(&Area::of_stdin()?, Seat::of(does)?, peer, address)
}

fn one_taker(what: &str, plan: Plan, goal: Goal) -> Result<()> {
    let [ours, cloudtoid, ipmpsc, pipe] = medians(
        ROUNDS,
        [
            &mut || ours::contest(plan, Lots::Single),
            &mut || peers::cloudtoid(plan, Lots::Single),
            &mut || peers::ipmpsc(plan),
            &mut || peers::pipe(plan, Lots::Single),
        ],
    )?;
    row(what, ours, CLOUDTOID, cloudtoid, goal);
    row(what, ours, IPMPSC, ipmpsc, Goal::None);
    row(what, ours, PIPE, pipe, Goal::None);
    Ok(())
}

fn two_to_two() -> Result<()> {
    let [ours, cloudtoid, pipe] = medians(
        ROUNDS,
        [
            &mut || ours::contest(TWO_TO_TWO, Lots::Single),
            &mut || peers::cloudtoid(TWO_TO_TWO, Lots::Single),
            &mut || peers::pipe(TWO_TO_TWO, Lots::Single),
        ],
    )?;
    row("2 to 2", ours, CLOUDTOID, cloudtoid, Goal::AtLeast(7.0));
    row("2 to 2", ours, PIPE, pipe, Goal::None);
    Ok(())
}

fn many() -> Result<()> {
    let [ours, cloudtoid, pipe] = medians(
        ROUNDS,
        [
            &mut || ours::contest(ONE_TO_ONE, Lots::Many),
            &mut || peers::cloudtoid(ONE_TO_ONE, Lots::Many),
            &mut || peers::pipe(ONE_TO_ONE, Lots::Many),
        ],
    )?;
    row("32 at a time, 1 to 1", ours, CLOUDTOID, cloudtoid, Goal::None);
    row("32 at a time, 1 to 1", ours, PIPE, pipe, Goal::None);
    Ok(())
}
