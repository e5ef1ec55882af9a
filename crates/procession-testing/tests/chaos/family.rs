//! One family: its root starts a pool that grows and shrinks, and has it work on a world that all share, until its time is over. Then
//! everything must be as it should, and nothing left.

use crate::{tally::Tally, trial::Kind, world::World, world::work};
use procession::{Pool, PoolHandle, Process, Queue};
use procession_testing::{Census, Rng, explain_with, still_alive, watch};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    process::{Command, ExitCode},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

/// What a family and whoever started it say to each other.
pub(crate) mod said {
    /// From here on it may be harmed.
    pub(crate) const BEGUN: &str = "begun";
    /// It's not to be harmed any more.
    pub(crate) const ENDING: &str = "ending";
    /// It isn't.
    pub(crate) const CALM: &str = "calm";
    /// What was done, after this.
    pub(crate) const TALLY: &str = "tally ";
}

/// What a family is to be like.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    seed: u64,
    milliseconds: u64,
    /// How much shared memory it may have.
    memory: Option<usize>,
    /// How many descriptors each of its processes may have.
    descriptors: Option<u64>,
}

/// In the environment of a family: its orders.
const ORDERS: &str = "PROCESSION_CHAOS_ORDERS";

pub(crate) fn orders() -> Option<Orders> {
    std::env::var(ORDERS).ok().map(|text| serde_json::from_str(&text).expect("these were written here"))
}

impl Orders {
    pub(crate) fn new(kind: Kind, rng: &mut Rng) -> Orders {
        let (little, few) = ((5 + rng.below(12)) << 20, 40 + rng.below(40) as u64);
        Orders {
            seed: rng.seed(),
            milliseconds: 1500 + rng.below(3000) as u64,
            memory: matches!(kind, Kind::Memory | Kind::Want).then_some(little),
            descriptors: matches!(kind, Kind::Descriptors | Kind::Want).then_some(few),
        }
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }

    /// Gives them to a program that is to be that family's root.
    pub(crate) fn give(&self, program: &mut Command) {
        program.env(ORDERS, serde_json::to_string(self).expect("plain data"));
        if let Some(memory) = self.memory {
            program.env("PROCESSION_ARENA_LIMIT", memory.to_string());
        }
    }
}

pub(crate) fn run(orders: &Orders) -> ExitCode {
    explain_with(|| format!("{:?}", procession::family::waits().map(|waits| waits.to_string())));
    let _watched = watch(format!("family of {orders:?}"));
    if let Some(descriptors) = orders.descriptors {
        let limit = Rlimit { current: Some(descriptors), ..getrlimit(Resource::Nofile) };
        setrlimit(Resource::Nofile, limit).expect("fewer are always possible");
    }
    // With the family, its forkserver, and the thread that starts processes for members.
    let start_another = || Process::spawn(|| (), ()).unwrap().join().unwrap();
    Process::spawn(start_another, ()).unwrap().join().unwrap();
    let before = Census::take_at_rest();
    println!("{}", said::BEGUN);
    let tally = live(orders);
    // Processes whose starters were killed come to their own end.
    before.wait_until_nothing_is_left();
    procession_core::sweep().unwrap();
    let audit = procession::audit().unwrap();
    let left =
        (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible, audit.members);
    assert_eq!(left, (0, 0, 0, 0, 0, 1), "{audit:?}");
    println!("{}{}", said::TALLY, serde_json::to_string(&tally).expect("plain data"));
    ExitCode::SUCCESS
}

/// How many threads of the root have the pool work.
const THREADS: usize = 3;

fn live(orders: &Orders) -> Tally {
    let (mut rng, mut tally) = (Rng::from_seed(orders.seed), Tally::default());
    let world = World::new().expect("there is room for that");
    let ended = &AtomicBool::new(false);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut start = |job: fn(&World, &mut Rng, &AtomicBool) -> Tally| {
            let (world, mut rng) = (&world, Rng::from_seed(rng.seed()));
            threads.push(scope.spawn(move || job(world, &mut rng, ended)));
        };
        start(use_pools);
        start(|world, _, ended| world.feed(ended));
        if orders.memory.is_some() {
            start(|_, rng, ended| take_memory(rng, ended));
        }
        if orders.descriptors.is_some() {
            start(|_, rng, ended| take_descriptors(rng, ended));
        }
        thread::sleep(orders.length());
        ended.store(true, Ordering::Relaxed);
        for thread in threads {
            tally += thread.join().expect("a fault was found");
        }
    });
    println!("{}", said::ENDING);
    // Whoever harms this family has ended that, or itself.
    std::io::stdin().read_line(&mut String::new()).expect("it's a pipe");
    tally += world.check();
    tally
}

/// One pool after the other, until the time is over: each for a while.
fn use_pools(world: &World, rng: &mut Rng, ended: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    while !ended.load(Ordering::Relaxed) {
        let builder = Pool::builder()
            .workers(rng.below(3)..=2 + rng.below(5))
            .idle_timeout(Duration::from_millis(1 + rng.below(80) as u64))
            .max_tasks_per_worker(1 + rng.below(400) as u64);
        let pool = tally.forgive(builder.build());
        let handle = pool.as_ref().and_then(|pool| tally.forgive(pool.handle()));
        let (Some(pool), Some(handle)) = (pool, handle) else {
            // Somebody has taken what there was, for a moment.
            thread::sleep(Duration::from_millis(1));
            continue;
        };
        let until = Instant::now() + Duration::from_millis(200 + rng.below(2000) as u64);
        let is_over = || ended.load(Ordering::Relaxed) || Instant::now() > until;
        thread::scope(|scope| {
            let threads = [(); THREADS].map(|()| {
                let (pool, handle, mut rng) = (&pool, &handle, Rng::from_seed(rng.seed()));
                scope.spawn(move || {
                    let mut tally = Tally::default();
                    while !is_over() {
                        use_pool(pool, handle, world, &mut rng, &mut tally);
                        still_alive();
                    }
                    tally
                })
            });
            for thread in threads {
                tally += thread.join().expect("a fault was found");
            }
        });
        match rng.below(3) {
            0 => drop(pool),
            1 => pool.terminate(),
            _ => {
                pool.close();
                tally.forgive(pool.join());
            }
        }
    }
    tally
}

/// One call, of one kind or another, and what comes of it.
fn use_pool(pool: &Pool, handle: &PoolHandle, world: &World, rng: &mut Rng, tally: &mut Tally) {
    let arguments = |rng: &mut Rng| (world.clone(), handle.clone(), rng.seed(), rng.below(3) as u32);
    let attempts = 1 + rng.below(2) as u32;
    match rng.below(6) {
        0 | 1 => {
            let mut results = Vec::new();
            for _ in 0..1 + rng.below(10) {
                results.extend(tally.forgive(pool.apply_async(work, arguments(rng))));
            }
            if rng.below(4) == 0 && !results.is_empty() {
                results[rng.below(results.len())].cancel();
            }
            for result in results {
                tally.add(result.get());
                tally.tasks += 1;
            }
        }
        2 => {
            let limit = Duration::from_millis(1 + rng.below(30) as u64);
            tally.add(pool.options().timeout(limit).attempts(attempts).apply(work, arguments(rng)));
            tally.tasks += 1;
        }
        3 => {
            let items: Vec<_> = (0..rng.below(20)).map(|_| arguments(rng)).collect();
            let size = items.len();
            let outcome = pool.options().attempts(attempts).chunk(1 + rng.below(8)).starmap(work, items);
            if let Some(done) = tally.forgive(outcome) {
                assert_eq!(done.len(), size);
                tally.tasks += size as u64;
                done.into_iter().for_each(|done| *tally += done);
            }
        }
        4 => {
            let items: Vec<u64> = (0..rng.below(200) as u64).collect();
            let mut expected = items.iter().map(|n| n * n);
            for outcome in pool.imap(|n: u64| n * n, items.clone()) {
                let expected = expected.next();
                if let Some(square) = tally.forgive(outcome) {
                    assert_eq!(Some(square), expected, "in order");
                    tally.tasks += 1;
                }
            }
        }
        _ => {
            // In this process, by this thread.
            let (world, handle, seed, depth) = arguments(rng);
            *tally += work(world, handle, seed, depth);
        }
    }
}

/// Takes all the shared memory there is, keeps it for a moment, and gives it back, again and again.
fn take_memory(rng: &mut Rng, ended: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    while !ended.load(Ordering::Relaxed) {
        let Some(ballast) = tally.forgive(Queue::unbounded()) else { continue };
        for size in [200_000, 20_000, 3000, 400, 50] {
            while let Some(()) = tally.forgive(ballast.put(&vec![0_u8; size])) {}
        }
        thread::sleep(Duration::from_millis(rng.below(20) as u64));
        drop(ballast);
        thread::sleep(Duration::from_millis(rng.below(40) as u64));
    }
    tally
}

/// The same with the descriptors of this process.
fn take_descriptors(rng: &mut Rng, ended: &AtomicBool) -> Tally {
    while !ended.load(Ordering::Relaxed) {
        let ballast: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        thread::sleep(Duration::from_millis(rng.below(10) as u64));
        drop(ballast);
        thread::sleep(Duration::from_millis(rng.below(40) as u64));
    }
    Tally::default()
}
