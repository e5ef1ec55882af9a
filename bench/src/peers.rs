//! The peers' channels and queues: how each is made, and how a second process comes to the other end.

pub(crate) mod cloudtoid;
pub(crate) mod folder;
pub(crate) mod iceoryx2;
pub(crate) mod ipc_channel;
pub(crate) mod ipmpsc;
pub(crate) mod pipe;
pub(crate) mod words;

use crate::{
    measure::Result,
    sync::area::{Area, Other},
    traffic::Watchdog,
};
use folder::Folder;
use std::{io, thread};

/// What the peers are called, in tables and by second processes.
pub(crate) const CLOUDTOID: &str = "cloudtoid";
pub(crate) const ICEORYX2: &str = "iceoryx2";
pub(crate) const IPC_CHANNEL: &str = "ipc-channel";
pub(crate) const IPMPSC: &str = "ipmpsc";
pub(crate) const PIPE: &str = "pipe";
pub(crate) const FUTEX: &str = "bare futex";
pub(crate) const WORDS: &str = "bare words";
pub(crate) const LMDB: &str = "LMDB";
pub(crate) const SERVER: &str = "socket server";

/// What a second process is told: which benchmark it's part of, what it does there, whose channel it uses, and where that is.
#[derive(Clone, Copy)]
pub(crate) struct Role<'a> {
    pub(crate) other: &'a str,
    pub(crate) does: &'a str,
    pub(crate) peer: &'a str,
}

impl Role<'_> {
    pub(crate) fn start(self, area: &Area, address: &str) -> Result<Other> {
        Other::start(area, &[self.other, self.does, self.peer, address])
    }
}

/// One contest of a peer whose channels lie in files: `open` makes this process's end in a new folder, before the second process
/// starts.
pub(crate) fn in_folder<E>(
    role: Role<'_>,
    open: impl FnOnce(&Folder) -> Result<E>,
    contest: impl FnOnce(&Area, E, Other) -> Result<f64>,
) -> Result<f64> {
    let (area, folder) = (Area::new()?, Folder::new()?);
    let end = open(&folder)?;
    let other = role.start(&area, folder.path())?;
    contest(&area, end, other)
}

/// One contest of a peer whose second process sends the first one's end to it.
pub(crate) fn by_server<E: ipc_channel::Message>(
    role: Role<'_>,
    contest: impl FnOnce(&Area, E, Other) -> Result<f64>,
) -> Result<f64> {
    let area = Area::new()?;
    let (server, name) = ipc_channel::server()?;
    let other = role.start(&area, &name)?;
    let watchdog = Watchdog::new();
    let end = ipc_channel::accept(server)?;
    drop(watchdog);
    contest(&area, end, other)
}

/// Has the kernel end this process along with the one that started it.
pub(crate) fn die_with_parent() -> Result<()> {
    // SAFETY: bounds, aliasing, lifetime: no memory is passed.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}

/// Looks again and again for what can't be waited for: at first without leaving the processor.
fn poll<T>(mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let mut looks = 0;
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        looks += 1;
        if looks < 1_000 {
            std::hint::spin_loop();
        } else {
            thread::yield_now();
        }
    }
}
