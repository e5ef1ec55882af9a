//! What a process costs that waits for a message which doesn't come.

use super::{IDLE, no_such, ours, role};
use crate::{
    measure::{Goal, Result, medians, same},
    peers::{IPC_CHANNEL, PIPE, by_server, in_folder, ipc_channel, pipe},
    report::row,
    sync::area::Area,
    traffic::{
        Watchdog,
        forms::{Receives, Sends, put_bytes, take_bytes},
    },
};
use ::ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender};
use std::{
    io, mem,
    sync::atomic::Ordering::{Acquire, Release},
    thread,
    time::{Duration, Instant},
};

const ROUNDS: usize = 3;
const WINDOW: Duration = Duration::from_secs(1);

pub(super) fn run() -> Result<()> {
    let [ours, ipc_channel, pipe] = medians(
        ROUNDS,
        [
            &mut ours::idle,
            &mut || {
                by_server(role(IDLE, IPC_CHANNEL), |area, ends: (IpcBytesSender, IpcBytesReceiver), other| {
                    keep_waiting(area, ends, || other.join())
                })
            },
            &mut || {
                in_folder(
                    role(IDLE, PIPE),
                    |folder| Ok((pipe::make(folder, pipe::THERE)?, pipe::make(folder, pipe::BACK)?)),
                    |area, ends, other| keep_waiting(area, ends, || other.join()),
                )
            },
        ],
    )?;
    row("blocked in recv", ours, IPC_CHANNEL, ipc_channel, Goal::AtMost(1.0));
    row("blocked in recv", ours, PIPE, pipe, Goal::None);
    Ok(())
}

/// The first process. Milliseconds of the second one's processor time for each second that it waits.
pub(super) fn keep_waiting(
    area: &Area,
    (mut there, mut back): (impl Sends<[u8]>, impl Receives<[u8]>),
    join: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    let _watchdog = Watchdog::new();
    put_bytes(&mut there, 0)?;
    same(take_bytes(&mut back)?, 0)?;
    let start = Instant::now();
    thread::sleep(WINDOW);
    let seconds = start.elapsed().as_secs_f64();
    put_bytes(&mut there, 1)?;
    same(take_bytes(&mut back)?, 1)?;
    join()?;
    Ok(area.control().counted.load(Acquire) as f64 / 1e3 / seconds)
}

/// The second process.
pub(super) fn answer_as(area: &Area, peer: &str, address: &str) -> Result<()> {
    match peer {
        IPC_CHANNEL => wait(area, ipc_channel::both_ways(address)?),
        PIPE => wait(area, (pipe::open(address, pipe::THERE)?, pipe::open(address, pipe::BACK)?)),
        _ => no_such(peer),
    }
}

/// It stores how many microseconds of a processor the wait took, in all of its threads.
pub(super) fn wait(
    area: &Area,
    (mut there, mut back): (impl Receives<[u8]>, impl Sends<[u8]>),
) -> Result<()> {
    same(take_bytes(&mut there)?, 0)?;
    put_bytes(&mut back, 0)?;
    let before = processor_time()?;
    same(take_bytes(&mut there)?, 1)?;
    area.control().counted.store(processor_time()? - before, Release);
    put_bytes(&mut back, 1)
}

/// Of this process, in microseconds.
fn processor_time() -> Result<u64> {
    // SAFETY: bounds: a value of ours. Aliasing: ours alone. Lifetime: for the call; zeroes are a valid value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: bounds: one such value is written, which is ours. Aliasing: ours alone. Lifetime: for the call.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    let micros = |time: libc::timeval| (time.tv_sec * 1_000_000 + time.tv_usec) as u64;
    Ok(micros(usage.ru_utime) + micros(usage.ru_stime))
}
