//! Shared bytes are input: whatever is written over a stream in shared memory, using it gives errors and wrong values, and never a
//! panic, a crash or a call that doesn't end.

#[path = "scribble/exact.rs"]
mod exact;
#[path = "scribble/mod.rs"]
mod scribble;

use procession_testing::{Rng, Test, tests};
use scribble::{Plan, choices::Choices};
use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Seek},
    process::{Child, Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

/// The case that this process is to run: a seed, or the name of an exact one.
const CASE: &str = "PROCESSION_SCRIBBLE";

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
    // In parts, for the watchdog looks at each.
    tests.extend((0..PARTS).map(|part| (format!("random::{part}"), Box::new(random) as _)));
    tests.extend(exact_cases().into_iter().map(|(name, _)| {
        let case = name.clone();
        (name, Box::new(move || Case::start(&case).check()) as _)
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
    let mut rng = Rng::from_seed(case.parse().expect("a seed"));
    let mut choices = Choices::new(move || (rng.seed() << 40) ^ (rng.seed() << 20) ^ rng.seed());
    let plan = Plan {
        locks: choices.one_in(8),
        waiters: choices.one_in(4),
        meanwhile: choices.one_in(4),
        processes: choices.one_in(3),
    };
    println!("{plan:?}");
    scribble::run(plan, &mut choices);
}

const PARTS: usize = 3;
const CASES: usize = 300;

/// Some of them wait, for locks that they never get.
const AT_ONCE: usize = 8;

/// None takes a tenth of this.
const LIMIT: Duration = Duration::from_secs(90);

/// Each case is a family of its own.
fn random() {
    let mut rng = Rng::new("scribble");
    let mut running: VecDeque<Case> = VecDeque::new();
    for _ in 0..CASES / PARTS {
        if running.len() == AT_ONCE {
            running.pop_front().expect("some run").check();
        }
        running.push_back(Case::start(&rng.seed().to_string()));
    }
    running.into_iter().for_each(Case::check);
}

struct Case {
    name: String,
    process: Child,
    output: File,
    start: Instant,
}

impl Case {
    fn start(name: &str) -> Case {
        let path = format!("procession-scribble-{}-{}", std::process::id(), name.replace(':', "-"));
        let path = std::env::temp_dir().join(path);
        let output = File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut command = Command::new("/proc/self/exe");
        command.env(CASE, name).env("RUST_BACKTRACE", "1");
        command.stdout(output.try_clone().unwrap()).stderr(output.try_clone().unwrap());
        let process = command.spawn().unwrap();
        Case { name: name.to_string(), process, output, start: Instant::now() }
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
        panic!("{CASE}={}: {what}. To have it again, run this test with that variable.\n{text}", self.name);
    }
}
