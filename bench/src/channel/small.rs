//! As many small messages as fit into a second: as bytes, and as values.

use super::{BYTES, TYPED, no_such, ours, role};
use crate::{
    measure::{Goal, Result, medians},
    peers::{
        CLOUDTOID, ICEORYX2, IPC_CHANNEL, IPMPSC, PIPE, by_server, cloudtoid, iceoryx2, in_folder,
        ipc_channel, ipmpsc, pipe,
    },
    report::row,
    sync::area::{Area, Other},
    traffic::{
        self, ONE_TO_ONE,
        forms::{Receives, Sends, Words, put_bytes, put_words, take_bytes, take_words},
    },
};
use ::ipc_channel::ipc::{IpcBytesReceiver, IpcReceiver};

const ROUNDS: usize = 7;

/// After so many messages the clock is looked at.
pub(super) const BATCH: usize = 256;

/// Of each peer's ring: what suits it best.
const CLOUDTOID_CAPACITY: usize = 16 << 10;
const IPMPSC_CAPACITY: usize = 1 << 20;

pub(super) fn run() -> Result<()> {
    let [ours, iceoryx2, cloudtoid, ipmpsc, ipc_channel, pipe] = medians(
        ROUNDS,
        [
            &mut ours::bytes,
            &mut || in_folder(role(BYTES, ICEORYX2), |folder| iceoryx2::small_receiver(folder.path()), bytes),
            &mut || {
                in_folder(
                    role(BYTES, CLOUDTOID),
                    |folder| cloudtoid::receiver(folder.path(), CLOUDTOID_CAPACITY),
                    bytes,
                )
            },
            &mut || in_folder(role(BYTES, IPMPSC), |folder| ipmpsc::receiver(folder, IPMPSC_CAPACITY), bytes),
            &mut || by_server::<IpcBytesReceiver>(role(BYTES, IPC_CHANNEL), bytes),
            &mut || in_folder(role(BYTES, PIPE), |folder| pipe::make(folder, pipe::THERE), bytes),
        ],
    )?;
    row("bytes", ours, ICEORYX2, iceoryx2, Goal::AtLeast(20.0));
    row("bytes", ours, CLOUDTOID, cloudtoid, Goal::None);
    row("bytes", ours, IPMPSC, ipmpsc, Goal::None);
    row("bytes", ours, IPC_CHANNEL, ipc_channel, Goal::None);
    row("bytes", ours, PIPE, pipe, Goal::None);
    let [ours, plain, ipmpsc, ipc_channel] = medians(
        ROUNDS,
        [
            &mut ours::typed,
            &mut ours::plain,
            &mut || in_folder(role(TYPED, IPMPSC), |folder| ipmpsc::receiver(folder, IPMPSC_CAPACITY), typed),
            &mut || by_server::<IpcReceiver<Words>>(role(TYPED, IPC_CHANNEL), typed),
        ],
    )?;
    row("plain values", plain, IPMPSC, ipmpsc, Goal::AtLeast(15.0));
    row("plain values", plain, IPC_CHANNEL, ipc_channel, Goal::None);
    row("values, number by number", ours, IPMPSC, ipmpsc, Goal::None);
    row("values, number by number", ours, IPC_CHANNEL, ipc_channel, Goal::None);
    Ok(())
}

/// The first process.
fn bytes(area: &Area, mut end: impl Receives<[u8]>, other: Other) -> Result<f64> {
    traffic::take_and_measure(area, ONE_TO_ONE, BATCH, || take_bytes(&mut end), || other.join())
}

fn typed(area: &Area, mut end: impl Receives<Words>, other: Other) -> Result<f64> {
    traffic::take_and_measure(area, ONE_TO_ONE, BATCH, || take_words(&mut end), || other.join())
}

/// The second process.
pub(super) fn send_bytes(area: &Area, peer: &str, address: &str) -> Result<()> {
    match peer {
        ICEORYX2 => put_all_bytes(area, iceoryx2::small_sender(address)?),
        CLOUDTOID => put_all_bytes(area, cloudtoid::sender(address, CLOUDTOID_CAPACITY)?),
        IPMPSC => put_all_bytes(area, ipmpsc::sender(address)?),
        IPC_CHANNEL => put_all_bytes(area, ipc_channel::bytes_sender(address)?),
        PIPE => put_all_bytes(area, pipe::open(address, pipe::THERE)?),
        _ => no_such(peer),
    }
}

pub(super) fn send_typed(area: &Area, peer: &str, address: &str) -> Result<()> {
    match peer {
        IPMPSC => put_all_typed(area, ipmpsc::sender(address)?),
        IPC_CHANNEL => put_all_typed(area, ipc_channel::words_sender(address)?),
        _ => no_such(peer),
    }
}

pub(super) fn put_all_bytes(area: &Area, mut end: impl Sends<[u8]>) -> Result<()> {
    traffic::put_until_stopped(area, ONE_TO_ONE, 0, |number| put_bytes(&mut end, number))
}

pub(super) fn put_all_typed(area: &Area, mut end: impl Sends<Words>) -> Result<()> {
    traffic::put_until_stopped(area, ONE_TO_ONE, 0, |number| put_words(&mut end, number))
}
