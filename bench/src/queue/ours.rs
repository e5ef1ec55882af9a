//! Our queue in each of the contests.

use super::{
    BATCH,
    seat::{Lots, Seat},
};
use crate::{
    family::{join, start, take_part},
    measure::{Result, same},
    sync::area::Area,
    traffic::{
        Plan,
        forms::{
            MANY, Receives, ReceivesMany, Sends, SendsMany, Words, put_in_lots, put_words, take_in_lots,
            take_words,
        },
        put_until_stopped, take_and_measure, take_beside,
    },
};
use procession::Queue;

/// In messages.
const CAPACITY: usize = 1_000;

impl Sends<Words> for Queue<Words> {
    #[inline]
    fn send(&mut self, message: &Words) -> Result<()> {
        Ok(self.put(message)?)
    }
}

impl Receives<Words> for Queue<Words> {
    #[inline]
    fn receive<R>(&mut self, look: impl FnOnce(&Words) -> R) -> Result<R> {
        Ok(look(&self.get()?))
    }
}

impl SendsMany for Queue<Words> {
    fn send_many(&mut self, messages: &[Words]) -> Result<()> {
        same(self.put_many(messages)?, messages.len())
    }
}

impl ReceivesMany for Queue<Words> {
    fn receive_many(&mut self, messages: &mut Vec<Words>) -> Result<()> {
        *messages = self.get_many(MANY)?;
        Ok(())
    }
}

pub(super) fn contest(plan: Plan, lots: Lots) -> Result<f64> {
    let (area, mut queue) = (Area::new()?, Queue::<Words>::bounded(CAPACITY)?);
    let mut others = Vec::new();
    for seat in Seat::others(plan, lots) {
        others.push(start(&area, sit, (queue.clone(), seat.to_string()))?);
    }
    let join_all = || others.into_iter().try_for_each(join);
    match lots {
        Lots::Single => take_and_measure(&area, plan, BATCH, || take_words(&mut queue), join_all),
        Lots::Many => take_and_measure(&area, plan, BATCH, take_in_lots(queue), join_all),
    }
}

/// One of the others.
fn sit(mut queue: Queue<Words>, seat: String) -> bool {
    take_part(|area| {
        let seat = Seat::of(&seat)?;
        let Seat { plan, lots, index } = seat;
        match (seat.puts(), lots) {
            (true, Lots::Single) => {
                put_until_stopped(area, plan, index.into(), |number| put_words(&mut queue, number))
            }
            (true, Lots::Many) => put_until_stopped(area, plan, index.into(), put_in_lots(queue)),
            (false, _) => take_beside(area, plan, || take_words(&mut queue)),
        }
    })
}
