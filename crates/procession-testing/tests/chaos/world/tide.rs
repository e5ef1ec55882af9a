//! Two dictionaries that grow and are cleared again and again, so that their blocks go to and fro between them: what is written together
//! is there together, or not at all.

use crate::tally::Tally;
use procession::{Dict, Result};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tide {
    dicts: [Dict<u32, u64>; 2],
}

/// So many keys belong together, and lie far from each other.
const TOGETHER: u32 = 4;
const GROUPS: u32 = 400;

impl Tide {
    pub(crate) fn new() -> Result<Tide> {
        Ok(Tide { dicts: [Dict::new()?, Dict::new()?] })
    }

    pub(crate) fn deed(&self, rng: &mut Rng, tally: &mut Tally) {
        let dict = &self.dicts[rng.below(2)];
        let (group, value) = (rng.below(GROUPS as usize) as u32, rng.below(1 << 30) as u64);
        let keys = [0, 1, 2, 3].map(|number: u32| group + GROUPS * number);
        let keys: [&u32; TOGETHER as usize] = keys.each_ref();
        match rng.below(40) {
            0 => {
                tally.forgive(dict.clear());
            }
            1..4 => {
                tally.forgive(dict.transaction(&keys, |view| {
                    for key in keys {
                        view.remove(key);
                    }
                }));
            }
            4..20 => {
                tally.forgive(dict.transaction(&keys, |view| {
                    for key in keys {
                        view.insert(key, value);
                    }
                }));
            }
            20 => {
                let Some(items) = tally.forgive(dict.items()) else { return };
                assert_eq!(items.len() % TOGETHER as usize, 0, "a group is there in part");
            }
            _ => {
                let look = dict.transaction(&keys, |view| keys.map(|key| view.get(key).copied()));
                let Some(values) = tally.forgive(look) else { return };
                assert!(values.iter().all(|value| *value == values[0]), "{keys:?} have {values:?}");
            }
        }
    }
}
