//! What became of each task, as its caller heard and as the ledger says.

use super::killer::Victims;
use procession_testing::Ledger;
use std::ops::AddAssign;

/// What a caller heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its value, made by this process.
    Value(u32),
    Died,
    Late,
    /// It was in a map some task of which died.
    Unknown,
}

/// One task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account {
    pub(super) number: u32,
    /// How often it may have been begun.
    pub(super) attempts: u32,
    /// Whether it comes to an end by itself.
    pub(super) ends: bool,
    /// Whether it counts up what they all share.
    pub(super) counts: bool,
    pub(super) outcome: Outcome,
}

/// How many tasks there were, and what became of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) tasks: u64,
    /// Known to have died, without those in maps.
    pub(crate) lost: u64,
    pub(crate) late: u64,
    /// In maps some task of which died.
    pub(crate) unknown: u64,
    /// Begun more than once.
    pub(crate) repeated: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.tasks += other.tasks;
        self.lost += other.lost;
        self.late += other.late;
        self.unknown += other.unknown;
        self.repeated += other.repeated;
    }
}

/// Which processes ran a task.
#[derive(Clone, Debug, Default)]
struct Runs {
    begun: Vec<u32>,
    ended: Vec<u32>,
}

/// Checks the accounts of a round, in which tasks counted up to `counted`.
pub(super) fn check(accounts: &[Account], ledger: &Ledger, victims: &Victims, counted: u64) -> Tally {
    let mut runs = vec![Runs::default(); accounts.len()];
    for entry in ledger.entries() {
        let Runs { begun, ended } = &mut runs[entry.number as usize];
        if entry.ended { ended } else { begun }.push(entry.process);
    }
    let mut tally = Tally { tasks: accounts.len() as u64, ..Tally::default() };
    let (mut least, mut most) = (0, 0);
    for (number, (account, runs)) in accounts.iter().zip(&runs).enumerate() {
        assert_eq!(account.number as usize, number, "each task has one account");
        check_one(account, runs, victims);
        match account.outcome {
            Outcome::Value(_) => {}
            Outcome::Died => tally.lost += 1,
            Outcome::Late => tally.late += 1,
            Outcome::Unknown => tally.unknown += 1,
        }
        tally.repeated += (runs.begun.len() > 1) as u64;
        if account.counts {
            least += runs.ended.len() as u64;
            most += runs.begun.len() as u64;
        }
    }
    assert!((least..=most).contains(&counted), "{counted} counted, {least} ended and {most} begun");
    tally
}

fn check_one(account: &Account, Runs { begun, ended }: &Runs, victims: &Victims) {
    let say = || format!("{account:?}, begun by {begun:?}, ended by {ended:?}");
    assert!(begun.len() <= account.attempts as usize, "run too often: {}", say());
    assert!(ended.iter().all(|process| begun.contains(process)), "{}", say());
    assert!(account.ends || ended.is_empty(), "{}", say());
    let times = |process: u32, runs: &[u32]| runs.iter().filter(|run| **run == process).count();
    let unharmed = begun.iter().filter(|process| !victims.contain(**process)).count();
    match account.outcome {
        Outcome::Value(process) => {
            assert_eq!((times(process, begun), times(process, ended)), (1, 1), "{}", say());
            let others = begun.iter().filter(|other| **other != process);
            assert!(
                others.copied().all(|other| victims.contain(other)),
                "repeated without a kill: {}",
                say()
            );
        }
        Outcome::Died => assert_eq!(unharmed, 0, "died without a kill: {}", say()),
        // The pool may have killed the last one.
        Outcome::Late => assert!(unharmed <= 1, "{}", say()),
        Outcome::Unknown => assert!(unharmed <= 1, "repeated without a kill: {}", say()),
    }
}
