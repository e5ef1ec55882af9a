//! Shared bytes are input: whatever is written over something in shared memory, using it gives errors and wrong values, and never a
//! panic, a crash, a call that doesn't end, or one that takes all memory.

#[path = "scribble/exact.rs"]
mod exact;
#[path = "scribble/mod.rs"]
mod scribble;

use procession_testing::{Rng, Test, tests};
use scribble::{Target, choices::Choices};
use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Seek},
    process::{Child, Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

/// The case that this process is to run: a target and a seed, or the name of an exact one.
const CASE: &str = "PROCESSION_SCRIBBLE";

/// For how long each target is to run, instead of for so many cases.
const SECONDS: &str = "PROCESSION_SCRIBBLE_SECONDS";

fn main() -> ExitCode {
    let case = std::env::var(CASE).ok();
    if case.is_some() {
        // Also in the processes that it starts, and in all threads.
        end_at_panics();
    }
    procession::init();
    if let Some(case) = case {
        run_case(&case);
        return ExitCode::SUCCESS;
    }
    let mut tests: Vec<Test> = Vec::new();
    tests.extend(
        Target::ALL
            .map(|(name, target)| (format!("random::{name}"), Box::new(move || random(target, name)) as _)),
    );
    tests.extend(exact_cases().into_iter().map(|(name, _)| {
        let case = name.clone();
        (name, Box::new(move || Case::start(&case, Target::Streams).check()) as _)
    }));
    procession_testing::run(tests)
}

fn exact_cases() -> Vec<Test> {
    tests![
        exact::a_message_is_received_once,
        exact::a_handle_is_received_once,
        exact::a_try_ends_whoever_has_the_lock,
        exact::a_poll_ends_whoever_has_the_lock,
        exact::a_lock_that_is_never_released_goes_with_its_stream,
        exact::two_shards_in_one_place_are_no_deadlock,
        exact::no_block_reaches_behind_what_is_committed,
        exact::a_map_has_had_as_many_entries_as_there_are_numbers,
    ]
}

fn end_at_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        tell(info);
        std::process::abort();
    }));
}

fn run_case(case: &str) {
    if let Some((_, exact)) = exact_cases().into_iter().find(|(name, _)| name == case) {
        return exact();
    }
    let target =
        case.split_once('-').and_then(|(name, seed)| Some((Target::named(name)?, seed.parse().ok()?)));
    let (target, seed) = target.expect("a target and a seed");
    let mut rng = Rng::from_seed(seed);
    let mut choices = Choices::new(move || (rng.seed() << 40) ^ (rng.seed() << 20) ^ rng.seed());
    target.run(true, &mut choices);
    check_memory();
}

/// Wrong lengths are no reason to take memory.
fn check_memory() {
    const MOST: u64 = 2 << 20;
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak is told");
    let peak = peak.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number");
    assert!(peak < MOST, "{peak} kB of memory");
}

/// How many cases a run of the tests has.
fn cases(target: Target) -> usize {
    match target {
        Target::Streams => 300,
        // Each makes copies of the arena.
        Target::Table => 20,
        _ => 60,
    }
}

/// Some of them wait, for locks that they never get.
const AT_ONCE: usize = 8;

/// None takes a tenth of this.
const LIMIT: Duration = Duration::from_secs(90);

/// Each case is a family of its own.
fn random(target: Target, name: &str) {
    let mut rng = Rng::new("scribble");
    let mut running: VecDeque<Case> = VecDeque::new();
    let seconds = std::env::var(SECONDS).ok().map(|seconds| seconds.parse().expect("a number of seconds"));
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut count = 0;
    while end.map_or(count < cases(target), |end| Instant::now() < end) {
        if running.len() == AT_ONCE {
            running.pop_front().expect("some run").check();
            procession_testing::still_alive();
        }
        running.push_back(Case::start(&format!("{name}-{}", rng.seed()), target));
        count += 1;
    }
    running.into_iter().for_each(Case::check);
    if end.is_some() {
        println!("{name}: {count} cases");
    }
}

struct Case {
    /// What brings it back.
    variables: String,
    process: Child,
    output: File,
    start: Instant,
}

impl Case {
    fn start(name: &str, target: Target) -> Case {
        let path = format!("procession-scribble-{}-{}", std::process::id(), name.replace(':', "-"));
        let path = std::env::temp_dir().join(path);
        let output = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut command = Command::new("/proc/self/exe");
        command.env(CASE, name).env("RUST_BACKTRACE", "1");
        let mut variables = format!("{CASE}={name}");
        if target == Target::Table {
            // So that it's full now and then; and that there can be many copies.
            let limit = (8 << 20).to_string();
            variables += &format!(" PROCESSION_ARENA_LIMIT={limit}");
            command.env("PROCESSION_ARENA_LIMIT", limit);
        }
        command.stdout(output.try_clone().unwrap()).stderr(output.try_clone().unwrap());
        let process = command.spawn().unwrap();
        Case { variables, process, output, start: Instant::now() }
    }

    fn check(mut self) {
        let status = loop {
            match self.process.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if self.start.elapsed() > LIMIT => break None,
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        if status.is_some_and(|status| status.success()) {
            return;
        }
        if status.is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
        let mut text = String::new();
        self.output.rewind().unwrap();
        let _ = self.output.read_to_string(&mut text);
        let what = status.map_or("hangs".to_string(), |status| status.to_string());
        panic!("{what}. To bring it back, run this test with {}.\n{text}", self.variables);
    }
}
