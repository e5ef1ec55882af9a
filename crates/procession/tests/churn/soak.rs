//! The churn for a long time: `scripts/soak SECONDS`. Prints what it takes of the machine, and fails unless that stays what it is.

use procession::Pool;
use procession_testing::{Census, children};
use std::{
    fmt,
    process::ExitCode,
    time::{Duration, Instant},
};

#[path = "mod.rs"]
mod churn;

/// So many lines at least, unless that's more than one in `PERIOD`.
const LINES: u32 = 60;
const PERIOD: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    procession::init();
    let seconds = std::env::args().nth(1).map_or(3600, |text| text.parse().expect("a number of seconds"));
    let (length, start) = (Duration::from_secs(seconds), Instant::now());
    let period = PERIOD.min(length / LINES);
    let (mut samples, mut due) = (Vec::new(), period);
    println!("{HEADER}");
    let _watched = procession_testing::watch("soak".into());
    let totals = churn::churn("soak", |pool, totals| {
        if start.elapsed() >= due {
            due = start.elapsed() + period;
            let sample = Sample::take(pool);
            println!(
                "{:>7} {:>10} {:>8} {sample}",
                start.elapsed().as_secs(),
                totals.tally.tasks,
                totals.hunt.kills
            );
            samples.push(sample);
        }
        start.elapsed() < length
    });
    println!("{totals}\nnothing is left");
    if are_flat(&samples) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const HEADER: &str =
    "seconds      tasks    kills  workers resident KiB arena blocks arena KiB descriptors processes threads";

/// What there is at one moment without load.
struct Sample {
    workers: usize,
    resident: usize,
    blocks: usize,
    bytes: usize,
    descriptors: usize,
    processes: usize,
    threads: usize,
}

impl Sample {
    fn take(pool: &Pool) -> Sample {
        churn::until_shrunk(pool);
        let (audit, census) = (procession::audit().unwrap(), Census::take());
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Sample {
            workers: pool.statistics().workers,
            resident: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            blocks: audit.blocks + audit.leaked + audit.objects.values().sum::<usize>(),
            bytes: audit.used_bytes >> 10,
            descriptors: census.descriptors.len(),
            processes: children().len(),
            threads: census.threads.len(),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { workers, resident, blocks, bytes, descriptors, processes, threads } = self;
        write!(
            f,
            "{workers:>8} {resident:>12} {blocks:>12} {bytes:>9} {descriptors:>11} {processes:>9} {threads:>7}"
        )
    }
}

/// Whether nothing has grown between the second quarter of the time and the last; the first is for warming up. Grown is what has a
/// median above the other one by more than half of the second quarter varied below and above its own (a kill a moment before leaves one
/// worker more or less), and by more than what comes in one piece: a chunk of the arena and what the system's allocator takes at once
/// are at most 1 MiB; a worker has a few blocks and descriptors.
fn are_flat(samples: &[Sample]) -> bool {
    let (second, last) = (quarter(samples, 1), quarter(samples, 3));
    type Quantity = (&'static str, usize, fn(&Sample) -> usize);
    let quantities: [Quantity; 6] = [
        ("resident KiB", 1024, |sample| sample.resident),
        ("arena blocks", 8, |sample| sample.blocks),
        ("arena KiB", 1024, |sample| sample.bytes),
        ("descriptors", 4, |sample| sample.descriptors),
        ("processes", 2, |sample| sample.processes),
        ("threads", 1, |sample| sample.threads),
    ];
    let mut all = true;
    for (name, piece, of) in quantities {
        let sorted = |samples: &[Sample]| {
            let mut values: Vec<usize> = samples.iter().map(of).collect();
            values.sort_unstable();
            values
        };
        let (before, after) = (sorted(second), sorted(last));
        let (Some(before), Some(after)) = (Spread::of(&before), Spread::of(&after)) else {
            println!("too short to say anything of {name}");
            all = false;
            continue;
        };
        let tolerance = piece.max(before.half);
        let flat = after.median <= before.median + tolerance;
        let verdict = if flat { "flat" } else { "GROWS" };
        println!(
            "{name}: {} then {}, with a tolerance of {tolerance}: {verdict}",
            before.median, after.median
        );
        all &= flat;
    }
    all
}

fn quarter(samples: &[Sample], which: usize) -> &[Sample] {
    &samples[samples.len() * which / 4..samples.len() * (which + 1) / 4]
}

/// A median, and the width of the half of the values around it.
struct Spread {
    median: usize,
    half: usize,
}

impl Spread {
    fn of(sorted: &[usize]) -> Option<Spread> {
        let at = |part: usize| sorted.get(sorted.len() * part / 4).copied();
        Some(Spread { median: at(2)?, half: at(3)? - at(1)? })
    }
}
