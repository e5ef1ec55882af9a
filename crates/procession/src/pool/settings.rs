//! What a pool was told to be.

use super::{batch::Limits, life::Initial, size::PoolSize};
use procession_core::{Error, ErrorKind, Result, start::StartMethod};
use std::time::Duration;

/// The settings of a pool that has been made; all checked.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) size: PoolSize,
    pub(super) name: String,
    pub(super) method: Option<StartMethod>,
    pub(super) initial: Option<Initial>,
    pub(super) idle_timeout: Duration,
    /// How many tasks a worker runs before it's replaced.
    pub(super) max_tasks: Option<u64>,
    pub(super) memory_limit: Option<u64>,
    pub(super) max_pending: usize,
    /// For tasks whose submitter doesn't say otherwise.
    pub(super) limits: Limits,
}

impl Settings {
    pub(super) fn check(self) -> Result<Settings> {
        let wrong = match &self {
            Settings { name, .. } if name.contains('\0') => "the name of a pool can't have a nul byte in it",
            Settings { max_tasks: Some(0), .. } => {
                "max_tasks_per_worker(0): a worker must run one task at least"
            }
            Settings { memory_limit: Some(0), .. } => "memory_limit(0): no process can run without memory",
            Settings { max_pending: 0, .. } => "max_pending(0): no task could ever be submitted",
            _ => {
                self.size.check()?;
                check_timeout("task_timeout", self.limits.timeout)?;
                return Ok(self);
            }
        };
        Err(Error::new(ErrorKind::InvalidArgument, wrong))
    }
}

pub(super) fn check_timeout(name: &str, timeout: Option<Duration>) -> Result<()> {
    match timeout {
        Some(Duration::ZERO) => {
            Err(Error::new(ErrorKind::InvalidArgument, format!("{name}(0): no task could ever end in time")))
        }
        _ => Ok(()),
    }
}

/// How often a task that kills its worker is run, as how often it's run again.
pub(super) fn retries(name: &str, attempts: u32) -> Result<u32> {
    attempts.checked_sub(1).ok_or_else(|| {
        Error::new(ErrorKind::InvalidArgument, format!("{name}(0): a task must be tried once at least"))
    })
}
