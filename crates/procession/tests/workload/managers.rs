//! Managers among everything.

use procession::{Dict, Event, List, Manager, Queue};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const MOMENT: Duration = Duration::from_micros(300);

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Managers {
    /// What was made by managers that are still there or not.
    given: Queue<Made>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Made {
    manager: Option<Manager>,
    event: Event,
    dict: Dict<u64, (Event, Vec<u8>)>,
    list: List<Made>,
}

/// What was done if its manager is there; else there is no other error.
fn done<T>(result: Result<T, impl Into<procession::Error>>) -> Option<T> {
    result.map_err(|error| assert!(error.into().is_closed())).ok()
}

impl Made {
    fn new(manager: &Manager, is_lasting: bool) -> procession::Result<Made> {
        Ok(Made {
            manager: is_lasting.then(|| manager.clone()),
            event: manager.event()?,
            dict: manager.dict()?,
            list: manager.list()?,
        })
    }
}

impl Managers {
    pub(crate) fn new() -> Managers {
        Managers { given: Queue::bounded(10).unwrap() }
    }

    /// Does one thing, whichever it is.
    pub(crate) fn round(&self, rng: &mut Rng) {
        if rng.below(3) == 0 {
            if let Some(made) = self.given.try_get().unwrap() {
                done(made.event.wait_timeout(MOMENT));
                done(
                    made.dict.insert(&rng.below(9).try_into().unwrap(), &(made.event.clone(), vec![1; 2000])),
                );
                if let Some(manager) = made.manager {
                    done(manager.event());
                }
            }
            return;
        }
        let manager = Manager::new().unwrap();
        let made = Made::new(&manager, rng.below(3) == 0).unwrap();
        made.dict.insert(&1, &(made.event.clone(), vec![1; rng.below(3000)])).unwrap();
        let inner = manager.manager().unwrap();
        made.list.push(&Made::new(&inner, rng.below(2) == 0).unwrap()).unwrap();
        self.given.try_put(&made).unwrap();
        if rng.below(2) == 0 {
            manager.shutdown().unwrap();
            made.event.set().unwrap_err();
        }
    }
}
