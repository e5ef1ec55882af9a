//! The load: calls of all kinds, by several threads.

use super::accounts::{Account, Outcome};
use procession::{Pool, TaskError, TaskOptions, Value, worker};
use procession_testing::{Pen, Rng};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// What a task is given.
#[derive(Clone, Serialize, Deserialize)]
struct Item {
    number: u32,
    /// How long it takes; none for one that doesn't end.
    nap: Option<Duration>,
    bytes: Vec<u8>,
    /// For some: to be counted up.
    ran: Option<Value<u64>>,
}

/// What it gives.
#[derive(Serialize, Deserialize)]
struct Answer {
    number: u32,
    process: u32,
    bytes: Vec<u8>,
    ran: Option<Value<u64>>,
}

fn task(item: Item) -> Answer {
    let pen = worker::state::<Pen>();
    let Item { number, nap, bytes, ran } = item;
    pen.begin(number);
    match nap {
        None => loop {
            thread::park();
        },
        Some(Duration::ZERO) => {}
        Some(nap) => thread::sleep(nap),
    }
    if let Some(ran) = &ran {
        ran.fetch_add(1).unwrap();
    }
    pen.end(number);
    Answer { number, process: std::process::id(), bytes, ran }
}

/// How long a task may take that has a limit: many don't come to an end.
const LIMIT: Duration = Duration::from_millis(8);

/// The calls of one round, and what came of them.
pub(super) struct Load<'a> {
    pool: &'a Pool,
    ran: &'a Value<u64>,
    next: AtomicU32,
    accounts: Mutex<Vec<Account>>,
}

impl<'a> Load<'a> {
    pub(super) fn new(pool: &'a Pool, ran: &'a Value<u64>) -> Load<'a> {
        Load { pool, ran, next: AtomicU32::new(0), accounts: Mutex::default() }
    }

    /// All of them, in the order of the tasks' numbers.
    pub(super) fn accounts(self) -> Vec<Account> {
        let mut accounts = self.accounts.into_inner().unwrap();
        accounts.sort_by_key(|account| account.number);
        accounts
    }

    /// Some threads make some calls each.
    pub(super) fn round(&self, rng: &mut Rng) {
        thread::scope(|scope| {
            for _ in 0..1 + rng.below(3) {
                let mut rng = Rng::from_seed(rng.seed());
                scope.spawn(move || {
                    for _ in 0..1 + rng.below(4) {
                        self.call(&mut rng);
                    }
                });
            }
        });
    }

    fn call(&self, rng: &mut Rng) {
        let attempts = 1 + (rng.below(3) == 0) as u32;
        let options = self.pool.options().attempts(attempts);
        match rng.below(6) {
            0 | 1 => self.apply(rng, attempts, None),
            2 => self.apply(rng, attempts, Some(LIMIT)),
            3 => self.map(rng, attempts, options),
            4 => {
                let options = options.chunk(1 + rng.below(20));
                self.map(rng, attempts, options);
            }
            _ => self.imap(rng, attempts, options),
        }
    }

    fn apply(&self, rng: &mut Rng, attempts: u32, limit: Option<Duration>) {
        let submit = |item: Item| {
            let options = self.pool.options().attempts(attempts);
            let options = if let Some(limit) = limit { options.timeout(limit) } else { options };
            (options.apply_async(task, (item.clone(),)).unwrap(), item)
        };
        let items: Vec<Item> = match limit {
            None => (0..1 + rng.below(40)).map(|_| self.item(rng)).collect(),
            Some(_) => (0..1 + rng.below(4)).map(|_| self.endless(rng)).collect(),
        };
        let mut results: Vec<_> = items.into_iter().map(submit).collect();
        if rng.below(2) == 0 {
            results.reverse();
        }
        for (result, item) in results {
            let outcome = match result.get() {
                Ok(answer) => value(&item, &answer),
                Err(TaskError::TimedOut) if limit.is_some() => Outcome::Late,
                Err(error) => died(&error),
            };
            self.note(&item, attempts, outcome);
        }
    }

    fn map(&self, rng: &mut Rng, attempts: u32, options: TaskOptions<'_>) {
        let items: Vec<Item> = (0..1 + rng.below(60)).map(|_| self.item(rng)).collect();
        match options.map(task, items.clone()) {
            Ok(answers) => {
                assert_eq!(answers.len(), items.len());
                items.iter().zip(&answers).for_each(|(item, answer)| {
                    self.note(item, attempts, value(item, answer));
                });
            }
            // Which of them is not said.
            Err(error) => {
                died(&error);
                items.iter().for_each(|item| self.note(item, attempts, Outcome::Unknown));
            }
        }
    }

    fn imap(&self, rng: &mut Rng, attempts: u32, options: TaskOptions<'_>) {
        let items: Vec<Item> = (0..1 + rng.below(150)).map(|_| self.item(rng)).collect();
        let (mut answers, mut lost) = (HashMap::new(), 0);
        for outcome in options.imap_unordered(task, items.clone()) {
            match outcome {
                Ok(answer) => assert!(answers.insert(answer.number, answer).is_none(), "a value twice"),
                Err(error) => {
                    died(&error);
                    lost += 1;
                }
            }
        }
        assert_eq!(answers.len() + lost, items.len());
        for item in &items {
            let outcome = answers.get(&item.number).map_or(Outcome::Died, |answer| value(item, answer));
            self.note(item, attempts, outcome);
        }
    }

    /// Mostly short; some long, some large, some with a handle.
    fn item(&self, rng: &mut Rng) -> Item {
        let nap = match rng.below(20) {
            0 => 2000 + rng.below(2000),
            1..6 => rng.below(300),
            _ => 0,
        };
        let size = if rng.below(16) == 0 { 8000 + rng.below(30_000) } else { rng.below(60) };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Item {
            number,
            nap: Some(Duration::from_micros(nap as u64)),
            bytes: vec![number as u8; size],
            ran: (rng.below(6) == 0).then(|| self.ran.clone()),
        }
    }

    /// Like the others, or one that doesn't end.
    fn endless(&self, rng: &mut Rng) -> Item {
        let item = self.item(rng);
        if rng.below(2) == 0 { Item { nap: None, ..item } } else { item }
    }

    fn note(&self, item: &Item, attempts: u32, outcome: Outcome) {
        let account = Account {
            number: item.number,
            attempts,
            ends: item.nap.is_some(),
            counts: item.ran.is_some(),
            outcome,
        };
        self.accounts.lock().unwrap().push(account);
    }
}

fn value(item: &Item, answer: &Answer) -> Outcome {
    let whole = item.number == answer.number
        && item.bytes == answer.bytes
        && item.ran.is_some() == answer.ran.is_some();
    assert!(whole, "task {} is torn", item.number);
    Outcome::Value(answer.process)
}

fn died(error: &TaskError) -> Outcome {
    match error {
        TaskError::Died(status) if status.signal() == Some(9) => Outcome::Died,
        error => panic!("nothing of that kind was done to it: {error}"),
    }
}
