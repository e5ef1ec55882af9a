//! What a new process takes over from the one that starts it, as it is at that moment. An executed process inherits all
//! this from its parent; one that the forkserver makes, or that is started for a member, is told.

use crate::{
    error::{Error, ErrorKind, Result},
    sys::{
        affinity::{self, Processors},
        signals,
    },
};
use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit, umask},
};
use std::{fs::File, io, os::unix::fs::FileExt, sync::OnceLock};

/// The attributes of a process, and of the thread that starts another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    umask: u32,
    nice: i32,
    /// Signals that the thread blocks, and that the process ignores, as bits.
    blocked: u64,
    ignored: u64,
    /// `None` on a machine with more processors than the set holds: then it isn't handed on.
    processors: Option<Processors>,
    limits: [Rlimit; RESOURCES.len()],
}

const RESOURCES: [(Resource, &str); 16] = [
    (Resource::As, "RLIMIT_AS"),
    (Resource::Core, "RLIMIT_CORE"),
    (Resource::Cpu, "RLIMIT_CPU"),
    (Resource::Data, "RLIMIT_DATA"),
    (Resource::Fsize, "RLIMIT_FSIZE"),
    (Resource::Locks, "RLIMIT_LOCKS"),
    (Resource::Memlock, "RLIMIT_MEMLOCK"),
    (Resource::Msgqueue, "RLIMIT_MSGQUEUE"),
    (Resource::Nice, "RLIMIT_NICE"),
    (Resource::Nofile, "RLIMIT_NOFILE"),
    (Resource::Nproc, "RLIMIT_NPROC"),
    (Resource::Rss, "RLIMIT_RSS"),
    (Resource::Rtprio, "RLIMIT_RTPRIO"),
    (Resource::Rttime, "RLIMIT_RTTIME"),
    (Resource::Sigpending, "RLIMIT_SIGPENDING"),
    (Resource::Stack, "RLIMIT_STACK"),
];

const DATA: usize = 3;

/// Signals whose effect isn't the program's to choose: SIGKILL, SIGSTOP, and two that the C library keeps for itself.
const NOT_OURS: u64 = 1 << (libc::SIGKILL - 1) | 1 << (libc::SIGSTOP - 1) | 1 << 31 | 1 << 32;

impl Attributes {
    /// Of this process and thread. Keeps a descriptor open for the next time.
    pub(super) fn current() -> Result<Attributes> {
        static STATUS: OnceLock<File> = OnceLock::new();
        let status = match STATUS.get() {
            Some(status) => status,
            None => {
                let status = open_status().map_err(unknown)?;
                STATUS.get_or_init(|| status)
            }
        };
        Attributes::read(status).map_err(unknown)
    }

    /// Of this process and thread, which does not ask again.
    pub(super) fn current_once() -> Result<Attributes> {
        open_status().and_then(|status| Attributes::read(&status)).map_err(unknown)
    }

    fn read(status: &File) -> io::Result<Attributes> {
        // Only the kernel's report tells the mask of new files without changing it for a moment.
        let mut text = [0; 4096];
        let len = status.read_at(&mut text, 0)?;
        let text = String::from_utf8_lossy(&text[..len]);
        let field = |name: &str, radix| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| u64::from_str_radix(value.trim(), radix).ok())
                .ok_or(io::ErrorKind::InvalidData)
        };
        Ok(Attributes {
            umask: field("Umask:", 8)? as u32,
            nice: getpriority_process(None)?,
            blocked: signals::mask(None),
            ignored: field("SigIgn:", 16)?,
            processors: affinity::current().ok(),
            limits: RESOURCES.map(|(resource, _)| getrlimit(resource)),
        })
    }

    /// Changes what it has of its own.
    pub(super) fn change(&mut self, nice: Option<i32>, memory: Option<u64>, processors: Option<Processors>) {
        self.nice = nice.unwrap_or(self.nice);
        self.processors = processors.or(self.processors);
        if let Some(memory) = memory {
            let hard = self.limits[DATA].maximum.map_or(memory, |hard| hard.min(memory));
            self.limits[DATA] = Rlimit { current: Some(hard), maximum: Some(hard) };
        }
    }

    /// Makes them those of this process and thread, which has `present`.
    pub(super) fn apply(&self, present: &Attributes) -> Result<()> {
        if present.umask != self.umask {
            umask(Mode::from_raw_mode(self.umask));
        }
        for (i, (resource, name)) in RESOURCES.into_iter().enumerate() {
            let limit = &self.limits[i];
            if present.limits[i] != *limit {
                let changed = setrlimit(resource, limit.clone());
                changed.map_err(|e| refused(format_args!("{name} {}", limit_text(limit)), e))?;
            }
        }
        if present.nice != self.nice {
            setpriority_process(None, self.nice)
                .map_err(|e| refused(format_args!("nice {}", self.nice), e))?;
        }
        if let Some(processors) = &self.processors
            && present.processors.as_ref() != Some(processors)
        {
            affinity::set(processors).map_err(|e| refused("the set of processors", e))?;
        }
        let changed = (present.ignored ^ self.ignored) & !NOT_OURS;
        for signal in (1..=64).filter(|signal| changed >> (signal - 1) & 1 != 0) {
            signals::ignore(signal, self.ignored >> (signal - 1) & 1 != 0);
        }
        // Last: what was sent to it meanwhile comes now.
        signals::mask(Some(self.blocked));
        Ok(())
    }

    /// As words that travel.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut words = vec![
            u64::from(self.umask),
            self.nice as u64,
            self.blocked,
            self.ignored,
            self.processors.is_some() as u64,
        ];
        words.extend(self.processors.unwrap_or_default());
        for limit in &self.limits {
            words.extend([limit.current, limit.maximum].map(|bound| bound.unwrap_or(u64::MAX)));
        }
        words.into_iter().flat_map(u64::to_le_bytes).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Attributes> {
        let mut words =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight bytes")));
        let mut next = || words.next().ok_or_else(|| Error::corrupted("the attributes of a new process"));
        let (umask, nice, blocked, ignored) = (next()? as u32, next()? as i32, next()?, next()?);
        let has_processors = next()? != 0;
        let mut processors: Processors = [0; 16];
        for word in &mut processors {
            *word = next()?;
        }
        let mut limits = RESOURCES.map(|_| Rlimit { current: None, maximum: None });
        for limit in &mut limits {
            let bound = |word: u64| (word != u64::MAX).then_some(word);
            *limit = Rlimit { current: bound(next()?), maximum: bound(next()?) };
        }
        let processors = has_processors.then_some(processors);
        Ok(Attributes { umask, nice, blocked, ignored, processors, limits })
    }
}

fn open_status() -> io::Result<File> {
    let status = File::open("/proc/self/status")?;
    Ok(File::from(rustix::io::fcntl_dupfd_cloexec(&status, 3)?))
}

fn unknown(e: io::Error) -> Error {
    Error::system("could not find out what a new process inherits (is /proc mounted?)", e)
}

fn refused(what: impl std::fmt::Display, e: impl Into<io::Error>) -> Error {
    Error::new(ErrorKind::StartFailed, format!("the new process could not be given {what}: {}", e.into()))
}

fn limit_text(limit: &Rlimit) -> String {
    let text = |bound: Option<u64>| bound.map_or("unlimited".to_string(), |bound| bound.to_string());
    format!("{} (hard: {})", text(limit.current), text(limit.maximum))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn they_survive_their_journey() {
        let mut attributes = Attributes::current().unwrap();
        assert_eq!(attributes, Attributes::current_once().unwrap());
        assert_eq!(Attributes::from_bytes(&attributes.to_bytes()).unwrap(), attributes);
        attributes.change(Some(-7), Some(1 << 30), None);
        attributes.processors = None;
        let bytes = attributes.to_bytes();
        assert_eq!(Attributes::from_bytes(&bytes).unwrap(), attributes);
        assert!(Attributes::from_bytes(&bytes[..bytes.len() - 8]).unwrap_err().is_corrupted());
    }
}
