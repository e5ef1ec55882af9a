//! A queue of requests, each with an end of a channel in it for the answer, and with a value that is changed for it. Whoever asks
//! gets the right answer, or hears that the one who had the request has died.

use super::MOMENT;
use crate::tally::Tally;
use procession::{Queue, RecvError, Result, Sender, Value, channel};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Errands {
    queue: Queue<Errand>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Errand {
    number: u64,
    value: Value<u64>,
    answers: Sender<Answer>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Answer {
    number: u64,
    /// The same as in the errand.
    value: Value<u64>,
    bytes: Vec<u8>,
}

impl Errands {
    pub(crate) fn new() -> Result<Errands> {
        Ok(Errands { queue: Queue::bounded(8)? })
    }

    pub(crate) fn deed(&self, rng: &mut Rng, tally: &mut Tally) {
        if rng.below(2) == 0 {
            self.serve(tally);
        } else {
            self.ask(rng, tally);
        }
    }

    fn ask(&self, rng: &mut Rng, tally: &mut Tally) {
        let number = rng.below(60_000) as u64;
        let Some((sender, answers)) = tally.forgive(channel()) else { return };
        let Some(value) = tally.forgive(Value::new(number)) else { return };
        let errand = Errand { number, value: value.clone(), answers: sender };
        // While there is no room, somebody has to make some; it might as well be done here.
        while let Some(false) = tally.forgive(self.queue.try_put(&errand)) {
            self.serve(tally);
        }
        // The one that travels is the only one now.
        drop(errand);
        loop {
            match answers.recv_timeout(MOMENT) {
                Ok(None) => {
                    self.serve(tally);
                }
                // Who had it is dead, or had no memory for the answer.
                Err(RecvError::Disconnected) => return,
                received => {
                    let Some(answer) = tally.forgive(received).flatten() else { return };
                    let Answer { number: same, value: again, bytes } = answer;
                    assert_eq!((same, value.load(), again.load()), (number, number + 1, number + 1));
                    assert!(bytes.iter().all(|byte| *byte == number as u8));
                    tally.answers += 1;
                    return;
                }
            }
        }
    }

    /// Runs one errand, if there is one.
    fn serve(&self, tally: &mut Tally) -> bool {
        let Some(Some(errand)) = tally.forgive(self.queue.try_get()) else { return false };
        let Errand { number, value, answers } = errand;
        tally.forgive(value.fetch_add(1));
        let answer = Answer { number, value, bytes: vec![number as u8; number as usize % 6000] };
        match answers.send(&answer) {
            // Who asked has died.
            Err(procession::SendError::Disconnected) => {}
            sent => {
                tally.forgive(sent);
            }
        }
        true
    }

    /// Runs those that nobody did.
    pub(crate) fn finish(&self, tally: &mut Tally) {
        while self.serve(tally) {}
        assert_eq!(self.queue.len(), 0);
    }
}
