//! A dictionary and a list among everything.

use super::parcel::Parcel;
use procession::{Dict, List};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const MOMENT: Duration = Duration::from_micros(300);
const ACCOUNTS: u32 = 30;
const BALANCE: i64 = 100;
const KEYS: usize = 600;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Collections {
    /// Their sum is always the same.
    accounts: Dict<u32, i64>,
    /// Grows and shrinks; with short values and long ones, and handles in some.
    parcels: Dict<u64, Parcel>,
    list: List<Parcel>,
    /// Both always equal.
    pairs: List<[u64; 2]>,
}

impl Collections {
    pub(crate) fn new() -> Collections {
        let accounts = Dict::new().unwrap();
        accounts.extend((0..ACCOUNTS).map(|account| (account, BALANCE))).unwrap();
        let pairs = List::new().unwrap();
        pairs.extend([[0; 2]; 10]).unwrap();
        Collections { accounts, parcels: Dict::new().unwrap(), list: List::new().unwrap(), pairs }
    }

    /// Does one thing, whichever it is.
    pub(crate) fn round(&self, rng: &mut Rng) {
        match rng.below(8) {
            0 => {
                let (from, to) = (rng.below(ACCOUNTS as usize) as u32, rng.below(ACCOUNTS as usize) as u32);
                if from != to {
                    let transfer = self.accounts.transaction(&[&from, &to], |view| {
                        *view.get_mut(&from)? -= 1;
                        *view.get_mut(&to)? += 1;
                        Some(())
                    });
                    assert!(transfer.unwrap().is_some());
                }
            }
            1 => self.check_sum(),
            2 => {
                for _ in 0..[1, 10, 200][rng.below(3)] {
                    let key = rng.below(KEYS) as u64;
                    self.parcels.insert(&key, &parcel(rng)).unwrap();
                }
            }
            3 => {
                for _ in 0..[1, 10, 200][rng.below(3)] {
                    let key = rng.below(KEYS) as u64;
                    assert!(self.parcels.get(&key).unwrap().is_none_or(|parcel| parcel.is_whole()));
                    assert!(self.parcels.remove(&key).unwrap().is_none_or(|parcel| parcel.is_whole()));
                }
            }
            4 => match rng.below(20) {
                0..4 => self.parcels.clear().unwrap(),
                4 => self.parcels.retain(|key, parcel| parcel.is_whole() && key % 3 == 0).unwrap(),
                _ => {
                    let key = rng.below(KEYS) as u64;
                    let is_there = |found: Option<&Parcel>| found.is_some_and(Parcel::is_whole);
                    self.parcels.wait_for(&key, is_there, MOMENT).unwrap();
                }
            },
            5 => {
                let at = rng.below(12);
                self.list.push(&parcel(rng)).unwrap();
                if self.list.len().unwrap() > at {
                    let _ = self.list.insert(at, &parcel(rng));
                    let _ = self.list.swap(0, at);
                }
            }
            6 => {
                let at = rng.below(12);
                assert!(self.list.get(at).unwrap().is_none_or(|parcel| parcel.is_whole()));
                assert!(self.list.remove(at).unwrap().is_none_or(|parcel| parcel.is_whole()));
                assert!(self.list.pop().unwrap().is_none_or(|parcel| parcel.is_whole()));
                if rng.below(40) == 0 {
                    self.list.truncate(3).unwrap();
                }
            }
            _ => {
                let changed = self.pairs.update(rng.below(10), |pair| {
                    assert_eq!(pair[0], pair[1]);
                    *pair = pair.map(|one| one + 1);
                });
                assert!(changed.unwrap().is_some());
            }
        }
    }

    fn check_sum(&self) {
        let values = self.accounts.values().unwrap();
        assert_eq!((values.len(), values.iter().sum::<i64>()), (30, 30 * BALANCE));
    }

    /// What must be true when nobody uses it any more.
    pub(crate) fn check(&self) {
        self.check_sum();
        assert!(self.pairs.iter().unwrap().all(|[a, b]| a == b));
        assert!(self.list.iter().unwrap().all(|parcel| parcel.is_whole()));
        let items = self.parcels.items().unwrap();
        assert_eq!(items.len(), self.parcels.len().unwrap());
        for (key, parcel) in items {
            assert!(parcel.is_whole());
            assert!(self.parcels.get(&key).unwrap().is_some_and(|parcel| parcel.is_whole()));
        }
    }
}

fn parcel(rng: &mut Rng) -> Parcel {
    Parcel::new(rng.seed(), [0, 10, 100, 900, 3000][rng.below(5)], rng.below(12) / 10 * 2)
}
