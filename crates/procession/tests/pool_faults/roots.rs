//! Programs that are killed, interrupted, or have few descriptors.

use crate::{
    death,
    deaths::{KILL, end},
    until, works,
};
use procession::{Pool, TaskError};
use procession_testing::{is_helper, processes_with};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io::{BufRead, BufReader, Lines, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

pub(crate) const PROGRAM: &str = "PROGRAM";
const MARK: &str = "PROCESSION_TEST_MARK";

pub(crate) fn program(name: &str) -> ExitCode {
    match name {
        "idle" => idle(),
        "busy" => busy(),
        "goes on" => goes_on(),
        "few descriptors" => with_few_descriptors(),
        other => panic!("no program {other}"),
    }
    ExitCode::SUCCESS
}

const MOST: usize = 5;

/// A task that is never done, and uses its processor all the time.
fn spin(n: u64) -> u64 {
    loop {
        std::hint::black_box(n.rotate_left(3));
    }
}

fn say(text: &str) {
    println!("{text}");
    std::io::stdout().flush().unwrap();
}

fn idle() {
    // It may have grown for a moment while its first workers started.
    let pool = Pool::builder().workers(2..=MOST).idle_timeout(Duration::from_millis(10)).build().unwrap();
    works(&pool, 2);
    say("up");
    crate::forever();
}

fn busy() {
    let pool = Pool::new(2..=MOST).unwrap();
    let results: Vec<_> = (0..20).map(|n| pool.apply_async(spin, (n,)).unwrap()).collect();
    until(|| pool.statistics().workers == MOST && pool.statistics().starting == 0);
    say("up");
    results[0].get().unwrap();
}

/// Takes an interrupt as a reason to say so, and goes on.
fn goes_on() {
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    extern "C" fn note(_: i32) {
        INTERRUPTED.store(true, Ordering::SeqCst);
    }
    // SAFETY: bounds: numbers only. Aliasing: no handler of anybody else is replaced. Lifetime: the handler is a function of this
    // program, and stores one atomic.
    unsafe { libc::signal(libc::SIGINT, note as *const () as libc::sighandler_t) };
    let pool = Pool::new(3).unwrap();
    works(&pool, 3);
    let before = pool.worker_pids();
    // One of them is interrupted in the middle of a task.
    let slow = pool.apply_async(|| until(|| std::fs::exists(flag()).unwrap()), ()).unwrap();
    until(|| pool.statistics().running == 1);
    say("up");
    until(|| INTERRUPTED.load(Ordering::SeqCst));
    std::fs::write(flag(), "").unwrap();
    slow.get().unwrap();
    std::fs::remove_file(flag()).unwrap();
    works(&pool, 3);
    assert_eq!((pool.worker_pids(), pool.statistics().deaths), (before, 0));
    pool.join().unwrap();
    say("went on");
}

/// A file that belongs to the whole group of processes.
fn flag() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("procession-flag-{}", std::env::var(MARK).unwrap()))
}

/// A program with all that it started, in a group of its own.
struct Root {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    mark: String,
}

impl Root {
    fn start(name: &str) -> Root {
        let mark = format!("{}-{}", name.replace(' ', "-"), std::process::id());
        let mut command = Command::new("/proc/self/exe");
        command.env(PROGRAM, name).env(MARK, &mark).stdout(Stdio::piped()).process_group(0);
        // What a shell starts in the background ignores SIGINT, and so would this.
        // SAFETY: bounds: numbers only. Aliasing: none. Lifetime: none; it may be called after a fork.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGINT, libc::SIG_DFL);
                Ok(())
            })
        };
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Root { child, lines, mark }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn workers(&self) -> usize {
        let all = processes_with(MARK, &self.mark);
        all.into_iter().filter(|process| !is_helper(*process) && *process != self.child.id()).count()
    }

    fn interrupt(&self) {
        kill_process_group(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Waits for its end, after which nothing is left: the signal that ended it.
    fn ended(mut self) -> Option<i32> {
        let status = self.child.wait().unwrap();
        until(|| processes_with(MARK, &self.mark).is_empty());
        status.signal()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn killed_when_idle() {
    let mut root = Root::start("idle");
    assert_eq!((root.line().as_str(), root.workers()), ("up", 2));
    root.child.kill().unwrap();
    assert_eq!(root.ended(), Some(9));
}

pub(crate) fn killed_when_busy() {
    let mut root = Root::start("busy");
    assert_eq!((root.line().as_str(), root.workers()), ("up", MOST));
    root.child.kill().unwrap();
    assert_eq!(root.ended(), Some(9));
}

pub(crate) fn interrupted_when_busy() {
    let mut root = Root::start("busy");
    assert_eq!((root.line().as_str(), root.workers()), ("up", MOST));
    root.interrupt();
    assert_eq!(root.ended(), Some(2));
}

pub(crate) fn one_that_is_interrupted_and_goes_on() {
    let mut root = Root::start("goes on");
    assert_eq!((root.line().as_str(), root.workers()), ("up", 3));
    root.interrupt();
    assert_eq!(root.line(), "went on");
    assert_eq!(root.ended(), None);
}

pub(crate) fn few_descriptors() {
    let status = Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$0\"", std::env::current_exe().unwrap().to_str().unwrap()])
        .env(PROGRAM, "few descriptors")
        .status();
    assert!(status.unwrap().success());
}

fn with_few_descriptors() {
    let pool = Pool::new(8).unwrap();
    works(&pool, 8);
    for _ in 0..10 {
        assert_eq!(death(pool.apply(end, (KILL,))), (None, Some(9)));
    }
    works(&pool, 8);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    // Too many are an error that says why, and leaves nothing.
    let error = Pool::new(80).unwrap_err();
    assert!(error.is_start_failed() || error.is_out_of_memory(), "{error}");
    until(|| open() == before);
    works(&pool, 8);
    pool.join().unwrap();
    // One that may have more than there is room for does what it can with fewer.
    let pool = Pool::new(2..=80).unwrap();
    let slow = |n: u32| {
        std::thread::sleep(Duration::from_millis(2));
        n
    };
    assert!(pool.map(slow, 0..500).unwrap().into_iter().eq(0..500));
    assert!(pool.imap(slow, 0..100).map(Result::unwrap).eq(0..100));
    assert_eq!(pool.statistics().failed, 0);
    pool.resize(2).unwrap();
    works(&pool, 2);
    let all: Vec<Result<u32, TaskError>> = pool.imap(slow, 0..10).collect();
    assert!(all.iter().all(Result::is_ok));
    pool.join().unwrap();
}
