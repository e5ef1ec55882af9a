//! What a process does, however it's started: one list of tests, for each start method and under the standard harness.

use procession::{Pool, Process, Stdio, TaskError};
use procession_testing::{OneWay, Stubborn, raise};
use std::{
    fs::{self, File},
    io::{Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

/// Gives the list to another macro.
#[macro_export]
macro_rules! suite {
    ($with:ident) => {
        $with! {
            suite::gives_the_value,
            suite::takes_zero_to_eight_arguments,
            suite::carries_large_values,
            suite::panics_are_values,
            suite::ends_are_values,
            suite::ends_after_the_value_change_nothing,
            suite::codec_errors_name_the_type,
            suite::join_timeout_leaves_it_alone,
            suite::signals_reach_it,
            suite::builder_settings_arrive,
            suite::standard_streams_can_be_piped,
            suite::many_at_once,
            suite::dropped_processes_run_on,
            suite::members_start_processes,
            suite::members_have_pools,
            suite::inherits_what_the_starter_has_now,
            suite::members_hand_on_what_they_have,
            suite::gets_no_stray_descriptors,
            suite::restrictions_of_a_thread_are_kept,
            suite::settings_are_checked,
            suite::nice_and_processors_are_set,
            suite::memory_is_limited,
            suite::is_killed_with_its_handle,
            suite::a_plain_fork_is_nobody,
        }
    };
}

pub(crate) fn forever() {
    loop {
        std::thread::park();
    }
}

fn greet(name: String) -> String {
    format!("hello {name}")
}

fn died(error: TaskError) -> procession::ExitStatus {
    let TaskError::Died(status) = error else { panic!("not a death: {error}") };
    status
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

fn pool_in_a_member() -> u64 {
    let pool = Pool::new(2).unwrap();
    let squares = pool.map(|n: u64| n * n, 0..1000).unwrap();
    assert!(matches!(pool.apply(raise, (9,)), Err(TaskError::Died(_))));
    pool.close();
    pool.join().unwrap();
    squares.into_iter().sum()
}

pub(crate) fn gives_the_value() {
    let process = Process::spawn(greet, ("egon".to_string(),)).unwrap();
    assert_ne!(process.pid(), std::process::id());
    assert_eq!(process.join().unwrap(), "hello egon");
    let closure =
        Process::spawn(|a: u8, b: Vec<Option<String>>| (b.len(), a), (3, vec![None, Some("x".into())]));
    assert_eq!(closure.unwrap().join().unwrap(), (2, 3));
}

pub(crate) fn takes_zero_to_eight_arguments() {
    assert_eq!(Process::spawn(|| 0, ()).unwrap().join().unwrap(), 0);
    assert_eq!(Process::spawn(|a: u8, b: u8| a + b, (1, 2)).unwrap().join().unwrap(), 3);
    assert_eq!(Process::spawn(|a: u8, b: u8, c: u8| a + b + c, (1, 2, 3)).unwrap().join().unwrap(), 6);
    #[expect(clippy::too_many_arguments, reason = "that is what is tested")]
    fn sum(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
        a + b + c + d + e + f + g + h
    }
    assert_eq!(Process::spawn(sum, (1, 2, 3, 4, 5, 6, 7, 8)).unwrap().join().unwrap(), 36);
}

pub(crate) fn carries_large_values() {
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

pub(crate) fn panics_are_values() {
    let process = Process::builder()
        .env("RUST_BACKTRACE", "1")
        .spawn(|n: u32| -> u32 { panic!("no {n}") }, (7,))
        .unwrap();
    let TaskError::Panicked(info) = process.join().unwrap_err() else { panic!("not a panic") };
    assert_eq!(info.message(), "no 7");
    assert!(info.location().unwrap().contains("suite"), "{info}");
    assert!(info.backtrace().is_some());
    let process =
        Process::builder().env_remove("RUST_BACKTRACE").spawn(|| -> () { panic!("again") }, ()).unwrap();
    let error = process.join().unwrap_err();
    assert!(error.to_string().contains("again"), "{error}");
    let TaskError::Panicked(info) = error else { panic!("not a panic") };
    assert_eq!(info.backtrace(), None);
}

pub(crate) fn ends_are_values() {
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

pub(crate) fn ends_after_the_value_change_nothing() {
    let process = Process::spawn(greet, ("you".to_string(),)).unwrap();
    while process.is_alive() {
        std::thread::yield_now();
    }
    process.kill().unwrap();
    assert!(process.exit_status().unwrap().success());
    assert_eq!(process.join_timeout(Duration::ZERO).unwrap().as_deref(), Some("hello you"));
    assert_eq!(process.join().unwrap(), "hello you", "and again");
}

pub(crate) fn codec_errors_name_the_type() {
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

pub(crate) fn join_timeout_leaves_it_alone() {
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

pub(crate) fn signals_reach_it() {
    // What a shell starts in the background ignores SIGINT, and so would the processes.
    // SAFETY: bounds: no memory is passed. Aliasing: none. Lifetime: none.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
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

pub(crate) fn builder_settings_arrive() {
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
                    fs::read_to_string("/proc/thread-self/comm").unwrap(),
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

pub(crate) fn standard_streams_can_be_piped() {
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
    // What one writes another reads.
    let mut writer = Process::builder().stdout(Stdio::piped()).spawn(|| print!("through"), ()).unwrap();
    let reader = Process::builder()
        .stdin(writer.take_stdout().unwrap())
        .spawn(|| std::io::read_to_string(std::io::stdin()).unwrap(), ());
    assert_eq!(reader.unwrap().join().unwrap(), "through");
    writer.join().unwrap();
}

pub(crate) fn many_at_once() {
    let processes: Vec<_> = (0..40u64).map(|i| Process::spawn(|i: u64| i * i, (i,)).unwrap()).collect();
    let squares: Vec<u64> = processes.into_iter().rev().map(|process| process.join().unwrap()).collect();
    assert!(squares.into_iter().eq((0..40).rev().map(|i| i * i)));
}

pub(crate) fn dropped_processes_run_on() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer = Stdio::from(OwnedFd::from(writer));
    drop(Process::builder().stdout(writer).spawn(|| println!("still here"), ()).unwrap());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here\n");
}

pub(crate) fn members_start_processes() {
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
    assert!(after.objects.len() <= audit.objects.len(), "{after:?}");
    assert_eq!((after.blocks, after.leaked), (0, 0));
}

pub(crate) fn members_have_pools() {
    let sum: u64 = (0..1000).map(|n| n * n).sum();
    assert_eq!(Process::spawn(pool_in_a_member, ()).unwrap().join().unwrap(), sum);
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.apply(pool_in_a_member, ()).unwrap(), sum);
}

/// What a process has that it got from another.
fn inherited() -> Vec<String> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
    let mut all: Vec<String> =
        ["Umask:", "SigBlk:", "Cpus_allowed:"].map(|name| field(name).to_string()).to_vec();
    // Without the two that the C library keeps for itself: its posix_spawn has them ignored.
    let ignored = u64::from_str_radix(field("SigIgn:"), 16).unwrap() & !(0b11 << 31);
    all.push(format!("{ignored:x}"));
    all.push(std::env::current_dir().unwrap().display().to_string());
    all.push(std::env::var("PROCESSION_TEST_INHERITED").unwrap_or_default());
    all.push(fs::read_to_string("/proc/self/limits").unwrap());
    all.push(rustix::process::getpriority_process(None).unwrap().to_string());
    all.push(format!("{:?}", rustix::process::getpgrp()));
    // SAFETY: bounds, aliasing, lifetime: no memory is passed.
    all.push(format!("policy {}", unsafe { libc::sched_getscheduler(0) }));
    all.push(format!("{:?}", [0, 1, 2].map(|i| fs::read_link(format!("/proc/self/fd/{i}")).ok())));
    all
}

/// Changes this process and thread in every way that a new process inherits.
fn change(nofile: u64, directory: &str) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    // SAFETY: no other thread reads the environment meanwhile: the tests run one at a time.
    unsafe { std::env::set_var("PROCESSION_TEST_INHERITED", format!("{nofile}")) };
    std::env::set_current_dir(directory).unwrap();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o027 + nofile as u32 % 2));
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(nofile), maximum }).unwrap();
    let nice = rustix::process::getpriority_process(None).unwrap();
    rustix::process::setpriority_process(None, nice + 1).unwrap();
    let mut one = rustix::thread::CpuSet::new();
    one.set(nofile as usize % 2);
    rustix::thread::sched_setaffinity(None, &one).unwrap();
    block_and_ignore();
}

/// SIGUSR1 is blocked, SIGUSR2 ignored, and the thread yields to all others.
fn block_and_ignore() {
    // SAFETY: bounds: one set, emptied before it's used. Aliasing: ours alone. Lifetime: for the calls.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGUSR1);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        libc::signal(libc::SIGUSR2, libc::SIG_IGN);
        let none: libc::sched_param = std::mem::zeroed();
        assert_eq!(libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const none), 0);
    }
}

/// In a process of its own, since all of this is changed: starts one that must find the same.
fn hands_on(nofile: u64) {
    for (i, directory) in ["/tmp", "/proc"].into_iter().enumerate() {
        change(nofile + i as u64, directory);
        let own = inherited();
        assert_eq!(Process::spawn(inherited, ()).unwrap().join().unwrap(), own, "what a process has");
    }
}

pub(crate) fn inherits_what_the_starter_has_now() {
    // What is inherited is that of the moment of the start, not of the first start.
    let here = inherited();
    assert_eq!(Process::spawn(inherited, ()).unwrap().join().unwrap(), here);
    let before = std::env::current_dir().unwrap();
    let elsewhere = std::env::temp_dir().canonicalize().unwrap();
    std::env::set_current_dir(&elsewhere).unwrap();
    let moved = Process::spawn(inherited, ()).unwrap().join().unwrap();
    std::env::set_current_dir(before).unwrap();
    assert!(moved.contains(&elsewhere.display().to_string()), "{moved:?}");
}

pub(crate) fn members_hand_on_what_they_have() {
    Process::spawn(hands_on, (100,)).unwrap().join().unwrap();
    // And nothing of that came back.
    inherits_what_the_starter_has_now();
}

/// Descriptors that aren't standard streams, by what they are.
fn descriptors() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let mut all: Vec<String> = entries
        .filter(|entry| entry.file_name().to_str().unwrap().parse::<i32>().unwrap() > 2)
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|target| target.display().to_string().split(':').next().unwrap().to_string())
        .filter(|target| !target.ends_with("/fd"))
        .collect();
    all.sort();
    all
}

pub(crate) fn gets_no_stray_descriptors() {
    let stray = File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&stray, rustix::io::FdFlags::empty()).unwrap();
    let found = Process::spawn(descriptors, ()).unwrap().join().unwrap();
    let arena = "/memfd".to_string();
    assert_eq!(found, [arena, "pipe".into(), "socket".into()], "{} is open here", stray.as_raw_fd());
}

fn is_restricted() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    status.lines().any(|line| line.starts_with("NoNewPrivs:") && line.ends_with('1'))
}

pub(crate) fn restrictions_of_a_thread_are_kept() {
    let start = || Process::spawn(is_restricted, ()).unwrap().join().unwrap();
    assert!(!start());
    let restricted = std::thread::spawn(move || {
        // SAFETY: bounds: numbers only. Aliasing, lifetime: no memory is passed. It's for this thread alone.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        (0..3).all(|_| start())
    });
    assert!(restricted.join().unwrap(), "what it starts may no more than it may");
    assert!(!start(), "others aren't touched");
    let member = || {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        Process::spawn(is_restricted, ()).is_err_and(|e| e.is_unsupported())
    };
    assert!(Process::spawn(member, ()).unwrap().join().unwrap(), "the root would give it more rights");
}

pub(crate) fn settings_are_checked() {
    let builder = Process::builder;
    for (wrong, name) in [
        (builder().nice(20), "nice"),
        (builder().nice(-21), "nice"),
        (builder().memory_limit(0), "memory_limit"),
        (builder().cpu_affinity([]), "cpu_affinity"),
        (builder().cpu_affinity([1024]), "cpu_affinity"),
    ] {
        let error = wrong.spawn(|| (), ()).unwrap_err();
        assert!(error.is_invalid_argument() && error.to_string().contains(name), "{error}");
    }
    // A set without any processor that this machine has.
    let error = builder().cpu_affinity([1023]).spawn(|| (), ()).unwrap().join().unwrap_err();
    assert!(matches!(&error, TaskError::Failed(e) if e.is_start_failed()), "{error}");
    assert!(error.to_string().contains("processors"), "{error}");
}

pub(crate) fn nice_and_processors_are_set() {
    let process = Process::builder().nice(7).cpu_affinity([0]).spawn(
        || {
            let allowed = rustix::thread::sched_getaffinity(None).unwrap();
            (rustix::process::getpriority_process(None).unwrap(), allowed.count(), allowed.is_set(0))
        },
        (),
    );
    assert_eq!(process.unwrap().join().unwrap(), (7, 1, true));
}

fn touch(mib: usize) -> usize {
    std::hint::black_box(vec![1_u8; mib << 20]).len() >> 20
}

pub(crate) fn memory_is_limited() {
    let limited = |mib| Process::builder().memory_limit(64 << 20).spawn(touch, (mib,)).unwrap().join();
    assert_eq!(limited(16).unwrap(), 16);
    assert_eq!(died(limited(200).unwrap_err()).signal(), Some(6), "an allocation failed");
    assert_eq!(Process::spawn(touch, (200,)).unwrap().join().unwrap(), 200, "others aren't limited");
}

/// Whether the process is there.
fn exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}")).unwrap()
}

fn wait_until_gone(pid: u32) {
    while exists(pid) {
        std::thread::yield_now();
    }
}

pub(crate) fn is_killed_with_its_handle() {
    let process = Process::builder().kill_on_drop(true).spawn(forever, ()).unwrap();
    let pid = process.pid();
    assert!(exists(pid));
    drop(process);
    wait_until_gone(pid);
    // And when who has the handle is killed.
    let holder = Process::builder().stdout(Stdio::piped()).spawn(
        || {
            let process =
                Process::builder().kill_on_drop(true).stdout(Stdio::null()).spawn(forever, ()).unwrap();
            println!("{}", process.pid());
            forever();
        },
        (),
    );
    let mut holder = holder.unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(holder.take_stdout().unwrap()), &mut line)
        .unwrap();
    let pid = line.trim().parse().unwrap();
    assert!(exists(pid));
    holder.kill().unwrap();
    wait_until_gone(pid);
    assert_eq!(died(holder.join().unwrap_err()).signal(), Some(9));
}

/// In a member: a plain fork of it may use nothing, and its exit releases nothing.
fn forks() -> (bool, String) {
    let process = Process::spawn(forever, ()).unwrap();
    // SAFETY: bounds: no memory is passed. Aliasing: the copy has its own. Lifetime: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            let refused = Process::spawn(|| (), ()).is_err_and(|e| e.is_forked());
            let refused = refused && process.kill().is_err_and(|e| e.is_forked());
            let refused = refused && process.join_timeout(Duration::ZERO).is_err();
            drop(process);
            std::process::exit(if refused { 0 } else { 1 });
        }
        copy => {
            let mut status = 0;
            // SAFETY: bounds: one number is written, which is ours. Aliasing: ours alone. Lifetime: for the call.
            let copy_refused = unsafe { libc::waitpid(copy, &raw mut status, 0) } == copy && status == 0;
            let is_mine = process.is_alive() && process.kill().is_ok();
            let status = died(process.join().unwrap_err());
            (copy_refused && is_mine, Process::spawn(greet, (status.to_string(),)).unwrap().join().unwrap())
        }
    }
}

pub(crate) fn a_plain_fork_is_nobody() {
    assert_eq!(Process::spawn(forks, ()).unwrap().join().unwrap(), (true, "hello signal 9 (SIGKILL)".into()));
}
