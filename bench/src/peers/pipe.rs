//! A pipe, which has a name so that a second process can open it. It's as large as everybody may have one.

use super::folder::Folder;
use crate::{
    measure::{Result, same},
    traffic::forms::{LARGE, MANY, Receives, ReceivesMany, Sends, SendsMany, Words, bytes_of, words_of},
};
use std::{
    ffi::CString,
    fs::File,
    io::{self, Read, Write},
    os::fd::AsRawFd,
};

/// Which of the pipes in a folder.
pub(crate) const THERE: &str = "there";
pub(crate) const BACK: &str = "back";

const SIZE: libc::c_int = 1 << 20;

/// Both ends of a pipe.
pub(crate) struct Pipe(File);

/// The same, whose messages are large ones.
pub(crate) struct LargePipe(pub(crate) Pipe);

/// Makes it, and opens it.
pub(crate) fn make(folder: &Folder, which: &str) -> Result<Pipe> {
    let path = CString::new(format!("{}/{which}", folder.path()))?;
    // SAFETY: bounds: the path ends with a zero. Aliasing: it's only read. Lifetime: for the call.
    if unsafe { libc::mkfifo(path.as_ptr(), 0o600) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    let pipe = open(folder.path(), which)?;
    // SAFETY: bounds, aliasing, lifetime: no memory is passed; the descriptor is open.
    unsafe { libc::fcntl(pipe.0.as_raw_fd(), libc::F_SETPIPE_SZ, SIZE) };
    Ok(pipe)
}

/// For reading and writing, so that nobody waits for the other one to open it.
pub(crate) fn open(folder: &str, which: &str) -> Result<Pipe> {
    Ok(Pipe(File::options().read(true).write(true).open(format!("{folder}/{which}"))?))
}

impl Sends<[u8]> for Pipe {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        Ok(self.0.write_all(message)?)
    }
}

impl Receives<[u8]> for Pipe {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let mut message = [0; 64];
        same(self.0.read(&mut message)?, message.len())?;
        Ok(look(&message))
    }
}

impl SendsMany for Pipe {
    fn send_many(&mut self, messages: &[Words]) -> Result<()> {
        let mut bytes = [0; MANY * 64];
        let all = &mut bytes[..messages.len() * 64];
        all.chunks_exact_mut(64)
            .zip(messages)
            .for_each(|(chunk, words)| chunk.copy_from_slice(&bytes_of(words)));
        Ok(self.0.write_all(all)?)
    }
}

impl ReceivesMany for Pipe {
    fn receive_many(&mut self, messages: &mut Vec<Words>) -> Result<()> {
        let mut bytes = [0; MANY * 64];
        let len = self.0.read(&mut bytes)?;
        same(len % 64, 0)?;
        messages.extend(bytes[..len].as_chunks().0.iter().map(words_of));
        Ok(())
    }
}

impl Sends<Vec<u8>> for LargePipe {
    fn send(&mut self, message: &Vec<u8>) -> Result<()> {
        self.0.send(message)
    }
}

impl Receives<Vec<u8>> for LargePipe {
    fn receive<R>(&mut self, look: impl FnOnce(&Vec<u8>) -> R) -> Result<R> {
        let mut message = Vec::with_capacity(LARGE);
        (&mut self.0.0).take(LARGE as u64).read_to_end(&mut message)?;
        Ok(look(&message))
    }
}
