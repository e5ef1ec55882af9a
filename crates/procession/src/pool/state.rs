//! What the engine knows, and what it does with it: all under one lock, none of it waiting for anybody.

use super::{
    batch::Piece,
    plan::{self, Snapshot},
    settings::Settings,
    sink::{Effects, Part},
    size::PoolSize,
    worker::{Stage, Worker},
};
use crate::TaskError;
use procession_core::{Deadline, Error, ErrorKind, Result, now, pool::Span};
use std::{collections::VecDeque, time::Duration};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Takes no more tasks, finishes what it has.
    Closed,
    /// Over.
    Terminated,
}

pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) size: PoolSize,
    pub(super) workers: Vec<Worker>,
    /// What no worker had room for.
    pub(super) backlog: VecDeque<Piece>,
    /// How many tasks in the backlog were cancelled, and are passed over.
    pub(super) tombstones: usize,
    /// Tasks accepted and not delivered.
    pub(super) unfinished: usize,
    pub(super) counts: Counts,
    pub(super) effects: Effects,
    /// The family's count of deaths when the workers were last looked at.
    pub(super) deaths_seen: u64,
    /// When to look at the workers whatever that count says.
    pub(super) look_due: Deadline,
    /// Starts in a row that came to nothing, weighted; and why the last one did.
    pub(super) failed_starts: u32,
    pub(super) failure: Option<Error>,
    /// No start before this.
    pub(super) next_start: Deadline,
    /// A worker is being started, and isn't among the workers yet.
    pub(super) launching: bool,
    /// Since when there have been tasks that nobody had begun, and nobody idle. Only for a pool that can grow.
    pub(super) pressed: Option<u64>,
    /// The shortest time limit of a task that may be unfinished.
    pub(super) shortest_timeout: Option<Duration>,
    /// Until when the dispatcher sleeps.
    pub(super) dispatcher_due: Deadline,
    /// The dispatcher has to look at the number of workers.
    pub(super) rethink: bool,
    /// Nothing could be moved although a worker is idle: not to be tried again before something came back.
    pub(super) stuck: bool,
    /// Tasks submitted since something was last received in passing.
    pub(super) submitted: usize,
}

/// What has happened since the pool was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
    pub(super) deaths: u64,
    /// Workers that became ready, and how long that took them all together, in nanoseconds.
    pub(super) starts: u32,
    pub(super) start_time: u64,
}

impl State {
    pub(super) fn new(size: PoolSize, workers: Vec<Worker>, deaths_seen: u64) -> State {
        State {
            phase: Phase::Open,
            size,
            workers,
            backlog: VecDeque::new(),
            tombstones: 0,
            unfinished: 0,
            counts: Counts::default(),
            effects: Effects::default(),
            deaths_seen,
            look_due: Deadline::PASSED,
            failed_starts: 0,
            failure: None,
            next_start: Deadline::PASSED,
            launching: false,
            pressed: None,
            shortest_timeout: None,
            dispatcher_due: Deadline::PASSED,
            rethink: true,
            stuck: false,
            submitted: 0,
        }
    }

    /// Whether it takes tasks of its own tasks.
    pub(super) fn check_not_over(&self) -> Result<()> {
        match self.phase {
            Phase::Closed if !self.is_hopeless() => Ok(()),
            _ => self.check_open(),
        }
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.phase {
            Phase::Open if self.is_hopeless() => Err(self.hopeless()),
            Phase::Open => Ok(()),
            Phase::Closed => Err(Error::new(ErrorKind::Closed, "the pool is closed: it takes no more tasks")),
            Phase::Terminated => Err(Error::new(ErrorKind::Closed, "the pool has been terminated")),
        }
    }

    /// Accepts tasks: whether the dispatcher must be told.
    pub(super) fn accept(&mut self, piece: Piece) -> bool {
        let timeout = piece.limits().timeout;
        self.hope_again();
        self.unfinished += piece.len();
        self.counts.accepted += piece.len() as u64;
        self.hand_out(piece);
        if let Some(timeout) = timeout {
            self.shortest_timeout = Some(self.shortest_timeout.map_or(timeout, |known| known.min(timeout)));
            self.rethink |= Deadline::after(timeout) < self.dispatcher_due;
        }
        self.note_pressure();
        self.rethink
    }

    /// To be called when tasks were handed out, by whomever: if there are some now that nobody has begun and nobody is idle, the dispatcher
    /// must look in time whether that lasts.
    pub(super) fn note_pressure(&mut self) {
        if self.pressed.is_none()
            && self.can_grow()
            && !self.workers.iter().any(Worker::is_idle)
            && self.queued() > 0
        {
            self.pressed = Some(now());
            self.rethink |= Deadline::after(plan::PATIENCE) < self.dispatcher_due;
        }
    }

    /// Workers that aren't leaving.
    pub(super) fn staff(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter().filter(|worker| worker.stage != Stage::Leaving)
    }

    fn can_grow(&self) -> bool {
        self.size.is_elastic() && self.staff().count() < self.size.max
    }

    /// Tasks that nobody has begun, if each worker that has some has begun one.
    fn queued(&self) -> usize {
        self.unfinished.saturating_sub(self.workers.iter().filter(|worker| worker.unfinished() > 0).count())
    }

    /// Receives from every worker: how many tasks.
    pub(super) fn receive(&mut self) -> usize {
        let mut count = 0;
        for at in 0..self.workers.len() {
            if self.workers[at].has_results() {
                count += self.receive_from(at);
            }
        }
        count
    }

    pub(super) fn receive_from(&mut self, at: usize) -> usize {
        let worker = &mut self.workers[at];
        let (received, outcome) = worker.receive(&mut self.effects);
        if outcome.is_err() {
            // It scribbled over what it shares with us. Nothing more that it says can be believed.
            worker.kill();
        }
        if received > 0 && (self.size.is_elastic() || self.shortest_timeout.is_some()) {
            worker.since = now();
            if worker.is_idle() {
                self.pressed = None;
            }
        }
        if worker.is_used_up() {
            self.dismiss(at);
        }
        self.count_done(received);
        received
    }

    pub(super) fn count_done(&mut self, count: usize) {
        if count != 0 {
            self.unfinished -= count;
            self.counts.done += count as u64;
            self.stuck = false;
            self.settle();
        }
    }

    fn settle(&mut self) {
        if self.unfinished == 0 {
            self.shortest_timeout = None;
            self.pressed = None;
        }
    }

    pub(super) fn fail(&mut self, piece: Piece, error: &TaskError) {
        if piece.is_settled() {
            return self.effects.let_go(piece);
        }
        for at in 0..piece.len() {
            let part = Part::Failed(error.clone());
            piece.batch.kind.sink.deliver(piece.number(at), part, &mut self.effects.later);
        }
        self.count_failed(piece.len());
        self.effects.let_go(piece);
    }

    pub(super) fn count_failed(&mut self, count: usize) {
        self.unfinished -= count;
        self.counts.failed += count as u64;
        self.settle();
    }

    /// Hears what the workers say of themselves.
    pub(super) fn read_reports(&mut self) {
        let State { workers, effects, counts, failed_starts, .. } = self;
        for worker in workers {
            let report = worker.report();
            worker.waits = report.waits;
            let Some(ready) = report.ready else { continue };
            if worker.launched != 0 {
                let span = Span { start: worker.launched, end: ready.max(worker.launched) };
                worker.launched = 0;
                counts.starts += 1;
                counts.start_time += span.end - span.start;
                *failed_starts = 0;
                if let Some(trace) = &mut effects.trace {
                    trace.span(worker.index, "start", span);
                }
            }
            if worker.stage == Stage::Starting {
                worker.stage = Stage::Serving;
                worker.since = now();
            }
        }
    }

    /// What the plan goes by.
    pub(super) fn snapshot(&mut self, settings: &Settings) -> Snapshot {
        let now = now();
        let since = |then: u64| Duration::from_nanos(now.saturating_sub(then));
        let mut snapshot = Snapshot {
            size: self.size,
            closed: self.phase != Phase::Open,
            starting: 0,
            busy: 0,
            waiting: 0,
            idle: 0,
            idlest: Duration::ZERO,
            idle_timeout: settings.idle_timeout,
            unfinished: self.unfinished,
            pressed: None,
            requested: false,
            pause: self.next_start.remaining().unwrap_or_default(),
        };
        for worker in &self.workers {
            match worker.stage {
                // What it's running is nobody else's to begin.
                Stage::Leaving => snapshot.unfinished -= worker.unfinished().min(snapshot.unfinished),
                Stage::Starting => snapshot.starting += 1,
                Stage::Serving if worker.unfinished() > 0 => {
                    snapshot.busy += 1;
                    snapshot.waiting += worker.waits as usize;
                }
                Stage::Serving => {
                    snapshot.idle += 1;
                    snapshot.idlest = snapshot.idlest.max(since(worker.since));
                }
            }
        }
        snapshot.requested = snapshot.waiting > 0
            && (self.backlog.iter().any(Piece::is_requested)
                || self.workers.iter().any(Worker::has_requested));
        if snapshot.idle > 0 || self.queued() == 0 {
            self.pressed = None;
        } else if self.can_grow() || snapshot.waiting > 0 {
            snapshot.pressed = Some(since(*self.pressed.get_or_insert(now)));
        }
        snapshot
    }

    /// The smallest number that no worker has.
    pub(super) fn free_index(&self) -> usize {
        (0..)
            .find(|index| self.workers.iter().all(|worker| worker.index != *index))
            .expect("there are more numbers than workers")
    }
}
