//! What the engine knows, and what it does with it: all under one lock, none of it waiting for anybody.

use super::{
    batch::Piece,
    plan,
    worker::{Remains, Worker},
};
use crate::{TaskError, process::death};
use procession_core::{Deadline, Error, ErrorKind, Result};
use std::{collections::VecDeque, time::Duration};

/// After so many failed starts in a row nothing will come of more. One that ended, or was late, before `init()` counts as
/// `FAILED_START`; one that somebody killed before anything came of it, as one.
const MOST_FAILED_STARTS: u32 = 50;
pub(super) const FAILED_START: u32 = 10;

/// Between two attempts to start a worker, after one that failed.
pub(super) const START_PAUSE: Duration = Duration::from_millis(50);

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
    pub(super) size: usize,
    pub(super) workers: Vec<Worker>,
    /// What no worker had room for.
    pub(super) backlog: VecDeque<Piece>,
    /// Tasks accepted and not delivered.
    pub(super) unfinished: usize,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) deaths: u64,
    /// The family's count of deaths when the workers were last looked at.
    pub(super) deaths_seen: u64,
    /// When to look at the workers whatever that count says.
    pub(super) look_due: Deadline,
    /// Starts in a row that came to nothing, weighted.
    pub(super) failed_starts: u32,
    /// A worker is being started, and isn't among the workers yet.
    pub(super) starting: bool,
    /// When the next start is due, if one is.
    pub(super) start_due: Option<Deadline>,
    /// Nothing could be moved although a worker is idle: not to be tried again before something came back.
    pub(super) stuck: bool,
    /// Tasks submitted since something was last received in passing.
    pub(super) submitted: usize,
}

impl State {
    pub(super) fn new(size: usize, workers: Vec<Worker>, deaths_seen: u64) -> State {
        State {
            phase: Phase::Open,
            size,
            workers,
            backlog: VecDeque::new(),
            unfinished: 0,
            done: 0,
            failed: 0,
            deaths: 0,
            deaths_seen,
            look_due: Deadline::after(Duration::ZERO),
            failed_starts: 0,
            starting: false,
            start_due: None,
            stuck: false,
            submitted: 0,
        }
    }

    pub(super) fn check_open(&self) -> Result<()> {
        match self.phase {
            Phase::Open if self.has_given_up() => Err(Error::new(
                ErrorKind::StartFailed,
                "the pool's workers can't be started: the last attempts all failed",
            )),
            Phase::Open => Ok(()),
            Phase::Closed => Err(Error::new(ErrorKind::Closed, "the pool is closed: it takes no more tasks")),
            Phase::Terminated => Err(Error::new(ErrorKind::Closed, "the pool has been terminated")),
        }
    }

    /// Receives from every worker: how many tasks.
    pub(super) fn receive(&mut self) -> usize {
        let mut count = 0;
        for worker in &mut self.workers {
            if worker.has_results() {
                let (received, outcome) = worker.receive();
                count += received;
                if outcome.is_err() {
                    // It scribbled over what it shares with us. Nothing more that it says can be believed.
                    worker.kill();
                }
            }
        }
        self.count_done(count);
        count
    }

    pub(super) fn count_done(&mut self, count: usize) {
        if count != 0 {
            self.unfinished -= count;
            self.done += count as u64;
            self.failed_starts = 0;
            self.stuck = false;
        }
    }

    /// Gives the piece to the workers that have least, and what they have no room for to the backlog.
    pub(super) fn hand_out(&mut self, piece: Piece) {
        let mut rest = Some(piece);
        while let Some(piece) = rest.take() {
            match self.place(piece) {
                Ok(left) => rest = left,
                Err(piece) => return self.backlog.push_back(piece),
            }
        }
    }

    /// Gives from the front of the piece to the worker that has least and has room: what is left over.
    fn place(&mut self, piece: Piece) -> Result<Option<Piece>, Piece> {
        let Some(least) = self.workers.iter_mut().min_by_key(|worker| worker.unfinished()) else {
            return Err(piece);
        };
        let mut piece = match least.give(piece) {
            Ok(left) => return Ok(left),
            Err(piece) => piece,
        };
        // The ring of one that runs a long task may be full of batches that were taken back: it's the others' turn.
        let mut others: Vec<&mut Worker> = self.workers.iter_mut().collect();
        others.sort_by_key(|worker| worker.unfinished());
        for worker in others.into_iter().skip(1) {
            match worker.give(piece) {
                Ok(left) => return Ok(left),
                Err(refused) => piece = refused,
            }
        }
        Err(piece)
    }

    /// Hands out the backlog, then lets idle workers take over what others have not begun. `last`: also a worker's only
    /// task, if it has not begun that either. (Not each time: it will in a moment, unless it's stopped, or slow to start.)
    pub(super) fn feed(&mut self, last: bool) {
        while let Some(piece) = self.backlog.pop_front() {
            if self.workers.iter().all(|worker| worker.unfinished() >= plan::ENOUGH) {
                self.backlog.push_front(piece);
                break;
            }
            match self.place(piece) {
                Ok(left) => {
                    if let Some(left) = left {
                        self.backlog.push_front(left);
                    }
                }
                Err(piece) => {
                    self.backlog.push_front(piece);
                    break;
                }
            }
        }
        while let Some(idle) = self.workers.iter().position(Worker::is_idle) {
            let busiest = self.workers.iter_mut().max_by_key(|worker| worker.unfinished());
            let most = if last { 0 } else { 1 };
            let Some(busiest) = busiest.filter(|worker| worker.unfinished() > most) else { return };
            let pieces = busiest.take_back_half();
            if pieces.is_empty() {
                self.stuck = true;
                return;
            }
            for piece in pieces.into_iter().rev() {
                match self.workers[idle].give(piece) {
                    Ok(left) => self.backlog.extend(left),
                    Err(piece) => {
                        // Its ring is full of batches that were taken back, and that it has not come to yet.
                        self.stuck = true;
                        self.backlog.push_front(piece);
                    }
                }
            }
            if self.stuck {
                return;
            }
        }
    }

    /// Whether some tasks could be moved to a worker that has none.
    pub(super) fn has_spare(&self) -> bool {
        !self.backlog.is_empty() || self.workers.iter().any(|worker| worker.unfinished() > 1)
    }

    /// Looks which workers have ended, and settles what they had: whether anything changed.
    pub(super) fn bury(&mut self) -> bool {
        let mut changed = false;
        let mut at = 0;
        while at < self.workers.len() {
            let Some(exit) = self.workers[at].exit() else {
                at += 1;
                continue;
            };
            let mut worker = self.workers.swap_remove(at);
            changed = true;
            self.deaths += 1;
            // It's dead, so this is the last of what it finished; what it scribbled is as good as unfinished.
            let (received, _) = worker.receive();
            self.count_done(received);
            let Remains { untouched, running } = worker.remains();
            drop(worker);
            let fruitless = received == 0 && running.is_none();
            if let Some(tasks) = running {
                self.fail(&tasks, &death(exit));
            }
            for piece in untouched.into_iter().rev() {
                self.backlog.push_front(piece);
            }
            if fruitless {
                let weight = if exit.is_failed_start() { FAILED_START } else { 1 };
                let error = Error::from(death(exit));
                self.count_failed_start(weight, &error);
            }
            // Longer each time that nothing came of it.
            let pause = START_PAUSE.min(Duration::from_millis(self.failed_starts as u64));
            if !self.has_given_up() {
                self.start_due = Some(Deadline::after(pause));
            }
        }
        changed
    }

    /// A start came to nothing. After too many in a row, and without a worker, the pool has to give up.
    pub(super) fn count_failed_start(&mut self, weight: u32, error: &Error) {
        self.failed_starts += weight;
        if self.has_given_up() {
            self.start_due = None;
            for piece in std::mem::take(&mut self.backlog) {
                self.fail(&piece, &TaskError::Failed(error.clone()));
            }
        }
    }

    fn has_given_up(&self) -> bool {
        self.failed_starts >= MOST_FAILED_STARTS && self.workers.is_empty() && !self.starting
    }

    pub(super) fn fail(&mut self, piece: &Piece, error: &TaskError) {
        for at in 0..piece.len() {
            piece.batch.sink.fail(piece.number(at), error.clone());
        }
        self.unfinished -= piece.len();
        self.failed += piece.len() as u64;
    }
}
