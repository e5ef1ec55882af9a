//! What a pool is doing.

use super::{
    state::State,
    worker::{Stage, Worker},
};
use procession_core::now;
use std::time::Duration;

/// What a [`Pool`](crate::Pool) was doing at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatistics {
    /// Worker processes, in whatever state.
    pub workers: usize,
    /// Workers that aren't ready for tasks yet.
    pub starting: usize,
    /// Workers without a task.
    pub idle: usize,
    /// Workers that get no more tasks: there are too many, or they have run as many as they may, or they were ended for what they ran.
    pub leaving: usize,
    /// Tasks being run: one for each worker that is ready and has any.
    pub running: usize,
    /// Tasks that wait, whether or not they were handed to a worker already.
    pub queued: usize,
    /// Tasks that ran to their end since the pool was made, with a value or a panic.
    pub done: u64,
    /// Tasks that didn't: their worker died, they took too long, or they were cancelled.
    pub failed: u64,
    /// How often a task was run once more because its worker had died.
    pub retried: u64,
    /// Workers that died since the pool was made, other than those that the pool ended.
    pub deaths: u64,
    /// The time that the present workers have spent on tasks, all together.
    pub busy_time: Duration,
    /// How long it took a worker to become ready, on average.
    pub start_time: Duration,
    /// Each worker.
    pub each: Vec<WorkerStatistics>,
}

/// What one worker of a [`Pool`](crate::Pool) was doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStatistics {
    /// Its number in the pool: see [`worker::Current`](crate::worker::Current).
    pub index: usize,
    /// Its process id.
    pub pid: u32,
    /// What it was doing.
    pub state: WorkerState,
    /// The tasks that it ran to their end.
    pub done: u64,
    /// The tasks that it has, begun or not.
    pub unfinished: usize,
    /// The time that it has spent on tasks.
    pub busy_time: Duration,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It isn't ready for tasks yet.
    Starting,
    /// It has nothing to do.
    Idle,
    /// It has tasks.
    Busy,
    /// It gets no more tasks, and ends.
    Leaving,
}

impl PoolStatistics {
    pub(super) fn of(state: &mut State) -> PoolStatistics {
        state.read_reports();
        let each: Vec<WorkerStatistics> = state.workers.iter().map(WorkerStatistics::of).collect();
        let count = |wanted| each.iter().filter(|worker| worker.state == wanted).count();
        // Who isn't ready runs nothing, whatever it was handed.
        let runs =
            |worker: &&WorkerStatistics| worker.unfinished > 0 && worker.state != WorkerState::Starting;
        let running = each.iter().filter(runs).count();
        let counts = &state.counts;
        PoolStatistics {
            workers: each.len(),
            starting: count(WorkerState::Starting),
            idle: count(WorkerState::Idle),
            leaving: count(WorkerState::Leaving),
            running,
            queued: state.unfinished.saturating_sub(running),
            done: counts.done,
            failed: counts.failed,
            retried: counts.retried,
            deaths: counts.deaths,
            busy_time: each.iter().map(|worker| worker.busy_time).sum(),
            start_time: Duration::from_nanos(counts.start_time / (counts.starts.max(1) as u64)),
            each,
        }
    }
}

impl WorkerStatistics {
    fn of(worker: &Worker) -> WorkerStatistics {
        let report = worker.report();
        let present = report.ready.and(report.since).map_or(0, |since| now().saturating_sub(since));
        WorkerStatistics {
            index: worker.index,
            pid: worker.pid(),
            state: match worker.stage {
                Stage::Leaving => WorkerState::Leaving,
                Stage::Starting => WorkerState::Starting,
                Stage::Serving if worker.unfinished() == 0 => WorkerState::Idle,
                Stage::Serving => WorkerState::Busy,
            },
            done: worker.done(),
            unfinished: worker.unfinished(),
            busy_time: report.busy + Duration::from_nanos(present),
        }
    }
}
