//! What a worker was given, and who gets what comes back.

use super::{
    batch::Piece,
    sink::{Effects, Part},
};
use procession_core::pool::{Emptied, Receiver, Results, Span, Ticket};
use std::collections::VecDeque;

/// A piece that a worker was given.
pub(super) struct Given {
    pub(super) piece: Piece,
    pub(super) ticket: Ticket,
    /// How many of its tasks have come back.
    pub(super) done: usize,
}

/// Hands what a worker sends to the sinks of the first of the pieces that it has.
pub(super) struct Front<'a> {
    pub(super) given: &'a mut VecDeque<Given>,
    pub(super) index: usize,
    pub(super) effects: &'a mut Effects,
    pub(super) received: usize,
}

impl Receiver for Front<'_> {
    fn expected(&self) -> usize {
        self.given.front().map_or(0, |given| given.piece.len() - given.done)
    }

    fn deliver(&mut self, results: Results) {
        let Some(given) = self.given.front_mut() else { return };
        let number = given.piece.number(given.done);
        self.received += results.len();
        given.done += results.len();
        given.piece.batch.kind.sink.deliver(number, Part::Ran(results), &mut self.effects.later);
        if given.done == given.piece.len() {
            let done = self.given.pop_front();
            if let Some(given) = done {
                self.effects.let_go(given.piece);
            }
        }
    }

    fn empty(&mut self, blocks: Emptied) {
        self.effects.later.push(Box::new(move || drop(blocks)));
    }

    fn span(&mut self, span: Span) {
        if let (Some(trace), Some(given)) = (&mut self.effects.trace, self.given.front()) {
            trace.span(self.index, given.piece.batch.kind.name, span);
        }
    }
}
