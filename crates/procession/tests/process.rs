//! Processes: values, panics, ends of every kind, what they inherit, what they leave behind.

use procession::{Process, StartMethod, Stdio, TaskError};
use procession_testing::{Census, OneWay, Stubborn, processes_with, raise, tests};
use std::{
    io::{BufRead, Read, Write},
    process::{Command, ExitCode},
    time::Duration,
};

fn main() -> ExitCode {
    if std::env::var_os("SKIP_INIT").is_some() {
        return without_init();
    }
    procession::init();
    if let Ok(program) = std::env::var("PROGRAM") {
        return match program.as_str() {
            "root with busy children" => root_with_busy_children(),
            "root that exits" => root_that_exits(),
            "root that reaps everything" => root_that_reaps_everything(),
            "some ends without a status" => some_ends_without_a_status(),
            "one process" => one_process(),
            "little memory" => little_memory(),
            other => panic!("no program {other}"),
        };
    }
    procession_testing::run(tests![
        gives_the_value,
        takes_zero_to_eight_arguments,
        carries_large_values,
        panics_are_values,
        ends_are_values,
        ends_after_the_value_change_nothing,
        codec_errors_name_the_type,
        join_timeout_leaves_it_alone,
        signals_reach_it,
        builder_settings_arrive,
        standard_streams_can_be_piped,
        nothing_is_left_behind,
        many_at_once,
        dropped_processes_run_on,
        init_is_asked_for,
        a_killed_root_takes_all_with_it,
        an_exiting_root_waits_for_all_but_daemons,
        a_root_without_statuses_sees_deaths,
        members_start_processes,
        members_have_pools,
        a_member_may_run_a_family,
        limits_give_errors,
        closed_standard_streams_are_no_trouble,
    ])
}

/// Runs this program again as one of the programs above.
fn program(name: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.env("PROGRAM", name);
    command
}

fn greet(name: String) -> String {
    format!("hello {name}")
}

fn gives_the_value() {
    let process = Process::spawn(greet, ("egon".to_string(),)).unwrap();
    assert_ne!(process.pid(), std::process::id());
    assert_eq!(process.join().unwrap(), "hello egon");
    let closure =
        Process::spawn(|a: u8, b: Vec<Option<String>>| (b.len(), a), (3, vec![None, Some("x".into())]));
    assert_eq!(closure.unwrap().join().unwrap(), (2, 3));
}

fn takes_zero_to_eight_arguments() {
    assert_eq!(Process::spawn(|| 0, ()).unwrap().join().unwrap(), 0);
    assert_eq!(Process::spawn(|a: u8, b: u8| a + b, (1, 2)).unwrap().join().unwrap(), 3);
    assert_eq!(Process::spawn(|a: u8, b: u8, c: u8| a + b + c, (1, 2, 3)).unwrap().join().unwrap(), 6);
    #[expect(clippy::too_many_arguments, reason = "that is what is tested")]
    fn sum(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
        a + b + c + d + e + f + g + h
    }
    assert_eq!(Process::spawn(sum, (1, 2, 3, 4, 5, 6, 7, 8)).unwrap().join().unwrap(), 36);
}

fn carries_large_values() {
    let bytes: Vec<u8> = (0..20_000_000).map(|i| (i % 251) as u8).collect();
    let process = Process::spawn(
        |mut bytes: Vec<u8>| {
            bytes.reverse();
            bytes
        },
        (bytes.clone(),),
    )
    .unwrap();
    let back = process.join().unwrap();
    assert!(back.iter().eq(bytes.iter().rev()));
    assert_eq!(procession::audit().unwrap().blocks, 0);
}

fn panics_are_values() {
    let process = Process::builder()
        .env("RUST_BACKTRACE", "1")
        .spawn(|n: u32| -> u32 { panic!("no {n}") }, (7,))
        .unwrap();
    let TaskError::Panicked(info) = process.join().unwrap_err() else { panic!("not a panic") };
    assert_eq!(info.message(), "no 7");
    assert!(info.location().unwrap().contains("process.rs"), "{info}");
    assert!(info.backtrace().is_some());
    let process =
        Process::builder().env_remove("RUST_BACKTRACE").spawn(|| -> () { panic!("again") }, ()).unwrap();
    let error = process.join().unwrap_err();
    assert!(error.to_string().contains("again"), "{error}");
    let TaskError::Panicked(info) = error else { panic!("not a panic") };
    assert_eq!(info.backtrace(), None);
}

fn died(error: TaskError) -> procession::ExitStatus {
    let TaskError::Died(status) = error else { panic!("not a death: {error}") };
    status
}

fn ends_are_values() {
    let exit = Process::spawn(|| -> () { std::process::exit(7) }, ()).unwrap();
    assert_eq!(died(exit.join().unwrap_err()).code(), Some(7));
    let exit = Process::spawn(|| -> () { std::process::exit(0) }, ()).unwrap();
    assert_eq!(died(exit.join().unwrap_err()).code(), Some(0), "it gave no value");
    let abort = Process::spawn(|| -> () { std::process::abort() }, ()).unwrap();
    assert_eq!(died(abort.join().unwrap_err()).signal(), Some(6));
    let segfault = Process::spawn(raise, (11,)).unwrap();
    assert_eq!(died(segfault.join().unwrap_err()).signal(), Some(11));
    let killed = Process::spawn(forever, ()).unwrap();
    killed.kill().unwrap();
    assert_eq!(died(killed.join().unwrap_err()).signal(), Some(9));
    assert_eq!(procession::audit().unwrap().blocks, 0);
}

fn forever() {
    loop {
        std::thread::park();
    }
}

fn busy_forever() {
    loop {
        std::hint::spin_loop();
    }
}

fn ends_after_the_value_change_nothing() {
    let process = Process::spawn(greet, ("you".to_string(),)).unwrap();
    while process.is_alive() {
        std::thread::yield_now();
    }
    process.kill().unwrap();
    assert!(process.exit_status().unwrap().success());
    assert_eq!(process.join_timeout(Duration::ZERO).unwrap().as_deref(), Some("hello you"));
    assert_eq!(process.join().unwrap(), "hello you", "and again");
}

fn codec_errors_name_the_type() {
    let error = Process::spawn(|_: Stubborn| (), (Stubborn,)).unwrap_err();
    assert!(error.is_codec() && error.to_string().contains("Stubborn"), "{error}");
    for error in [
        Process::spawn(|_: OneWay| (), (OneWay(1),)).unwrap().join().unwrap_err(),
        Process::spawn(|| OneWay(2), ()).unwrap().join().map(|_| ()).unwrap_err(),
    ] {
        let TaskError::Codec(error) = error else { panic!("not a codec error: {error}") };
        assert!(error.to_string().contains("OneWay"), "{error}");
    }
    let error = Process::spawn(|| Stubborn, ()).unwrap().join().map(|_| ()).unwrap_err();
    assert!(matches!(&error, TaskError::Codec(e) if e.to_string().contains("Stubborn")), "{error}");
}

fn join_timeout_leaves_it_alone() {
    let process = Process::builder().stdin(Stdio::piped()).spawn(
        || {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            line
        },
        (),
    );
    let mut process = process.unwrap();
    assert!(process.join_timeout(Duration::from_millis(20)).unwrap().is_none());
    assert!(process.is_alive() && process.exit_status().is_none());
    process.take_stdin().unwrap().write_all(b"go\n").unwrap();
    assert!(process.take_stdin().is_none());
    assert_eq!(process.join().unwrap(), "go\n");
}

fn signals_reach_it() {
    for (send, signal) in [
        (Process::terminate as fn(&Process<()>) -> procession::Result<()>, 15),
        (Process::interrupt, 2),
        (Process::kill, 9),
    ] {
        let process = Process::spawn(forever, ()).unwrap();
        send(&process).unwrap();
        assert_eq!(died(process.join().unwrap_err()).signal(), Some(signal));
    }
}

fn builder_settings_arrive() {
    let process = Process::builder()
        .name("a longer name than fits")
        .env("ONE", "1")
        .envs([("TWO", "2"), ("THREE", "3")])
        .env_remove("TWO")
        .current_dir("/proc")
        .stdin(Stdio::null())
        .spawn(
            || {
                let mut input = String::new();
                std::io::stdin().read_to_string(&mut input).unwrap();
                let variables = ["ONE", "TWO", "THREE"].map(|name| std::env::var(name).ok());
                (
                    variables,
                    std::env::current_dir().unwrap(),
                    std::fs::read_to_string("/proc/self/comm").unwrap(),
                    input,
                )
            },
            (),
        )
        .unwrap();
    assert_eq!(process.name(), "a longer name than fits");
    let (variables, dir, comm, input) = process.join().unwrap();
    assert_eq!(variables, [Some("1".to_string()), None, Some("3".to_string())]);
    assert_eq!(dir, std::path::Path::new("/proc"));
    assert_eq!(comm, "a longer name t\n");
    assert_eq!(input, "");
    let cleared = Process::builder().env_clear().env("LEFT", "x").spawn(
        || {
            std::env::vars()
                .map(|(name, _)| name)
                .filter(|name| !name.starts_with("PROCESSION"))
                .collect::<Vec<_>>()
        },
        (),
    );
    assert_eq!(cleared.unwrap().join().unwrap(), ["LEFT"]);
    let error = Process::builder().env("NUL", "a\0b").spawn(|| (), ()).unwrap_err();
    assert!(error.is_invalid_argument(), "{error}");
    let error = Process::builder().current_dir("/nowhere").spawn(|| (), ()).unwrap_err();
    assert!(error.is_start_failed(), "{error}");
}

fn standard_streams_can_be_piped() {
    let mut process = Process::builder()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn(
            || {
                let mut input = String::new();
                std::io::stdin().read_to_string(&mut input).unwrap();
                print!("out {input}");
                eprint!("err {input}");
            },
            (),
        )
        .unwrap();
    process.take_stdin().unwrap().write_all(b"in").unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    process.take_stdout().unwrap().read_to_string(&mut out).unwrap();
    process.take_stderr().unwrap().read_to_string(&mut err).unwrap();
    process.join().unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("out in", "err in"));
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

fn many_at_once() {
    let processes: Vec<_> = (0..40u64).map(|i| Process::spawn(|i: u64| i * i, (i,)).unwrap()).collect();
    let squares: Vec<u64> = processes.into_iter().rev().map(|process| process.join().unwrap()).collect();
    assert!(squares.into_iter().eq((0..40).rev().map(|i| i * i)));
}

fn dropped_processes_run_on() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer = Stdio::from(std::os::fd::OwnedFd::from(writer));
    drop(Process::builder().stdout(writer).spawn(|| println!("still here"), ()).unwrap());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here\n");
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
    let mut root = program("root with busy children")
        .env(MARK, &mark)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(root.stdout.take().unwrap()).lines();
    for _ in 0..4 {
        assert_eq!(lines.next().unwrap().unwrap(), "up");
    }
    assert_eq!(processes_with(MARK, &mark).len(), 6, "the root, its four children and the forkserver");
    root.kill().unwrap();
    root.wait().unwrap();
    wait_until_gone(&mark);
}

fn root_that_exits() -> ExitCode {
    let (late, daemon) = (
        Process::spawn(
            || {
                std::thread::sleep(Duration::from_millis(100));
                println!("done");
            },
            (),
        ),
        Process::builder().daemon(true).spawn(forever, ()),
    );
    assert!(late.is_ok() && daemon.is_ok());
    ExitCode::SUCCESS
}

fn an_exiting_root_waits_for_all_but_daemons() {
    let mark = mark("exiting-root");
    let output = program("root that exits").env(MARK, &mark).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "done\n");
    assert_eq!(processes_with(MARK, &mark), [0; 0]);
}

fn some_ends_without_a_status() -> ExitCode {
    for i in 0..20 {
        assert_eq!(Process::spawn(|n: u32| n, (i,)).unwrap().join().unwrap(), i);
        let error = Process::spawn(|| -> () { std::process::abort() }, ()).unwrap().join().unwrap_err();
        // The status may be taken by somebody else; the death is seen all the same.
        let status = died(error);
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

/// Starts processes of each kind, at a depth.
fn generations(left: u32) -> u32 {
    assert_eq!(Process::spawn(greet, ("you".to_string(),)).unwrap().join().unwrap(), "hello you");
    let aborts = Process::spawn(|| -> () { std::process::abort() }, ()).unwrap();
    assert_eq!(died(aborts.join().unwrap_err()).signal(), Some(6));
    let killed = Process::spawn(forever, ()).unwrap();
    assert!(killed.join_timeout(Duration::from_millis(1)).unwrap().is_none() && killed.is_alive());
    killed.kill().unwrap();
    assert_eq!(died(killed.join().unwrap_err()).signal(), Some(9));
    match left {
        0 => 0,
        left => 1 + Process::spawn(generations, (left - 1,)).unwrap().join().unwrap(),
    }
}

fn members_start_processes() {
    let audit = procession::audit().unwrap();
    assert_eq!(Process::spawn(generations, (3,)).unwrap().join().unwrap(), 3);
    let parents = Process::spawn(
        || {
            let mut process = Process::builder()
                .stdout(Stdio::piped())
                .spawn(|| print!("{}", std::os::unix::process::parent_id()), ());
            let mut text = String::new();
            process.as_mut().unwrap().take_stdout().unwrap().read_to_string(&mut text).unwrap();
            text
        },
        (),
    );
    assert_eq!(parents.unwrap().join().unwrap(), std::process::id().to_string(), "the family is flat");
    let after = procession::audit().unwrap();
    assert_eq!((after.objects, after.blocks, after.leaked), (audit.objects, 0, 0));
}

fn pool_in_a_member() -> u64 {
    let pool = procession::Pool::new(2).unwrap();
    let squares = pool.map(|n: u64| n * n, 0..1000).unwrap();
    assert!(matches!(pool.apply(raise, (9,)), Err(TaskError::Died(_))));
    pool.close();
    pool.join().unwrap();
    squares.into_iter().sum()
}

fn members_have_pools() {
    let sum = (0..1000).map(|n| n * n).sum();
    assert_eq!(Process::spawn(pool_in_a_member, ()).unwrap().join().unwrap(), sum);
    let pool = procession::Pool::new(2).unwrap();
    assert_eq!(pool.apply(pool_in_a_member, ()).unwrap(), sum);
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
}
