//! Processes: the suite over both start methods, and whole programs: what they leave behind, how they end.

use procession::{Process, StartMethod, TaskError};
use procession_testing::{Census, Test, is_helper, processes_with, tests};
use std::{
    io::BufRead,
    process::{Child, Command, ExitCode},
    time::Duration,
};

mod methods;
mod suite;

use suite::forever;

fn main() -> ExitCode {
    if std::env::var_os("SKIP_INIT").is_some() {
        return without_init();
    }
    if std::env::var("PROGRAM").is_ok_and(|program| program == "threads before init") {
        std::thread::spawn(forever);
    }
    if std::env::var("PROGRAM").is_ok_and(|program| program == "closes its input") {
        // SAFETY: nothing here uses it.
        unsafe { libc::close(0) };
    }
    procession::init();
    methods::adopt();
    if let Ok(program) = std::env::var("PROGRAM") {
        return match program.as_str() {
            "root with busy children" => root_with_busy_children(),
            "root that exits" => root_that_exits(),
            "root that reaps everything" => root_that_reaps_everything(),
            "some ends without a status" => some_ends_without_a_status(),
            "one process" => one_process(),
            "closes its input" => closes_its_input(),
            "threads before init" => threads_before_init(),
            "little memory" => little_memory(),
            other => panic!("no program {other}"),
        };
    }
    let whole_programs: fn() -> Vec<Test> = || {
        tests![
            nothing_is_left_behind,
            init_is_asked_for,
            a_killed_root_takes_all_with_it,
            an_exiting_root_waits_for_all_but_daemons,
            a_root_without_statuses_sees_deaths,
            a_member_may_run_a_family,
            limits_give_errors,
            closed_standard_streams_are_no_trouble,
            a_program_with_threads_is_told_once,
        ]
    };
    procession_testing::run(methods::each(|| suite!(tests)).chain(methods::each(whole_programs)).collect())
}

/// Runs this program again as one of the programs above.
fn program(name: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.env("PROGRAM", name);
    command
}

fn busy_forever() {
    loop {
        std::hint::spin_loop();
    }
}

fn nothing_is_left_behind() {
    Process::spawn(|| (), ()).unwrap().join().unwrap();
    let before = Census::take_at_rest();
    let audit = procession::audit().unwrap();
    for i in 0..50 {
        match i % 4 {
            0 => Process::spawn(|| (), ()).unwrap().join().unwrap(),
            1 => drop(Process::spawn(|| -> () { panic!("quietly") }, ()).unwrap().join()),
            2 => drop(Process::spawn(|| -> () { std::process::abort() }, ()).unwrap().join()),
            _ => {
                let process = Process::spawn(forever, ()).unwrap();
                process.kill().unwrap();
                drop(process.join());
            }
        }
    }
    before.wait_until_back();
    let after = procession::audit().unwrap();
    assert_eq!(
        (after.objects, after.blocks, after.leaked, after.members),
        (audit.objects, 0, 0, audit.members)
    );
}

fn without_init() -> ExitCode {
    let error = Process::spawn(|| (), ()).unwrap_err();
    assert!(error.is_not_initialised() && error.to_string().contains("init()"), "{error}");
    ExitCode::SUCCESS
}

fn init_is_asked_for() {
    let status = Command::new("/proc/self/exe").env("SKIP_INIT", "1").status().unwrap();
    assert!(status.success(), "a program without init() gets an error: {status}");
    // The parent called init(), its child does not.
    let child = Process::builder().env("SKIP_INIT", "1").start_method(StartMethod::Spawn).spawn(|| (), ());
    let error = child.unwrap().join().unwrap_err();
    let TaskError::Failed(error) = error else { panic!("{error}") };
    assert!(error.is_start_failed() && error.to_string().contains("init()"), "{error}");
}

const MARK: &str = "PROCESSION_TEST_MARK";

/// A mark that no other run of the tests has.
fn mark(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// Waits until no process has the mark; the watchdog is the limit.
fn wait_until_gone(mark: &str) {
    while !processes_with(MARK, mark).is_empty() {
        std::thread::yield_now();
    }
}

/// Kills a program that a test started, however the test ends.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn say_up() {
    println!("up");
}

fn root_with_busy_children() -> ExitCode {
    let idle = || {
        say_up();
        forever();
    };
    let busy = || {
        say_up();
        busy_forever();
    };
    let children = [Process::spawn(idle, ()), Process::spawn(busy, ()), Process::spawn(busy, ())];
    let daemon = Process::builder().daemon(true).spawn(idle, ());
    assert!(children.iter().all(|child| child.is_ok()) && daemon.is_ok());
    forever();
    ExitCode::SUCCESS
}

fn a_killed_root_takes_all_with_it() {
    let mark = mark("killed-root");
    let root =
        program("root with busy children").env(MARK, &mark).stdout(std::process::Stdio::piped()).spawn();
    let mut root = Ends(root.unwrap());
    let mut lines = std::io::BufReader::new(root.0.stdout.take().unwrap()).lines();
    for _ in 0..4 {
        assert_eq!(lines.next().unwrap().unwrap(), "up");
    }
    let all = processes_with(MARK, &mark);
    assert_eq!(all.iter().filter(|process| !is_helper(**process)).count(), 5, "{all:?}");
    drop(root);
    wait_until_gone(&mark);
}

fn late(text: String) {
    std::thread::sleep(Duration::from_millis(100));
    println!("{text}");
}

fn root_that_exits() -> ExitCode {
    // The first one starts another when the root is at its exit already, and ends before it.
    let starts_another = || {
        std::thread::sleep(Duration::from_millis(50));
        drop(Process::spawn(late, ("and so is what it started".to_string(),)).unwrap());
        println!("done");
    };
    let (starts_another, daemon) =
        (Process::spawn(starts_another, ()), Process::builder().daemon(true).spawn(forever, ()));
    assert!(starts_another.is_ok() && daemon.is_ok());
    ExitCode::SUCCESS
}

fn an_exiting_root_waits_for_all_but_daemons() {
    let mark = mark("exiting-root");
    let output = program("root that exits").env(MARK, &mark).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "done\nand so is what it started\n");
    assert_eq!(processes_with(MARK, &mark), [0; 0]);
}

fn some_ends_without_a_status() -> ExitCode {
    for i in 0..20 {
        assert_eq!(Process::spawn(|n: u32| n, (i,)).unwrap().join().unwrap(), i);
        let error = Process::spawn(|| -> () { std::process::abort() }, ()).unwrap().join().unwrap_err();
        // The status may be taken by somebody else; the death is seen all the same.
        let TaskError::Died(status) = error else { panic!("not a death: {error}") };
        assert!(matches!((status.code(), status.signal()), (None, None | Some(6))), "{status}");
    }
    ExitCode::SUCCESS
}

fn root_that_reaps_everything() -> ExitCode {
    std::thread::spawn(|| {
        loop {
            let _ = rustix::process::wait(rustix::process::WaitOptions::empty());
        }
    });
    some_ends_without_a_status()
}

fn a_root_without_statuses_sees_deaths() {
    let ignoring = Command::new("sh")
        .args(["-c", "trap '' CHLD; exec \"$0\"", std::env::current_exe().unwrap().to_str().unwrap()])
        .env("PROGRAM", "some ends without a status")
        .status();
    assert!(ignoring.unwrap().success(), "SIGCHLD is ignored");
    assert!(program("root that reaps everything").status().unwrap().success());
}

fn a_member_may_run_a_family() {
    let nested = || program("one process").status().unwrap().success();
    assert!(Process::spawn(nested, ()).unwrap().join().unwrap());
}

fn one_process() -> ExitCode {
    assert_eq!(Process::spawn(|n: u8| n, (1,)).unwrap().join().unwrap(), 1);
    ExitCode::SUCCESS
}

fn little_memory() -> ExitCode {
    let large = vec![1_u8; 20 << 20];
    let before = procession::audit().unwrap();
    let error = Process::spawn(|bytes: Vec<u8>| bytes.len(), (large,)).unwrap_err();
    assert!(error.is_out_of_memory(), "{error}");
    let error = Process::spawn(|| vec![1_u8; 20 << 20], ()).unwrap().join().unwrap_err();
    assert!(matches!(&error, TaskError::Failed(e) if e.is_out_of_memory()), "{error}");
    assert_eq!(Process::spawn(|| vec![1_u8; 1 << 20], ()).unwrap().join().unwrap().len(), 1 << 20);
    let after = procession::audit().unwrap();
    assert_eq!((after.objects, after.blocks, after.leaked), (before.objects, 0, 0));
    ExitCode::SUCCESS
}

fn limits_give_errors() {
    let small = program("little memory").env("PROCESSION_ARENA_LIMIT", (8 << 20).to_string()).status();
    assert!(small.unwrap().success(), "a small arena");
    let output = program("one process").env("PROCESSION_ARENA_LIMIT", "much").output().unwrap();
    assert!(
        !output.status.success()
            && String::from_utf8(output.stderr).unwrap().contains("PROCESSION_ARENA_LIMIT")
    );
    // Kilobytes of address space, blocks of file size, descriptors: fewer than the usual reservation needs.
    for limit in ["-v 2000000", "-f 50000", "-n 24"] {
        let exe = std::env::current_exe().unwrap();
        let status = Command::new("sh")
            .args(["-c", &format!("ulimit {limit}; exec \"$0\""), exe.to_str().unwrap()])
            .env("PROGRAM", "one process")
            .status();
        assert!(status.unwrap().success(), "ulimit {limit}");
    }
}

fn closed_standard_streams_are_no_trouble() {
    let exe = std::env::current_exe().unwrap();
    let status = Command::new("sh")
        .args(["-c", "exec \"$0\" 0<&- 1>&- 2>&-", exe.to_str().unwrap()])
        .env("PROGRAM", "one process")
        .status();
    assert!(status.unwrap().success());
    assert!(program("closes its input").status().unwrap().success());
}

fn closes_its_input() -> ExitCode {
    let text = || std::io::read_to_string(std::io::stdin()).ok();
    for _ in 0..4 {
        let file = std::fs::File::open("/proc/self/comm").unwrap();
        assert!(Process::builder().stdin(file).spawn(text, ()).unwrap().join().unwrap().is_some());
        // Whatever became of descriptor 0 in the child, it's nothing of the family's.
        let what = || std::fs::read_link("/proc/self/fd/0").map(|target| target.display().to_string()).ok();
        let found = Process::spawn(what, ()).unwrap().join().unwrap();
        assert!(found.as_ref().is_none_or(|target| target.starts_with('/')), "{found:?}");
    }
    ExitCode::SUCCESS
}

fn threads_before_init() -> ExitCode {
    for i in 0..3 {
        assert_eq!(Process::spawn(|n: u8| n, (i,)).unwrap().join().unwrap(), i);
    }
    ExitCode::SUCCESS
}

fn a_program_with_threads_is_told_once() {
    let output = program("threads before init").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    let times = usize::from(procession::start_method() == StartMethod::ForkServer);
    assert_eq!(text.matches("2 threads run in it before init()").count(), times, "{text}");
}
