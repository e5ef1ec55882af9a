//! Starts and deaths: of forkservers, of starters and of what they start, by the hundred; and of a server that hangs.

use procession::{Process, TaskError};
use procession_testing::{Census, Rng, children, forkserver, is_zombie, kill, stop, tests};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    fs::{self, File},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

fn main() -> ExitCode {
    procession::init();
    procession_testing::run(tests![
        random_kills_during_starts,
        a_new_forkserver_is_brought_up,
        a_stopped_forkserver_is_replaced,
        a_forkserver_serves_all_settings,
        what_ends_with_its_handle_lives_as_long,
        killed_starters_leave_nothing_that_should_end_with_them,
        starts_without_descriptors_leave_no_zombies,
    ])
}

const KILLS: usize = 500;

/// A member that starts another, and hands on what came of it.
fn starts_another(n: u64) -> Result<u64, String> {
    let process = Process::spawn(|n: u64| n + 1, (n,)).map_err(|e| e.to_string())?;
    process.join().map_err(|e| e.to_string())
}

fn random_kills_during_starts() {
    Process::spawn(|| (), ()).unwrap().join().unwrap();
    Process::spawn(starts_another, (1,)).unwrap().join().unwrap().unwrap();
    let before = Census::take_at_rest();
    let (kills, good, died, failed) = Default::default();
    let count = |counter: &AtomicUsize| counter.fetch_add(1, Relaxed);
    let outcome = |value: Result<u64, TaskError>, right: u64| match value {
        Ok(value) => {
            assert_eq!(value, right);
            count(&good);
        }
        Err(TaskError::Died(status)) => {
            assert_eq!(status.signal(), Some(9), "nobody else kills");
            count(&died);
        }
        Err(e) => panic!("{e}"),
    };
    let start = |n: u64| {
        if n % 3 == 0 {
            match Process::spawn(starts_another, (n,)).unwrap().join() {
                Ok(Ok(value)) => outcome(Ok(value), n + 1),
                Ok(Err(text)) => {
                    assert!(text.contains("SIGKILL") || text.contains("could not be started"), "{text}");
                    count(&failed);
                }
                Err(e) => outcome(Err(e), 0),
            }
        } else {
            let process = Process::spawn(|n: u64| n * 2, (n,)).unwrap();
            outcome(process.join(), n * 2);
        }
    };
    thread::scope(|scope| {
        for thread in 0..3 {
            let (start, kills): (_, &AtomicUsize) = (&start, &kills);
            scope.spawn(move || {
                let mut n = thread * 1_000_000;
                while kills.load(Relaxed) < KILLS {
                    start(n);
                    n += 1;
                }
            });
        }
        let mut rng = Rng::new("kills during starts");
        // A family that loses one server after the other before it's of any use does without. So the next one dies after some starts,
        // two of which may be served by spares of the one before; and without one up, whatever dies may be one that is coming up.
        let mut due = 0;
        while kills.load(Relaxed) < KILLS {
            let (server, is_due) = (forkserver(), good.load(Relaxed) >= due);
            // The server among them, and every other time only that.
            let mut victims = children();
            victims.retain(|victim| is_due || server.is_some_and(|server| server != *victim));
            let victim = match server {
                Some(server) if is_due && rng.below(2) == 0 => server,
                _ if victims.is_empty() => continue,
                _ => victims[rng.below(victims.len())],
            };
            if server.is_none_or(|server| server == victim) {
                due = good.load(Relaxed) + 3;
            }
            if kill(victim).is_ok() {
                count(&kills);
            }
            for _ in 0..rng.below(40) {
                thread::yield_now();
            }
        }
    });
    // The last kill may have been the server's.
    start_until(|| forkserver().is_some());
    before.wait_until_back();
    let (good, died, failed): (usize, usize, usize) =
        (good.into_inner(), died.into_inner(), failed.into_inner());
    println!(
        "{} starts: {good} gave their value, {died} were killed, {failed} were killed one further down",
        good + died + failed
    );
    assert!(died > 0 && good > KILLS / 10);
    // The last one to die may not have been marked yet when its process has gone.
    let left = || {
        procession_core::sweep().unwrap();
        let audit = procession::audit().unwrap();
        (audit.objects.len(), audit.blocks, audit.leaked, audit.impossible, audit.members)
    };
    while left() != (0, 0, 0, 0, 1) {
        thread::yield_now();
    }
}

fn a_forkserver_serves_all_settings() {
    start_until(|| forkserver().is_some());
    let server = forkserver();
    for i in 0..20 {
        let builder = Process::builder();
        let builder = match i % 4 {
            0 => builder,
            1 => builder.nice(3),
            2 => builder.memory_limit(256 << 20),
            _ => builder.cpu_affinity([0]),
        };
        assert_eq!(builder.spawn(|n: u8| n, (i,)).unwrap().join().unwrap(), i);
    }
    assert_eq!(forkserver(), server, "one is enough");
}

/// The first thing that a new process does, perhaps before its own start has come to its end.
fn starts_at_once(n: u64) -> u64 {
    Process::builder().kill_on_drop(true).spawn(|n: u64| n + 1, (n,)).unwrap().join().unwrap()
}

fn what_ends_with_its_handle_lives_as_long() {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..50 {
                    assert_eq!(Process::spawn(starts_at_once, (n,)).unwrap().join().unwrap(), n + 1);
                }
            });
        }
    });
}

/// Starts processes that end with their handles, until it's killed.
fn starts_for_ever() {
    let mut handles = Vec::new();
    loop {
        let process = Process::builder().kill_on_drop(true).spawn(thread::park, ());
        handles.extend(process);
        if handles.len() > 5 {
            handles.clear();
        }
    }
}

fn killed_starters_leave_nothing_that_should_end_with_them() {
    start_until(|| forkserver().is_some());
    let before = Census::take_at_rest();
    let mut rng = Rng::new("killed starters");
    for _ in 0..60 {
        let starter = Process::spawn(starts_for_ever, ()).unwrap();
        for _ in 0..rng.below(300) {
            thread::yield_now();
        }
        starter.kill().unwrap();
        starter.join().unwrap_err();
    }
    // What was started for somebody of an earlier test may have been under way.
    before.wait_until_nothing_is_left();
    Process::spawn(|| (), ()).unwrap().join().unwrap();
    let audit = procession::audit().unwrap();
    let left = (audit.objects.len(), audit.blocks, audit.leaked, audit.members);
    assert_eq!(left, (0, 0, 0, 1), "{audit:?}");
}

/// Starts processes, which all give their value, until something is so.
fn start_until(so: impl Fn() -> bool) {
    while !so() {
        assert_eq!(Process::spawn(|n: u8| n, (3,)).unwrap().join().unwrap(), 3);
    }
}

fn a_new_forkserver_is_brought_up() {
    let running = Process::spawn(thread::park, ()).unwrap();
    let first = forkserver().unwrap();
    kill(first).unwrap();
    // Spares that the first one left may be used up before.
    start_until(|| forkserver().is_some_and(|second| second != first));
    assert!(running.is_alive());
    running.kill().unwrap();
    running.join().unwrap_err();
}

fn a_stopped_forkserver_is_replaced() {
    Process::spawn(|| (), ()).unwrap().join().unwrap();
    let first = forkserver().unwrap();
    stop(first).unwrap();
    // What waits is used up first; then more than one start waits for the server.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| start_until(|| forkserver() != Some(first)));
        }
    });
}

/// Takes all descriptors that this process may have but so many, until it's dropped.
struct FewDescriptors {
    files: Vec<File>,
    before: Rlimit,
}

impl FewDescriptors {
    fn new(left: usize) -> FewDescriptors {
        let before = getrlimit(Resource::Nofile);
        let open = fs::read_dir("/proc/self/fd").unwrap();
        let numbers = open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u64>().unwrap());
        let limit = Some(numbers.max().unwrap() + 10);
        setrlimit(Resource::Nofile, Rlimit { current: limit, ..before }).unwrap();
        let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        files.truncate(files.len() - left);
        FewDescriptors { files, before }
    }
}

impl Drop for FewDescriptors {
    fn drop(&mut self) {
        self.files.clear();
        setrlimit(Resource::Nofile, self.before).unwrap();
    }
}

/// Children that have ended and were not reaped.
fn zombies() -> usize {
    children().into_iter().filter(|child| is_zombie(*child)).count()
}

fn starts_without_descriptors_leave_no_zombies() {
    start_until(|| forkserver().is_some());
    let (mut good, mut failed) = (0, 0);
    for left in 1..8 {
        let _few = FewDescriptors::new(left);
        for _ in 0..10 {
            match Process::spawn(|| (), ()) {
                Ok(process) => {
                    good += usize::from(process.join().is_ok());
                }
                Err(_) => failed += 1,
            }
        }
    }
    assert!(good > 0 && failed > 0, "{good} good, {failed} failed");
    start_until(|| zombies() == 0);
}
