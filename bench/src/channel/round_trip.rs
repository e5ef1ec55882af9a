//! A small message, and its answer. Hot: both processes do nothing else. Parked: the one who waits has slept for long, in either
//! place.

use super::{no_such, ours, role};
use crate::{
    measure::{Goal, Result, median, medians, same},
    peers::{
        FUTEX, IPC_CHANNEL, PIPE, WORDS, by_server, in_folder, ipc_channel, pipe,
        words::{Sleeping, Spinning},
    },
    processors::{Pinned, Side},
    report::row,
    sync::area::{Area, Other},
    traffic::{
        Watchdog,
        forms::{Receives, Sends, put_bytes, take_bytes},
    },
};
use ::ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender};
use std::{
    sync::atomic::Ordering::Relaxed,
    thread,
    time::{Duration, Instant},
};

/// How the trips of one contest are made.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Before each message, in either place.
    pause: Duration,
    /// Whose median is one sample, and those before them.
    trips: u64,
    warm_up: u64,
    rounds: usize,
}

pub(super) const HOT: Kind = Kind { pause: Duration::ZERO, trips: 1_000, warm_up: 100, rounds: 11 };
pub(super) const PARKED: Kind = Kind { pause: Duration::from_millis(2), trips: 40, warm_up: 3, rounds: 5 };

pub(super) fn run() -> Result<()> {
    let [ours, ipc_channel, pipe, words] = medians(
        HOT.rounds,
        [
            &mut ours::hot,
            &mut || {
                by_server(
                    role(super::HOT, IPC_CHANNEL),
                    |area, ends: (IpcBytesSender, IpcBytesReceiver), other| {
                        by_bytes(area, HOT, ends, || other.join())
                    },
                )
            },
            &mut || by_pipe(super::HOT, HOT),
            &mut || {
                let area = Area::new()?;
                let other = role(super::HOT, WORDS).start(&area, "")?;
                let [there, back] = area.words();
                by_words(&area, HOT, Spinning(there), Spinning(back), other)
            },
        ],
    )?;
    row("hot", ours, IPC_CHANNEL, ipc_channel, Goal::AtMost(0.6));
    row("hot", ours, PIPE, pipe, Goal::None);
    row("hot", ours, WORDS, words, Goal::None);
    let [ours, futex, pipe] = medians(
        PARKED.rounds,
        [
            &mut ours::parked,
            &mut || {
                let area = Area::new()?;
                let other = role(super::PARKED, FUTEX).start(&area, "")?;
                let [there, back] = area.words();
                by_words(&area, PARKED, Sleeping(there), Sleeping(back), other)
            },
            &mut || by_pipe(super::PARKED, PARKED),
        ],
    )?;
    row("parked", ours, FUTEX, futex, Goal::RatioAtMost(1.1));
    row("parked", ours, PIPE, pipe, Goal::None);
    Ok(())
}

fn by_pipe(does: &str, kind: Kind) -> Result<f64> {
    in_folder(
        role(does, PIPE),
        |folder| Ok((pipe::make(folder, pipe::THERE)?, pipe::make(folder, pipe::BACK)?)),
        |area, ends, other| by_bytes(area, kind, ends, || other.join()),
    )
}

/// The first process, by messages of 64 bytes.
pub(super) fn by_bytes(
    area: &Area,
    kind: Kind,
    (mut there, mut back): (impl Sends<[u8]>, impl Receives<[u8]>),
    join: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    trips(area, kind, |number| put_bytes(&mut there, number), || take_bytes(&mut back), join)
}

fn by_words(
    area: &Area,
    kind: Kind,
    mut there: impl Sends<u32>,
    mut back: impl Receives<u32>,
    other: Other,
) -> Result<f64> {
    trips(
        area,
        kind,
        |number| there.send(&(number as u32)),
        || back.receive(|n| u64::from(*n)),
        || other.join(),
    )
}

/// The second process.
pub(super) fn answer_as(area: &Area, peer: &str, address: &str, kind: Kind) -> Result<()> {
    let [there, back] = area.words();
    match peer {
        IPC_CHANNEL => answer_bytes(area, kind, ipc_channel::both_ways(address)?),
        PIPE => {
            answer_bytes(area, kind, (pipe::open(address, pipe::THERE)?, pipe::open(address, pipe::BACK)?))
        }
        WORDS => answer_words(area, kind, Spinning(there), Spinning(back)),
        FUTEX => answer_words(area, kind, Sleeping(there), Sleeping(back)),
        _ => no_such(peer),
    }
}

pub(super) fn answer_bytes(
    area: &Area,
    kind: Kind,
    (mut there, mut back): (impl Receives<[u8]>, impl Sends<[u8]>),
) -> Result<()> {
    answer(area, kind, || take_bytes(&mut there), |number| put_bytes(&mut back, number))
}

fn answer_words(
    area: &Area,
    kind: Kind,
    mut there: impl Receives<u32>,
    mut back: impl Sends<u32>,
) -> Result<()> {
    answer(area, kind, || there.receive(|n| u64::from(*n)), |number| back.send(&(number as u32)))
}

/// The median of the times from just before a message is sent until its answer is there, less what the second process paused,
/// in microseconds. `join` waits for that one.
fn trips(
    area: &Area,
    kind: Kind,
    mut give: impl FnMut(u64) -> Result<()>,
    mut take: impl FnMut() -> Result<u64>,
    join: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    let _watchdog = Watchdog::new();
    let _pinned = Pinned::to(Side::First)?;
    let mut samples = Vec::new();
    for number in 0..kind.warm_up + kind.trips {
        if !kind.pause.is_zero() {
            thread::sleep(kind.pause);
        }
        let start = Instant::now();
        give(number)?;
        let answer = take()?;
        let time = start.elapsed().as_nanos() as f64;
        same(answer, number)?;
        let paused = area.control().counted.load(Relaxed) as f64;
        if number >= kind.warm_up {
            samples.push((time - paused) / 1e3);
        }
    }
    join()?;
    Ok(median(samples))
}

/// It stores how many nanoseconds it paused before it answers.
fn answer(
    area: &Area,
    kind: Kind,
    mut take: impl FnMut() -> Result<u64>,
    mut give: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let _pinned = Pinned::to(Side::Second)?;
    for _ in 0..kind.warm_up + kind.trips {
        let number = take()?;
        if !kind.pause.is_zero() {
            let start = Instant::now();
            thread::sleep(kind.pause);
            area.control().counted.store(start.elapsed().as_nanos() as u64, Relaxed);
        }
        give(number)?;
    }
    Ok(())
}
