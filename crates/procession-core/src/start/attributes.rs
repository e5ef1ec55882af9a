//! What a new process takes over from the one that starts it, as it is at that moment. An executed process inherits all
//! this from its parent; one that the forkserver makes, or that is started for a member, is told.

use crate::{
    error::{Error, ErrorKind, Result},
    sys::{
        affinity::{self, Processors},
        scheduling::Scheduling,
        signals,
        status::Status,
    },
};
use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, getrlimit, setrlimit, umask},
};
use std::io;

/// The attributes of a process, and of the thread that starts another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attributes {
    umask: u32,
    /// Signals that the thread blocks, and that the process ignores, as bits.
    blocked: u64,
    ignored: u64,
    /// `None` where the kernel doesn't tell: then it isn't handed on.
    scheduling: Option<Scheduling>,
    /// `None` on a machine with more processors than the set holds.
    processors: Option<Processors>,
    limits: [Rlimit; RESOURCES.len()],
    /// What was asked for and not taken over: a start fails that can't give it.
    asked: u64,
}

/// What a thread is, and what it hands on.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) status: Status,
    pub(super) attributes: Attributes,
}

impl Own {
    /// Of the calling thread.
    pub(super) fn current() -> Result<Own> {
        let status = Status::current().map_err(unknown)?;
        let attributes = Attributes::of(&status)?;
        Ok(Own { status, attributes })
    }
}

const ASKED_NICE: u64 = 1;
const ASKED_MEMORY: u64 = 2;
const ASKED_PROCESSORS: u64 = 4;

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
    /// Of this process, which the report is about, and of the calling thread.
    pub(super) fn of(status: &Status) -> Result<Attributes> {
        // Only the report tells the mask of new files without changing it for a moment.
        let number = |name, radix| status.number(name, radix).map_err(unknown);
        Ok(Attributes {
            umask: number("Umask", 8)? as u32,
            blocked: signals::mask(None),
            ignored: number("SigIgn", 16)?,
            scheduling: Scheduling::current().ok(),
            processors: affinity::current().ok(),
            limits: RESOURCES.map(|(resource, _)| getrlimit(resource)),
            asked: 0,
        })
    }

    /// Changes what is asked for.
    pub(super) fn ask(&mut self, nice: Option<i32>, memory: Option<u64>, processors: Option<Processors>) {
        if let Some(nice) = nice {
            self.scheduling.get_or_insert_default().nice = nice;
            self.asked |= ASKED_NICE;
        }
        if let Some(memory) = memory {
            let hard = self.limits[DATA].maximum.map_or(memory, |hard| hard.min(memory));
            self.limits[DATA] = Rlimit { current: Some(hard), maximum: Some(hard) };
            self.asked |= ASKED_MEMORY;
        }
        if processors.is_some() {
            self.processors = processors;
            self.asked |= ASKED_PROCESSORS;
        }
    }

    /// Whether a process that has `other` may be allowed less than what this one has.
    pub(super) fn exceed(&self, other: &Attributes) -> bool {
        let nice = |attributes: &Attributes| attributes.scheduling.map_or(0, |scheduling| scheduling.nice);
        let hard = |limit: &Rlimit| limit.maximum.unwrap_or(u64::MAX);
        let is_higher = |(one, other): (&Rlimit, &Rlimit)| hard(one) > hard(other);
        nice(self) < nice(other) || self.limits.iter().zip(&other.limits).any(is_higher)
    }

    /// Makes them those of this process and thread, which has `present`. What can't be taken over is taken over as far as
    /// it can; what was asked for fails.
    pub(super) fn apply(&self, present: &Attributes) -> Result<()> {
        let asked = |flag| self.asked & flag != 0;
        if present.umask != self.umask {
            umask(Mode::from_raw_mode(self.umask));
        }
        for (i, (resource, name)) in RESOURCES.into_iter().enumerate() {
            let (limit, present) = (&self.limits[i], &present.limits[i]);
            if limit == present {
                continue;
            }
            match setrlimit(resource, *limit) {
                Ok(()) => {}
                Err(e) if i == DATA && asked(ASKED_MEMORY) => {
                    return Err(refused(format_args!("{name} {}", limit_text(limit)), e));
                }
                Err(_) => {
                    let _ = setrlimit(resource, lower(limit, present));
                }
            }
        }
        if let Some(scheduling) = self.scheduling
            && present.scheduling != self.scheduling
        {
            match scheduling.set() {
                Err(e) if asked(ASKED_NICE) => {
                    return Err(refused(format_args!("nice {}", scheduling.nice), e));
                }
                _ => {}
            }
        }
        if let Some(processors) = &self.processors
            && present.processors.as_ref() != Some(processors)
        {
            match affinity::set(processors) {
                Err(e) if asked(ASKED_PROCESSORS) => return Err(refused("the set of processors", e)),
                _ => {}
            }
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
        let has = u64::from(self.scheduling.is_some()) | u64::from(self.processors.is_some()) << 1;
        let mut words = vec![u64::from(self.umask), self.blocked, self.ignored, self.asked, has];
        words.extend(self.scheduling.unwrap_or_default().to_words());
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
        let (umask, blocked, ignored, asked, has) = (next()? as u32, next()?, next()?, next()?, next()?);
        let mut scheduling = [0; 6];
        let mut processors: Processors = [0; 16];
        for word in scheduling.iter_mut().chain(&mut processors) {
            *word = next()?;
        }
        let mut limits = RESOURCES.map(|_| Rlimit { current: None, maximum: None });
        for limit in &mut limits {
            let bound = |word: u64| (word != u64::MAX).then_some(word);
            *limit = Rlimit { current: bound(next()?), maximum: bound(next()?) };
        }
        let scheduling = (has & 1 != 0).then(|| Scheduling::from_words(scheduling));
        let processors = (has & 2 != 0).then_some(processors);
        Ok(Attributes { umask, blocked, ignored, scheduling, processors, limits, asked })
    }
}

/// The limit as far as a process that has `present` may have it.
fn lower(limit: &Rlimit, present: &Rlimit) -> Rlimit {
    let less = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let maximum = less(limit.maximum, present.maximum);
    Rlimit { current: less(limit.current, maximum), maximum }
}

/// The error of who can't see what a new process is to inherit: there is no /proc, or no descriptor to look into it.
pub(crate) fn unknown(e: io::Error) -> Error {
    Error::start_failed("could not find out what a new process inherits (is /proc mounted?)", e)
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
        let mut attributes = Attributes::of(&Status::current().unwrap()).unwrap();
        assert_eq!(attributes, Attributes::of(&Status::current().unwrap()).unwrap());
        assert_eq!(Attributes::from_bytes(&attributes.to_bytes()).unwrap(), attributes);
        attributes.ask(Some(-7), Some(1 << 30), None);
        attributes.processors = None;
        let bytes = attributes.to_bytes();
        assert_eq!(Attributes::from_bytes(&bytes).unwrap(), attributes);
        assert!(Attributes::from_bytes(&bytes[..bytes.len() - 8]).unwrap_err().is_corrupted());
    }

    #[test]
    fn what_exceeds_is_seen_and_lowered() {
        let limit = |current, maximum| Rlimit { current, maximum };
        assert_eq!(lower(&limit(None, None), &limit(Some(5), Some(9))), limit(Some(9), Some(9)));
        assert_eq!(lower(&limit(Some(3), None), &limit(Some(5), Some(9))), limit(Some(3), Some(9)));
        let present = Attributes::of(&Status::current().unwrap()).unwrap();
        let mut other = present.clone();
        assert!(!other.exceed(&present));
        other.ask(Some(19), None, None);
        assert!(present.exceed(&other) || present.scheduling.unwrap().nice == 19);
        other.limits[0].maximum = Some(1);
        assert!(present.exceed(&other) && present.limits[0].maximum != Some(1));
    }
}
