//! A pool that grows and shrinks, under load that comes and goes, while its workers are killed and stopped at random. Each task is
//! accounted for. For the test that kills some thousand, and for the soak.

mod accounts;
mod killer;
mod load;

use accounts::Tally;
use killer::{Hunt, Victims};
use load::Load;
use procession::{Pool, Value};
use procession_testing::{Census, Ledger, Pen, Rng};
use std::{
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// So many workers there are without load, and with as much as there may be.
const LEAST: usize = 2;
const MOST: usize = 8;

/// What has come of it so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) rounds: usize,
    pub(crate) tally: Tally,
    pub(crate) hunt: Hunt,
    pub(crate) retried: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { rounds, tally, hunt, retried } = self;
        write!(f, "{} tasks in {rounds} rounds, {} kills, {} stops: ", tally.tasks, hunt.kills, hunt.stops)?;
        write!(f, "{} lost, {} late, {} in maps that failed, ", tally.lost, tally.late, tally.unknown)?;
        write!(f, "{retried} retried, {} begun more than once; ", tally.repeated)?;
        write!(f, "{} to {} workers", hunt.least, hunt.most)
    }
}

/// Runs rounds of load as long as `more` says, which is asked after each, when the tasks of that round are accounted for. In the end
/// nothing is left.
pub(crate) fn churn(what: &str, mut more: impl FnMut(&Pool, &Totals) -> bool) -> Totals {
    drop(Pool::new(1).unwrap());
    let before = Census::take_at_rest();
    let mut rng = Rng::new(what);
    let ledger = Ledger::new("churn");
    let ran = Value::new(0).unwrap();
    let pool = Pool::builder()
        .workers(LEAST..=MOST)
        .idle_timeout(Duration::from_millis(5))
        .initializer(Pen::new, (ledger.argument(),))
        .build()
        .unwrap();
    let (victims, hunt) = (Victims::default(), Mutex::new(Hunt::default()));
    let ended = AtomicBool::new(false);
    let mut killers = Rng::from_seed(rng.seed());
    let mut totals = Totals::default();
    thread::scope(|scope| {
        // Also if this thread panics: else the killer would go on for ever.
        let _end = OnDrop(|| ended.store(true, Ordering::Relaxed));
        scope.spawn(|| killer::kill_and_stop(&pool, &victims, &mut killers, &hunt, &ended));
        loop {
            let before = ran.get();
            let load = Load::new(&pool, &ran);
            load.round(&mut rng);
            totals.tally += accounts::check(&load.accounts(), &ledger, &victims, ran.get() - before);
            totals.rounds += 1;
            ledger.clear();
            victims.next_round();
            procession_testing::still_alive();
            if rng.below(3) == 0 {
                until_shrunk(&pool);
            }
            totals.hunt = *hunt.lock().unwrap();
            if !more(&pool, &totals) {
                break;
            }
        }
    });
    totals.hunt = *hunt.lock().unwrap();
    assert!(totals.hunt.most <= MOST, "{totals:?}");
    let end = pool.statistics();
    totals.retried = end.retried;
    let Tally { tasks, late, .. } = totals.tally;
    assert_eq!(end.done + end.failed, tasks, "{end:?}");
    assert!(
        end.failed - late + end.retried <= totals.hunt.kills,
        "a kill costs one run of one task: {end:?}"
    );
    assert!(end.deaths <= totals.hunt.kills, "{end:?}");
    assert_eq!(end.queued + end.running, 0, "{end:?}");
    pool.join().unwrap();
    drop((pool, ran));
    before.wait_until_back();
    procession_core::sweep().unwrap();
    let audit = procession::audit().unwrap();
    assert_eq!((audit.objects.len(), audit.blocks, audit.leaked, audit.members), (0, 0, 0, 1), "{audit:?}");
    totals
}

/// Waits until nobody is there who needn't be.
pub(crate) fn until_shrunk(pool: &Pool) {
    let staying = || {
        let now = pool.statistics();
        now.workers - now.leaving
    };
    while staying() > LEAST {
        thread::yield_now();
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
