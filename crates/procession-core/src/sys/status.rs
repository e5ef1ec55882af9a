//! What the kernel reports about this process: `/proc/self/status`.

use std::{fs::File, io, os::unix::fs::FileExt, sync::OnceLock};

/// The report. Where it speaks of a thread, it's the process's first one.
#[derive(Debug)]
pub(crate) struct Status(String);

impl Status {
    /// Of this moment. Keeps a descriptor open for the next time.
    pub(crate) fn current() -> io::Result<Status> {
        static FILE: OnceLock<File> = OnceLock::new();
        match FILE.get() {
            Some(file) => Status::read(file),
            None => {
                let file = open()?;
                Status::read(FILE.get_or_init(|| file))
            }
        }
    }

    /// Of this moment, for a process that doesn't ask again.
    pub(crate) fn current_once() -> io::Result<Status> {
        Status::read(&open()?)
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
            io::Error::new(io::ErrorKind::InvalidData, format!("/proc/self/status has no {name}"))
        })
    }
}

fn open() -> io::Result<File> {
    let file = File::open("/proc/self/status")?;
    Ok(File::from(rustix::io::fcntl_dupfd_cloexec(&file, 3)?))
}
