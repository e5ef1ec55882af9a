//! How many workers a pool may have.

use procession_core::{Error, ErrorKind, Result, SLOTS};
use std::ops::RangeInclusive;

/// How many workers a pool has: always the same number (from a number), or so many at least and so many at most (from a range,
/// `3..=20`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSize {
    pub(super) min: usize,
    pub(super) max: usize,
}

impl PoolSize {
    /// At least so many.
    pub fn min(&self) -> usize {
        self.min
    }

    /// At most so many.
    pub fn max(&self) -> usize {
        self.max
    }

    pub(super) fn is_elastic(&self) -> bool {
        self.min < self.max
    }

    pub(super) fn check(self) -> Result<PoolSize> {
        let PoolSize { min, max } = self;
        let text = match self {
            PoolSize { max: 0, .. } => "a pool needs at least one worker".to_string(),
            _ if min > max => format!("workers({min}..={max}): the least must not be more than the most"),
            _ if max >= SLOTS => {
                format!("workers({max}): a family has at most {SLOTS} processes, with this one")
            }
            _ => return Ok(self),
        };
        Err(Error::new(ErrorKind::InvalidArgument, text))
    }
}

impl From<usize> for PoolSize {
    fn from(workers: usize) -> PoolSize {
        PoolSize { min: workers, max: workers }
    }
}

impl From<RangeInclusive<usize>> for PoolSize {
    fn from(workers: RangeInclusive<usize>) -> PoolSize {
        PoolSize { min: *workers.start(), max: *workers.end() }
    }
}
