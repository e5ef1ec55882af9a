//! The peers' queues in each of the contests.

use super::{
    BATCH, OTHER,
    seat::{Lots, Seat},
};
use crate::{
    measure::Result,
    peers::{CLOUDTOID, IPMPSC, PIPE, Role, cloudtoid, folder::Folder, ipmpsc, pipe},
    sync::area::Area,
    traffic::{
        Plan,
        forms::{put_bytes, put_in_lots, put_words, take_bytes, take_in_lots, take_words},
        put_until_stopped, take_and_measure, take_beside,
    },
};

/// Of the peers' rings: about a thousand messages.
const CAPACITY: usize = 80_000;

/// The process that measures, after it has started the others. `open` makes its end.
fn contest<T: FnMut() -> Result<u64>>(
    peer: &str,
    plan: Plan,
    lots: Lots,
    open: impl FnOnce(&Folder) -> Result<T>,
) -> Result<f64> {
    let (area, folder) = (Area::new()?, Folder::new()?);
    let take = open(&folder)?;
    let mut others = Vec::new();
    for seat in Seat::others(plan, lots) {
        let does = seat.to_string();
        others.push(Role { other: OTHER, does: &does, peer }.start(&area, folder.path())?);
    }
    take_and_measure(&area, plan, BATCH, take, || others.into_iter().try_for_each(|other| other.join()))
}

pub(super) fn cloudtoid(plan: Plan, lots: Lots) -> Result<f64> {
    contest(CLOUDTOID, plan, lots, |folder| {
        let mut end = cloudtoid::receiver(folder.path(), CAPACITY)?;
        Ok(move || take_bytes(&mut end))
    })
}

pub(super) fn ipmpsc(plan: Plan) -> Result<f64> {
    contest(IPMPSC, plan, Lots::Single, |folder| {
        let mut end = ipmpsc::receiver(folder, CAPACITY)?;
        Ok(move || take_words(&mut end))
    })
}

pub(super) fn pipe(plan: Plan, lots: Lots) -> Result<f64> {
    match lots {
        Lots::Single => contest(PIPE, plan, lots, |folder| {
            let mut end = pipe::make(folder, pipe::THERE)?;
            Ok(move || take_bytes(&mut end))
        }),
        Lots::Many => contest(PIPE, plan, lots, |folder| Ok(take_in_lots(pipe::make(folder, pipe::THERE)?))),
    }
}

/// One of the others.
pub(super) fn serve(area: &Area, seat: Seat, peer: &str, folder: &str) -> Result<()> {
    let Seat { plan, lots, index } = seat;
    let put_all = |put: &mut dyn FnMut(u64) -> Result<()>| put_until_stopped(area, plan, index.into(), put);
    match (peer, seat.puts(), lots) {
        (CLOUDTOID, true, Lots::Single) => {
            let mut end = cloudtoid::sender(folder, CAPACITY)?;
            put_all(&mut |number| put_bytes(&mut end, number))
        }
        (CLOUDTOID, true, Lots::Many) => put_all(&mut put_in_lots(cloudtoid::sender(folder, CAPACITY)?)),
        (CLOUDTOID, false, _) => {
            let mut end = cloudtoid::receiver(folder, CAPACITY)?;
            take_beside(area, plan, || take_bytes(&mut end))
        }
        (IPMPSC, true, _) => {
            let mut end = ipmpsc::sender(folder)?;
            put_all(&mut |number| put_words(&mut end, number))
        }
        (PIPE, true, Lots::Single) => {
            let mut end = pipe::open(folder, pipe::THERE)?;
            put_all(&mut |number| put_bytes(&mut end, number))
        }
        (PIPE, true, Lots::Many) => put_all(&mut put_in_lots(pipe::open(folder, pipe::THERE)?)),
        (PIPE, false, _) => {
            let mut end = pipe::open(folder, pipe::THERE)?;
            take_beside(area, plan, || take_bytes(&mut end))
        }
        _ => Err(format!("no such peer here: {peer}").into()),
    }
}
