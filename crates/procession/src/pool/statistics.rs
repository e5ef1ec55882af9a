//! What a pool is doing.

/// What a [`Pool`](crate::Pool) was doing at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatistics {
    /// Worker processes, busy or idle or still starting.
    pub workers: usize,
    /// Workers without a task.
    pub idle: usize,
    /// Tasks being run: one for each worker that has any.
    pub running: usize,
    /// Tasks that wait, whether or not they were handed to a worker already.
    pub queued: usize,
    /// Tasks that ran to their end since the pool was made, with a value or a panic.
    pub done: u64,
    /// Tasks that didn't: their worker died, or they were cancelled.
    pub failed: u64,
    /// Workers that died since the pool was made.
    pub deaths: u64,
}
