//! What a process has: children, descriptors, threads. For tests that must leave nothing behind.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;

/// Counts at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Census {
    /// Child processes, dead ones that nobody reaped included.
    pub children: Vec<u32>,
    /// Open descriptors, by what they are.
    pub descriptors: Vec<String>,
    /// Threads, by name.
    pub threads: Vec<String>,
}

impl Census {
    /// Of this process. Its forkserver and spares, which stay, aren't counted.
    pub fn take() -> Census {
        let mut descriptors: Vec<String> = fs::read_dir("/proc/self/fd")
            .expect("/proc is mounted")
            .flatten()
            .filter_map(|entry| describe(&entry.file_name().into_string().ok()?))
            .collect();
        descriptors.sort();
        let mut threads: Vec<String> = fs::read_dir("/proc/self/task")
            .expect("/proc is mounted")
            .flatten()
            .filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok())
            .map(|name| name.trim().to_string())
            .collect();
        threads.sort();
        let mut children = children_of(std::process::id());
        children.retain(|child| !is_helper(*child));
        Census { children, descriptors, threads }
    }

    /// Of this process, when nothing that was started earlier is still ending.
    pub fn take_at_rest() -> Census {
        loop {
            let census = Census::take();
            // Besides the test's thread and the watchdog's, one without a name of its own is a thread of an earlier test.
            let own = name_of(std::process::id());
            let nameless = census.threads.iter().filter(|thread| **thread == own).count();
            let ending = nameless > 2
                || census.descriptors.iter().any(|fd| fd.contains("pidfd"))
                || census
                    .threads
                    .iter()
                    .any(|thread| thread.ends_with("callbacks") || thread.ends_with("dispatch"));
            if census.children.is_empty() && !ending {
                return census;
            }
            std::thread::yield_now();
        }
    }

    /// Takes counts until they are what they were. Threads and processes end a moment after those who wait for them have
    /// gone on; a real leak never goes, and the watchdog then says so with both counts before it.
    pub fn wait_until_back(&self) {
        self.wait_until(|now| now == self);
    }

    /// Takes counts until there is nothing that wasn't there. For a program whose forkserver may have been killed: what it has of a
    /// server comes back with the next.
    pub fn wait_until_nothing_is_left(&self) {
        let all_of = |census: &Census| {
            let children = census.children.iter().map(u32::to_string);
            let others = census.descriptors.iter().chain(&census.threads).cloned();
            children.chain(others).collect::<Vec<String>>()
        };
        self.wait_until(|now| {
            let mut before = all_of(self);
            all_of(now).iter().all(|one| {
                let place = before.iter().position(|other| other == one);
                place.map(|place| before.swap_remove(place)).is_some()
            })
        });
    }

    fn wait_until(&self, is_so: impl Fn(&Census) -> bool) {
        let mut last = None;
        loop {
            let now = Census::take();
            if is_so(&now) {
                return;
            }
            if last.as_ref() != Some(&now) {
                eprintln!("not yet as before:\n  before {self:?}\n  now    {now:?}");
                last = Some(now);
            }
            std::thread::yield_now();
        }
    }
}

/// The children of this process, from /proc.
pub fn children() -> Vec<u32> {
    children_of(std::process::id())
}

/// What a descriptor is; `None` for the directory that is being read, and for the forkserver's own.
fn describe(number: &str) -> Option<String> {
    let target = fs::read_link(format!("/proc/self/fd/{number}")).ok()?.display().to_string();
    if target.contains("pidfd") {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok()?;
        return (!is_helper(pid)).then_some(target);
    }
    // A new server has a new socket.
    let what = if target.starts_with("socket:") { "socket".to_string() } else { target };
    (!what.ends_with("/fd")).then_some(what)
}

/// The process that forks the others for this one, if there is one.
pub fn forkserver() -> Option<u32> {
    // Its spares have its name for a moment; it's older than they are.
    children().into_iter().find(|child| name_of(*child) == "procession-fork")
}

/// Whether the process is a forkserver, or one that waits to become a member.
pub fn is_helper(process: u32) -> bool {
    ["procession-fork", "procession-next"].contains(&name_of(process).as_str())
}

/// Whether the process has ended, and nobody has asked how.
pub fn is_zombie(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

fn name_of(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default().trim().to_string()
}

/// The children of a process, from /proc.
pub fn children_of(parent: u32) -> Vec<u32> {
    let mut children: Vec<u32> = all_processes()
        .filter(|process| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            // After the name, which may hold anything: state, parent.
            let parent_field = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
            parent_field.and_then(|field| field.parse().ok()) == Some(parent)
        })
        .collect();
    children.sort();
    children
}

/// All processes whose environment has the variable with that value, zombies excepted.
pub fn processes_with(variable: &str, value: &str) -> Vec<u32> {
    let wanted = format!("{variable}={value}");
    all_processes()
        .filter(|process| {
            let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|line| line == wanted.as_bytes())
        })
        .collect()
}

fn all_processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Kills a process that this test started (SIGKILL). An error when it's gone already.
pub fn kill(process: u32) -> rustix::io::Result<()> {
    send(process, Signal::KILL)
}

/// Stops one (SIGSTOP).
pub fn stop(process: u32) -> rustix::io::Result<()> {
    send(process, Signal::STOP)
}

/// Has one that was stopped go on (SIGCONT).
pub fn resume(process: u32) -> rustix::io::Result<()> {
    send(process, Signal::CONT)
}

fn send(process: u32, signal: Signal) -> rustix::io::Result<()> {
    let pid = Pid::from_raw(process as i32).ok_or(rustix::io::Errno::SRCH)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    pidfd_send_signal(&pidfd, signal)
}
