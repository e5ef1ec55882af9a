//! Money goes from account to account, in transactions of processes that are killed at random; whoever counts it counts the same.

use crate::common::assert_nothing_left;
use procession::{Dict, Process, TaskError, Value};
use procession_testing::Rng;
use std::{thread, time::Duration};

const ACCOUNTS: usize = 100;
const TOTAL: i64 = ACCOUNTS as i64 * 1000;
const KILLS: usize = 200;

type Accounts = Dict<String, i64>;

fn name(number: usize) -> String {
    format!("account {number}")
}

/// From one account to some others; some are closed, and opened when they get something.
fn transfer(accounts: Accounts, seed: u64) {
    let mut rng = Rng::from_seed(seed);
    loop {
        let (first, count) = (rng.below(ACCOUNTS), 2 + rng.below(4));
        let names: Vec<String> = (0..count).map(|at| name((first + at * 7) % ACCOUNTS)).collect();
        let keys: Vec<&str> = names.iter().map(String::as_str).collect();
        let amount = rng.below(50) as i64;
        let (is_cancelled, closes) = (rng.below(10) == 0, rng.below(5) == 0);
        accounts
            .transaction(&keys, |view| {
                let (from, to) = keys.split_first().unwrap();
                let balance = view.get(*from).copied().unwrap_or(0);
                let each = if closes { balance / to.len() as i64 } else { amount };
                for account in to {
                    let balance = view.get(*account).copied().unwrap_or(0);
                    view.insert(*account, balance + each);
                }
                match balance - each * to.len() as i64 {
                    0 => view.remove(*from),
                    rest => view.insert(*from, rest),
                };
                if is_cancelled {
                    view.cancel();
                }
            })
            .unwrap();
    }
}

/// How much there is, by one way to look at all of it.
fn count(accounts: &Accounts, way: usize) -> i64 {
    match way {
        0 => accounts.items().unwrap().iter().map(|(_, balance)| balance).sum(),
        1 => accounts.values().unwrap().iter().sum(),
        _ => {
            let names: Vec<String> = (0..ACCOUNTS).map(name).collect();
            let keys: Vec<&str> = names.iter().map(String::as_str).collect();
            accounts.get_many(&keys).unwrap().into_iter().flatten().sum()
        }
    }
}

/// Counts until the end has come.
fn audit(accounts: Accounts, ended: Value<u8>, counted: Value<u64>) {
    while ended.load() == 0 {
        for way in 0..3 {
            assert_eq!(count(&accounts, way), TOTAL, "{way}");
        }
        counted.fetch_add(1).unwrap();
    }
}

pub(crate) fn the_sum_stays_whoever_is_killed() {
    let mut rng = Rng::new("accounts");
    let accounts = Accounts::new().unwrap();
    accounts.extend((0..ACCOUNTS).map(|number| (name(number), 1000))).unwrap();
    let (ended, counted) = (Value::new(0).unwrap(), Value::new(0).unwrap());
    let arguments = || (accounts.clone(), ended.clone(), counted.clone());
    let auditors = [(); 2].map(|()| Process::spawn(audit, arguments()).unwrap());
    let start = |rng: &mut Rng| {
        // Behind those who kill and count.
        Process::builder().nice(3).spawn(transfer, (accounts.clone(), rng.seed())).unwrap()
    };
    let mut workers: Vec<_> = (0..3).map(|_| start(&mut rng)).collect();
    for kill in 0..KILLS {
        thread::sleep(Duration::from_micros(rng.below(3000) as u64));
        let victim = workers.swap_remove(rng.below(workers.len()));
        victim.kill().unwrap();
        workers.push(start(&mut rng));
        assert!(matches!(victim.join(), Err(TaskError::Died(status)) if status.signal() == Some(9)));
        assert_eq!(count(&accounts, kill % 3), TOTAL);
    }
    for worker in workers {
        worker.kill().unwrap();
        worker.join().unwrap_err();
    }
    ended.store(1).unwrap();
    auditors.into_iter().for_each(|auditor| auditor.join().unwrap());
    assert!((0..3).all(|way| count(&accounts, way) == TOTAL));
    println!("{KILLS} kills, counted {} times, {} changes", counted.load(), accounts.changes().unwrap());
    assert!(counted.load() > 0);
    drop((accounts, ended, counted));
    assert_nothing_left();
}
