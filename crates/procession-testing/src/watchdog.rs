//! Ends a test that hangs, and says where everybody was.

use std::{
    fs,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

/// No test takes a tenth of this on a machine that does anything else at the same time.
const LIMIT: Duration = Duration::from_secs(120);

/// What a test's own program knows of who waits for what.
static EXPLAIN: OnceLock<fn() -> String> = OnceLock::new();

/// Has the watchdog also print what `explain` gives, when a test hangs.
pub fn explain_with(explain: fn() -> String) {
    let _ = EXPLAIN.set(explain);
}

/// How often a test has said that it gets on.
static STEPS: AtomicU64 = AtomicU64::new(0);

/// Says that a long test gets on: it hasn't hung before now.
pub fn still_alive() {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

/// Watches until the value is dropped.
pub fn watch(name: String) -> Sender<()> {
    let (alive, watched) = channel::<()>();
    thread::spawn(move || {
        let mut steps = STEPS.load(Ordering::Relaxed);
        while let Err(RecvTimeoutError::Timeout) = watched.recv_timeout(LIMIT) {
            let now = STEPS.load(Ordering::Relaxed);
            if now != std::mem::replace(&mut steps, now) {
                continue;
            }
            eprintln!("the test {name} hangs; who waits for what:");
            let own = std::process::id();
            if let Some(explain) = EXPLAIN.get() {
                eprintln!("{}", explain());
            }
            describe(own);
            for process in crate::census::children_of(own) {
                describe(process);
                let _ = crate::kill(process);
            }
            std::process::abort();
        }
    });
    alive
}

fn describe(process: u32) {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default().trim().replace('\0', " ");
    eprintln!("process {process}: {}", read(format!("/proc/{process}/cmdline")));
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return };
    for thread in threads.flatten() {
        let path = thread.path().display().to_string();
        let state = read(format!("{path}/stat"));
        let state = state.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('?');
        eprintln!(
            "  thread {} ({}): state {state}, in {}, system call {}",
            thread.file_name().display(),
            read(format!("{path}/comm")),
            read(format!("{path}/wchan")),
            read(format!("{path}/syscall")),
        );
    }
}
