//! Money that goes to and fro: there is always as much as in the beginning.

use crate::tally::Tally;
use procession::{Dict, Result};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Bank {
    accounts: Dict<u32, i64>,
}

const ACCOUNTS: u32 = 150;
const EACH: i64 = 1000;

impl Bank {
    pub(crate) fn new() -> Result<Bank> {
        let accounts = Dict::new()?;
        for account in 0..ACCOUNTS {
            accounts.insert(&account, &EACH)?;
        }
        Ok(Bank { accounts })
    }

    pub(crate) fn deed(&self, rng: &mut Rng, tally: &mut Tally) {
        let amount = rng.below(100) as i64;
        let from = rng.below(ACCOUNTS as usize) as u32;
        match rng.below(6) {
            0 => {
                if let Some(items) = tally.forgive(self.accounts.items()) {
                    assert_whole(&items);
                }
            }
            1 => {
                // One gives to all others, or to none.
                let all: Vec<u32> = (0..ACCOUNTS).collect();
                let keys: Vec<&u32> = all.iter().collect();
                tally.forgive(self.accounts.transaction(&keys, |accounts| {
                    for account in &all {
                        let change =
                            if *account == from { -amount * i64::from(ACCOUNTS - 1) } else { amount };
                        *accounts.get_mut(account).expect("accounts stay") += change;
                    }
                    if *accounts.get(&from).expect("accounts stay") < 0 {
                        accounts.cancel();
                    }
                }));
            }
            2 => {
                // Closed, and opened again with the same: nobody sees that.
                tally.forgive(self.accounts.transaction(&[&from], |accounts| {
                    let money = accounts.remove(&from).expect("accounts stay");
                    accounts.insert(&from, money);
                }));
            }
            _ => {
                let to = (from + 1 + rng.below(ACCOUNTS as usize - 1) as u32) % ACCOUNTS;
                tally.forgive(self.accounts.transaction(&[&from, &to], |accounts| {
                    *accounts.get_mut(&from).expect("accounts stay") -= amount;
                    *accounts.get_mut(&to).expect("accounts stay") += amount;
                }));
            }
        }
    }

    pub(crate) fn check(&self) {
        assert_whole(&self.accounts.items().expect("nobody takes memory any more"));
    }
}

fn assert_whole(items: &[(u32, i64)]) {
    let sum: i64 = items.iter().map(|(_, money)| money).sum();
    assert_eq!((items.len() as u32, sum), (ACCOUNTS, EACH * i64::from(ACCOUNTS)), "{items:?}");
}
