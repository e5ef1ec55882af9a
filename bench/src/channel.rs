//! What messages of one process to another cost: small ones, large ones, one that is answered, and the wait for one.

mod idle;
mod large;
mod ours;
mod round_trip;
mod small;

use crate::{measure::Result, peers::Role, report::head, sync::area::Area};

/// With this argument the program is a peer's second process; the next ones say what it does, by whose channel, and where that
/// is. It isn't of the family.
pub(crate) const OTHER: &str = "channel-other";

/// What a second process does.
const BYTES: &str = "bytes";
const TYPED: &str = "typed";
const IN_PLACE: &str = "in-place";
const OWNED: &str = "owned";
const HOT: &str = "hot";
const PARKED: &str = "parked";
const IDLE: &str = "idle";

pub(crate) fn run() -> Result<()> {
    head("64 bytes, 1 to 1, M/s");
    small::run()?;
    head("1 MiB, 1 to 1, GB/s");
    large::run()?;
    head("there and back, us");
    round_trip::run()?;
    head("processor time while idle, ms/s");
    idle::run()
}

/// What a peer's second process does: the memory is its standard input.
pub(crate) fn serve(does: &str, peer: &str, address: &str) -> Result<()> {
    let area = Area::of_stdin()?;
    match does {
        BYTES => small::send_bytes(&area, peer, address),
        TYPED => small::send_typed(&area, peer, address),
        IN_PLACE => large::send_in_place(&area, peer, address),
        OWNED => large::send_owned(&area, peer, address),
        HOT => round_trip::answer_as(&area, peer, address, round_trip::HOT),
        PARKED => round_trip::answer_as(&area, peer, address, round_trip::PARKED),
        IDLE => idle::answer_as(&area, peer, address),
        _ => Err(format!("no such role: {does}").into()),
    }
}

fn role<'a>(does: &'a str, peer: &'a str) -> Role<'a> {
    Role { other: OTHER, does, peer }
}

fn no_such(peer: &str) -> Result<()> {
    Err(format!("no such peer here: {peer}").into())
}
