//! Who gets which tasks: those that have least, and whoever is idle takes over what others have not begun.

use super::{
    batch::Piece,
    plan,
    sink::{Part, Sink},
    state::{Phase, State},
    worker::{Stage, Worker},
};
use crate::TaskError;
use std::{cmp::Reverse, collections::VecDeque, sync::Arc};

impl State {
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
        let traced = self.effects.trace.is_some();
        if !piece.is_requested() && self.has_stand_ins() {
            return Err(piece);
        }
        let takers = self.workers.iter_mut().filter(|worker| worker.takes_tasks());
        let Some(least) = takers.min_by_key(|worker| worker.load()) else { return Err(piece) };
        let mut piece = match least.give(piece, traced) {
            Ok(left) => return Ok(left),
            Err(piece) => piece,
        };
        // The ring of one that runs a long task may be full of batches that were taken back: it's the others' turn.
        let mut others: Vec<&mut Worker> =
            self.workers.iter_mut().filter(|worker| worker.takes_tasks()).collect();
        others.sort_by_key(|worker| worker.load());
        for worker in others.into_iter().skip(1) {
            match worker.give(piece, traced) {
                Ok(left) => return Ok(left),
                Err(refused) => piece = refused,
            }
        }
        Err(piece)
    }

    /// Hands out the backlog, then lets idle workers take over what others have not begun. `last`: also a worker's only
    /// task, if it has not begun that either. (Not each time: it will in a moment, unless it's stopped, or slow to start.)
    pub(super) fn feed(&mut self, last: bool) {
        self.stuck = false;
        self.feed_requested();
        let is_blocked = !self.hand_out_backlog();
        if self.has_stand_ins() {
            self.stuck = true;
        } else {
            self.spread(last);
        }
        self.stuck |= is_blocked;
    }

    /// Whether there was room for what somebody should have.
    fn hand_out_backlog(&mut self) -> bool {
        while let Some(piece) = self.backlog.pop_front() {
            if piece.is_settled() {
                self.tombstones = self.tombstones.saturating_sub(1);
                self.effects.let_go(piece);
                continue;
            }
            let mut takers = self.workers.iter().filter(|worker| worker.takes_tasks());
            if takers.all(|worker| worker.unfinished() >= plan::ENOUGH) {
                self.backlog.push_front(piece);
                break;
            }
            match self.place(piece) {
                Ok(left) => left.into_iter().for_each(|left| self.backlog.push_front(left)),
                Err(piece) => {
                    // Also who is idle has no room: it's stopped, and its ring full of batches that were taken back.
                    self.backlog.push_front(piece);
                    return false;
                }
            }
        }
        true
    }

    /// Lets idle workers take over what others have not begun.
    fn spread(&mut self, last: bool) {
        let traced = self.effects.trace.is_some();
        while let Some(idle) = self.workers.iter().position(Worker::is_idle) {
            let most = if last { 0 } else { 1 };
            let Some(pieces) = self.take_from_the_busiest(most) else { return };
            self.stuck |= pieces.is_empty();
            for piece in pieces.into_iter().rev() {
                match self.workers[idle].give(piece, traced) {
                    Ok(left) => self.backlog.extend(left),
                    Err(piece) => {
                        // Its ring is full of batches that were taken back, and that it has not come to yet.
                        self.stuck = true;
                        self.backlog.push_front(piece);
                    }
                }
            }
            // The last one of another, who is idle now, once each time: not to and fro.
            if self.stuck || last {
                return;
            }
        }
    }

    /// Whether there are more workers than there may be, because some wait for tasks of this pool, and as many have tasks as may: then
    /// others begin only what somebody waits for.
    fn has_stand_ins(&self) -> bool {
        self.staff().any(|worker| worker.waits)
            && self.staff().count() > self.size.max
            && self.staff().filter(|worker| worker.unfinished() > 0).count() >= self.size.max
    }

    /// While workers wait, what others of them wait for comes first: for who is idle.
    fn feed_requested(&mut self) {
        if !self.workers.iter().any(|worker| worker.waits) {
            return;
        }
        let traced = self.effects.trace.is_some();
        while let Some(idle) = self.workers.iter().position(Worker::is_idle) {
            let Some(piece) = self.take_requested() else { return };
            if let Err(piece) = self.workers[idle].give(piece, traced) {
                self.backlog.push_front(piece);
                return;
            }
        }
    }

    fn take_requested(&mut self) -> Option<Piece> {
        let queued = self.backlog.iter().position(|piece| piece.is_requested() && !piece.is_settled());
        match queued {
            Some(at) => self.backlog.remove(at),
            // Not from one that would be idle without it.
            None => self
                .workers
                .iter_mut()
                .filter(|worker| worker.waits || worker.stage == Stage::Starting || worker.unfinished() > 1)
                .find_map(|worker| worker.take_back_requested().pop()),
        }
    }

    /// Takes back about half of what the worker has that has most, and more than `most`; if it has begun all of that, of the next one.
    /// `None` if nobody has so many.
    fn take_from_the_busiest(&mut self, most: usize) -> Option<Vec<Piece>> {
        let mut busy: Vec<&mut Worker> =
            self.workers.iter_mut().filter(|worker| worker.unfinished() > most).collect();
        if busy.is_empty() {
            return None;
        }
        busy.sort_by_key(|worker| Reverse(worker.unfinished()));
        let mut taken = busy.into_iter().map(Worker::take_back_half);
        Some(taken.find(|pieces| !pieces.is_empty()).unwrap_or_default())
    }

    /// Whether some tasks could be moved to a worker that has none.
    pub(super) fn has_spare(&self) -> bool {
        !self.backlog.is_empty() || self.workers.iter().any(|worker| worker.unfinished() > 1)
    }

    /// Takes back what goes to this sink and hasn't begun; `running`: also ends the workers that run some of it.
    pub(super) fn cancel(&mut self, sink: &Arc<dyn Sink>, running: bool) {
        if self.phase == Phase::Terminated {
            // That cancels everything, once the workers have ended.
            return;
        }
        let mut cancelled = Vec::new();
        for at in 0..self.workers.len() {
            cancelled.extend(self.workers[at].take_back_of(sink));
            // What it has ended meanwhile isn't what it's running.
            self.receive_from(at);
            if running && self.workers[at].running().is_some_and(|piece| piece.goes_to(sink)) {
                self.condemn(at, TaskError::Cancelled);
            }
        }
        let single = sink.is_single();
        let pending = cancelled.is_empty() && !sink.is_settled() && !self.runs(sink);
        if single && pending {
            // Somewhere in the backlog, which may be long: it's passed over when it comes.
            sink.deliver(0, Part::Failed(TaskError::Cancelled), &mut self.effects.later);
            self.count_failed(1);
            self.tombstones += 1;
            self.clear_tombstones();
        } else if !single {
            self.backlog.retain(|piece| {
                let goes = piece.goes_to(sink);
                if goes {
                    cancelled.push(piece.clone());
                }
                !goes
            });
        }
        for piece in cancelled {
            self.fail(piece, &TaskError::Cancelled);
        }
    }

    /// Those that were cancelled hold up nobody, but they have memory.
    fn clear_tombstones(&mut self) {
        if self.tombstones > 64 && self.tombstones > self.backlog.len() / 2 {
            let (gone, left) = std::mem::take(&mut self.backlog).into_iter().partition(Piece::is_settled);
            let gone: VecDeque<Piece> = gone;
            (self.backlog, self.tombstones) = (left, 0);
            gone.into_iter().for_each(|piece| self.effects.let_go(piece));
        }
    }

    fn runs(&self, sink: &Arc<dyn Sink>) -> bool {
        self.workers.iter().any(|worker| worker.has_of(sink))
    }

    pub(super) fn reclaim(&mut self, at: usize) {
        for piece in self.workers[at].take_back_all() {
            self.backlog.push_front(piece);
        }
    }
}
