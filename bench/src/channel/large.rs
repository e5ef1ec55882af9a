//! Large messages: made and read where they lie, or given as a vector and got as another.

use super::{IN_PLACE, OWNED, no_such, ours, role};
use crate::{
    measure::{Goal, Result, medians},
    peers::{
        CLOUDTOID, ICEORYX2, IPC_CHANNEL, IPMPSC, PIPE, by_server, cloudtoid,
        folder::Folder,
        iceoryx2, in_folder, ipc_channel, ipmpsc,
        pipe::{self, LargePipe},
    },
    report::row,
    sync::area::{Area, Other},
    traffic::{
        self, ONE_TO_ONE,
        forms::{LARGE, Receives, Sends, SendsInPlace, put_in_place, put_vec, take_in_place, take_vec},
    },
};
use ::ipc_channel::ipc::IpcBytesReceiver;

const ROUNDS: usize = 7;

/// Of the peers' rings: some messages.
const CAPACITY: usize = 4 * LARGE + (LARGE >> 1);

pub(super) fn run() -> Result<()> {
    let [ours, iceoryx2] = medians(
        ROUNDS,
        [&mut || ours::in_place().map(gigabytes), &mut || {
            let open = |folder: &Folder| iceoryx2::large_receiver(folder.path());
            in_folder(role(IN_PLACE, ICEORYX2), open, in_place).map(gigabytes)
        }],
    )?;
    row("in place", ours, ICEORYX2, iceoryx2, Goal::AtLeast(17.0));
    let [ours, cloudtoid, ipmpsc, ipc_channel, pipe] = medians(
        ROUNDS,
        [
            &mut || ours::owned().map(gigabytes),
            &mut || {
                let open = |folder: &Folder| cloudtoid::receiver(folder.path(), CAPACITY);
                in_folder(role(OWNED, CLOUDTOID), open, owned).map(gigabytes)
            },
            &mut || {
                let open = |folder: &Folder| ipmpsc::receiver(folder, CAPACITY);
                in_folder(role(OWNED, IPMPSC), open, owned).map(gigabytes)
            },
            &mut || by_server::<IpcBytesReceiver>(role(OWNED, IPC_CHANNEL), owned).map(gigabytes),
            &mut || {
                let open = |folder: &Folder| Ok(LargePipe(pipe::make(folder, pipe::THERE)?));
                in_folder(role(OWNED, PIPE), open, owned).map(gigabytes)
            },
        ],
    )?;
    row("owned Vec<u8>", ours, CLOUDTOID, cloudtoid, Goal::AtLeast(10.0));
    row("owned Vec<u8>", ours, IPMPSC, ipmpsc, Goal::None);
    row("owned Vec<u8>", ours, IPC_CHANNEL, ipc_channel, Goal::None);
    row("owned Vec<u8>", ours, PIPE, pipe, Goal::None);
    Ok(())
}

/// Of millions of messages a second; each byte counts once.
fn gigabytes(millions: f64) -> f64 {
    millions * 1e6 * LARGE as f64 / 1e9
}

/// The first process.
fn in_place(area: &Area, mut end: impl Receives<[u8]>, other: Other) -> Result<f64> {
    traffic::take_and_measure(area, ONE_TO_ONE, 1, || take_in_place(&mut end), || other.join())
}

fn owned(area: &Area, mut end: impl Receives<Vec<u8>>, other: Other) -> Result<f64> {
    traffic::take_and_measure(area, ONE_TO_ONE, 1, || take_vec(&mut end), || other.join())
}

/// The second process.
pub(super) fn send_in_place(area: &Area, peer: &str, address: &str) -> Result<()> {
    match peer {
        ICEORYX2 => put_all_in_place(area, iceoryx2::large_sender(address)?),
        _ => no_such(peer),
    }
}

pub(super) fn send_owned(area: &Area, peer: &str, address: &str) -> Result<()> {
    match peer {
        CLOUDTOID => put_all_owned(area, cloudtoid::sender(address, CAPACITY)?),
        IPMPSC => put_all_owned(area, ipmpsc::sender(address)?),
        IPC_CHANNEL => put_all_owned(area, ipc_channel::bytes_sender(address)?),
        PIPE => put_all_owned(area, LargePipe(pipe::open(address, pipe::THERE)?)),
        _ => no_such(peer),
    }
}

pub(super) fn put_all_in_place(area: &Area, mut end: impl SendsInPlace) -> Result<()> {
    traffic::put_until_stopped(area, ONE_TO_ONE, 0, |number| put_in_place(&mut end, number))
}

pub(super) fn put_all_owned(area: &Area, mut end: impl Sends<Vec<u8>>) -> Result<()> {
    let mut message = vec![1; LARGE];
    traffic::put_until_stopped(area, ONE_TO_ONE, 0, |number| put_vec(&mut end, &mut message, number))
}
