//! What the kernel reports about a thread and its process: `/proc/thread-self/status`.

use std::{fs::File, io, os::unix::fs::FileExt};

/// The report.
#[derive(Debug)]
pub(crate) struct Status(String);

impl Status {
    /// Of the calling thread, at this moment.
    pub(crate) fn current() -> io::Result<Status> {
        Status::read(&File::open("/proc/thread-self/status")?)
    }

    /// Of the first thread of a process.
    pub(crate) fn of_process(pid: u32) -> io::Result<Status> {
        Status::read(&File::open(format!("/proc/{pid}/status"))?)
    }

    fn read(file: &File) -> io::Result<Status> {
        // Enough for all but a user with hundreds of groups.
        let mut text = vec![0; 4096];
        let mut len = 0;
        loop {
            match file.read_at(&mut text[len..], len as u64)? {
                0 => break,
                read => len += read,
            }
            if len < text.len() {
                // The kernel gives as much as fits.
                break;
            }
            text.resize(2 * text.len(), 0);
        }
        text.truncate(len);
        Ok(Status(String::from_utf8_lossy(&text).into_owned()))
    }

    /// The value of the line with that name.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    pub(crate) fn number(&self, name: &str, radix: u32) -> io::Result<u64> {
        let number = self.field(name).and_then(|text| u64::from_str_radix(text, radix).ok());
        number.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("the status of a thread has no {name}"))
        })
    }
}
