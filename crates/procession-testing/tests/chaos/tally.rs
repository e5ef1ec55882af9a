//! What was done, and what went wrong as it may.

use serde::{Deserialize, Serialize};
use std::{fmt, ops::AddAssign};

/// Of a process, a family or a whole trial.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Tasks of the pool whose outcome is known.
    pub(crate) tasks: u64,
    /// Things that were done with what is shared.
    pub(crate) deeds: u64,
    /// Pools, managers and processes that were made in a task.
    pub(crate) nested: u64,
    /// Requests that were answered.
    pub(crate) answers: u64,
    /// Operations for which there was no memory.
    pub(crate) memory: u64,
    /// Processes that couldn't be started.
    pub(crate) starts: u64,
    /// Tasks and processes that died.
    pub(crate) deaths: u64,
    /// Tasks that took too long, or were taken back.
    pub(crate) cut: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.tasks += other.tasks;
        self.deeds += other.deeds;
        self.nested += other.nested;
        self.answers += other.answers;
        self.memory += other.memory;
        self.starts += other.starts;
        self.deaths += other.deaths;
        self.cut += other.cut;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { tasks, deeds, nested, answers, memory, starts, deaths, cut } = self;
        write!(
            f,
            "{tasks} tasks ({deaths} died, {cut} cut short), {deeds} deeds, {nested} nested, {answers} answers, {memory} times no memory, \
             {starts} times no process"
        )
    }
}
