//! What one of the other processes does.

use crate::{measure::Result, traffic::Plan};
use std::fmt;

/// One message after the other, or many at a time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lots {
    Single,
    Many,
}

/// One of those who put, if it's below their number; else one of those who take. The last of these is the process that measures.
#[derive(Clone, Copy)]
pub(super) struct Seat {
    pub(super) plan: Plan,
    pub(super) lots: Lots,
    pub(super) index: u32,
}

impl Seat {
    /// All but that of the process that measures.
    pub(super) fn others(plan: Plan, lots: Lots) -> impl Iterator<Item = Seat> {
        (0..plan.putters + plan.takers - 1).map(move |index| Seat { plan, lots, index })
    }

    pub(super) fn puts(self) -> bool {
        self.index < self.plan.putters
    }

    /// By what `Display` shows.
    pub(super) fn of(text: &str) -> Result<Seat> {
        let numbers: Vec<u32> = text.split('-').map(str::parse).collect::<std::result::Result<_, _>>()?;
        match numbers[..] {
            [putters, takers, lots, index] => {
                let lots = if lots == 0 { Lots::Single } else { Lots::Many };
                Ok(Seat { plan: Plan { putters, takers }, lots, index })
            }
            _ => Err(format!("no such seat: {text}").into()),
        }
    }
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seat { plan: Plan { putters, takers }, lots, index } = *self;
        write!(f, "{putters}-{takers}-{}-{index}", u32::from(lots == Lots::Many))
    }
}
