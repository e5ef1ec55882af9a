//! What all workers change.

use crate::{WORKERS, ledger::Tally, own::Own};
use procession::{Dict, List};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const COUNTERS: usize = 6;
const ACCOUNTS: u32 = 20;
/// All accounts together.
const TOTAL: i64 = ACCOUNTS as i64 * 100;
const MOMENT: Duration = Duration::from_micros(300);

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct World {
    own: Vec<Own>,
    entries: Dict<(u32, u32), crate::own::Entry>,
    /// Numbers that only grow, each of as many operations as its tally says.
    counters: Dict<String, u64>,
    tallies: Vec<Tally>,
    /// Nothing comes, nothing goes.
    accounts: Dict<u32, i64>,
    /// Grows and shrinks: what belongs to a key is seen from that.
    crowd: Dict<u64, String>,
    lists: Dict<u32, List<u64>>,
}

/// What belongs to a key of the crowd: mostly short, sometimes in a block of its own.
fn name(key: u64) -> String {
    let len = if key % 50 == 7 { 2000 } else { key % 40 };
    format!("{key}{}", "x".repeat(len as usize))
}

fn counter(number: usize) -> String {
    format!("counter {number}")
}

impl World {
    pub(crate) fn new() -> World {
        let entries = Dict::new().unwrap();
        World {
            own: (0..WORKERS).map(|slot| Own::new(slot as u32, &entries)).collect(),
            entries,
            counters: Dict::new().unwrap(),
            tallies: (0..COUNTERS).map(|_| Tally::new()).collect(),
            accounts: Dict::new().unwrap(),
            crowd: Dict::new().unwrap(),
            lists: Dict::new().unwrap(),
        }
    }

    pub(crate) fn fill(&self) {
        self.counters.extend((0..COUNTERS).map(|number| (counter(number), 0))).unwrap();
        self.accounts.extend((0..ACCOUNTS).map(|account| (account, 100))).unwrap();
    }

    pub(crate) fn own(&self, slot: u32) -> &Own {
        &self.own[slot as usize]
    }

    /// Does so many things.
    pub(crate) fn work(&self, seed: u64, rounds: usize) {
        let mut rng = Rng::from_seed(seed);
        for _ in 0..rounds {
            match rng.below(16) {
                0..6 => self.count(&mut rng),
                6..10 => self.transfer(&mut rng),
                10..13 => self.crowd(&mut rng),
                13..15 => self.lists(&mut rng),
                _ => self.look(&mut rng),
            }
        }
    }

    /// Adds one to a counter, or to two, by one way or another.
    fn count(&self, rng: &mut Rng) {
        let number = rng.below(COUNTERS);
        let (tally, key) = (&self.tallies[number], counter(number));
        match rng.below(6) {
            0 => assert!(tally.count(|| self.counters.fetch_add(&key, 1)).unwrap().is_some()),
            1 => tally.count(|| self.counters.update(&key, |n| *n += 1)).unwrap().unwrap(),
            2 => tally.count(|| self.counters.update_or_insert(&key, 1 << 40, |n| *n += 1)).unwrap(),
            3 => tally.count(|| {
                let mut seen = self.counters.get(&key).unwrap().unwrap();
                while let Err(is) = self.counters.compare_exchange(&key, &seen, &(seen + 1)).unwrap() {
                    seen = is.unwrap();
                }
            }),
            4 => {
                let other = (number + 1 + rng.below(COUNTERS - 1)) % COUNTERS;
                let both = [key, counter(other)];
                tally.count(|| {
                    self.tallies[other].count(|| {
                        self.counters
                            .transaction(&[&both[0], &both[1]], |view| {
                                both.iter().for_each(|key| *view.get_mut(key).unwrap() += 1);
                            })
                            .unwrap();
                    });
                });
            }
            _ => {
                let seen = self.counters.get(&key).unwrap();
                let is_more = |now: Option<&u64>| {
                    assert!(now >= seen.as_ref(), "it only grows");
                    now > seen.as_ref()
                };
                self.counters.wait_for(&key, is_more, MOMENT).unwrap();
            }
        }
    }

    fn transfer(&self, rng: &mut Rng) {
        let from = rng.below(ACCOUNTS as usize) as u32;
        let to = (from + 1 + rng.below(ACCOUNTS as usize - 1) as u32) % ACCOUNTS;
        self.accounts
            .transaction(&[&from, &to], |view| {
                *view.get_mut(&from).unwrap() -= 7;
                *view.get_mut(&to).unwrap() += 7;
            })
            .unwrap();
        if rng.below(10) == 0 {
            assert_eq!(self.accounts.values().unwrap().iter().sum::<i64>(), TOTAL);
        }
    }

    /// Some come or go, sometimes some hundreds.
    fn crowd(&self, rng: &mut Rng) {
        let first = rng.below(4000) as u64;
        let most = if rng.below(8) == 0 { 400 } else { 40 };
        let keys = first..first + rng.below(most) as u64;
        match rng.below(12) {
            0..6 => self.crowd.extend(keys.map(|key| (key, name(key)))).unwrap(),
            6..10 => keys.for_each(|key| {
                assert!(self.crowd.remove(&key).unwrap().is_none_or(|value| value == name(key)));
            }),
            10 => {
                let part = rng.below(5) as u64;
                let stays = |key: &u64, value: &mut String| {
                    assert_eq!(*value, name(*key));
                    key % 5 != part
                };
                self.crowd.retain(stays).unwrap();
            }
            _ => self.crowd.clear().unwrap(),
        }
        let before = self.crowd.changes().unwrap();
        assert!(self.crowd.wait_for_change(before, Duration::ZERO).unwrap().is_none_or(|now| now > before));
    }

    /// Lists in a dictionary: made by whoever needs one first, and gone for all at once.
    fn lists(&self, rng: &mut Rng) {
        let key = rng.below(5) as u32;
        if rng.below(4) == 0 {
            drop(self.lists.remove(&key).unwrap());
            return;
        }
        let list = self.lists.get_or_insert_with(&key, || List::new().unwrap()).unwrap();
        list.push(&u64::from(key)).unwrap();
        assert!(list.iter().unwrap().all(|value| value == u64::from(key)));
    }

    fn look(&self, rng: &mut Rng) {
        if rng.below(2) == 0 {
            let items = self.crowd.items().unwrap();
            assert!(items.iter().all(|(key, value)| *value == name(*key)));
        } else {
            let key = rng.below(4000) as u64;
            assert!(self.crowd.get(&key).unwrap().is_none_or(|value| value == name(key)));
            let keys = [key, key + 1, key + 2];
            let some = self.crowd.get_many(&keys.each_ref()).unwrap();
            assert!(some.iter().zip(keys).all(|(value, key)| value.as_ref().is_none_or(|v| *v == name(key))));
        }
    }

    /// What must be true when nobody uses it any more, after so many deaths. How much was done.
    pub(crate) fn check(&self, deaths: u64) -> String {
        procession_core::sweep().unwrap();
        let steps: u64 = self.own.iter().map(Own::check).sum();
        let counts: Vec<u64> = self.counters.values().unwrap();
        let lost: u64 = self.tallies.iter().zip(&counts).map(|(tally, count)| tally.check(*count)).sum();
        // A transaction is one operation on two of them.
        assert!(lost <= 2 * deaths, "{lost} operations were not completed, {deaths} deaths");
        assert_eq!(self.accounts.values().unwrap().iter().sum::<i64>(), TOTAL);
        let crowd = self.crowd.items().unwrap();
        assert_eq!(crowd.len(), self.crowd.len().unwrap());
        assert!(crowd.iter().all(|(key, value)| *value == name(*key)));
        let keys: std::collections::HashSet<u64> = crowd.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys.len(), crowd.len(), "each once");
        // And everything still works.
        self.work(7, 200);
        for statistics in [self.entries.statistics(), self.counters.statistics(), self.crowd.statistics()] {
            assert!(statistics.waiters.is_empty(), "{statistics:?}");
        }
        let count: u64 = counts.iter().sum();
        format!("{steps} steps on entries of their own, {count} counted, {lost} of which were not completed")
    }

    /// Everything goes, and the memory with it. How many blocks there are then.
    pub(crate) fn clear(&self) -> usize {
        self.own.iter().for_each(Own::clear);
        self.entries.clear().unwrap();
        self.counters.clear().unwrap();
        self.accounts.clear().unwrap();
        self.crowd.clear().unwrap();
        self.lists.clear().unwrap();
        procession_core::sweep().unwrap();
        let audit = procession::audit().unwrap();
        assert_eq!((audit.leaked, audit.impossible), (0, 0), "{audit:?}");
        assert!(!audit.objects.contains_key("List"), "{audit:?}");
        audit.blocks
    }
}
