//! Values of all sizes in a dictionary and a list, some with handles in them: each is whole at any time.

use crate::tally::Tally;
use procession::{Dict, Event, List, Result};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Archive {
    event: Event,
    dict: Dict<u8, Paper>,
    list: List<Paper>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Paper {
    number: u8,
    /// Each of them is the number.
    bytes: Vec<u8>,
    /// One event, the same in all.
    event: Option<Event>,
}

impl Paper {
    fn assert_whole(&self) {
        assert!(self.bytes.iter().all(|byte| *byte == self.number), "torn: {}", self.number);
        assert!(self.event.as_ref().is_none_or(Event::is_set), "another event: {}", self.number);
    }
}

/// A list is cut when it's so long.
const LONG: usize = 60;

impl Archive {
    pub(crate) fn new() -> Result<Archive> {
        let event = Event::new()?;
        event.set()?;
        Ok(Archive { event, dict: Dict::new()?, list: List::new()? })
    }

    fn paper(&self, rng: &mut Rng) -> Paper {
        let number = rng.below(60) as u8;
        let size = [0, 20, 200, 1500, 5000, 40_000][rng.below(6)];
        let event = (rng.below(4) == 0).then(|| self.event.clone());
        Paper { number, bytes: vec![number; size], event }
    }

    pub(crate) fn deed(&self, rng: &mut Rng, tally: &mut Tally) {
        let paper = self.paper(rng);
        let Paper { number, .. } = paper;
        let index = rng.below(LONG);
        let found = match rng.below(10) {
            0 | 1 => tally.forgive(self.dict.insert(&number, &paper)).flatten(),
            2 => tally.forgive(self.dict.remove(&number)).flatten(),
            3 => tally.forgive(self.dict.get(&number)).flatten(),
            4 => {
                let turn = |old: &mut Paper| {
                    old.assert_whole();
                    old.bytes.resize(paper.bytes.len(), number);
                };
                tally.forgive(self.dict.update(&number, turn));
                None
            }
            5 => {
                tally.forgive(self.list.push(&paper));
                None
            }
            6 => tally.forgive(self.list.pop()).flatten(),
            7 => tally.forgive(self.list.set(index, &paper)).flatten(),
            8 => tally.forgive(self.list.get(index)).flatten(),
            _ => {
                if tally.forgive(self.list.len()).is_some_and(|len| len > LONG) {
                    tally.forgive(self.list.truncate(LONG / 2));
                } else if let Some(all) = tally.forgive(self.list.iter()) {
                    all.for_each(|paper| paper.assert_whole());
                }
                None
            }
        };
        if let Some(paper) = found {
            paper.assert_whole();
        }
    }
}
