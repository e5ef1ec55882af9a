//! What a process is given by its builder, and what becomes of it without its handle.

use super::{died, forever};
use procession::{Process, Stdio, TaskError};
use std::{
    fs,
    io::{Read, Write},
    os::fd::OwnedFd,
};

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

pub(crate) fn dropped_processes_run_on() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let writer = Stdio::from(OwnedFd::from(writer));
    drop(Process::builder().stdout(writer).spawn(|| println!("still here"), ()).unwrap());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "still here\n");
}
