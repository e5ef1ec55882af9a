//! What a process has from the thread that starts it, and what it has not.

use procession::Process;
use std::{
    fs::{self, File},
    os::fd::AsRawFd,
};

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
