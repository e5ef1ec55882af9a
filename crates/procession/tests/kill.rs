//! SIGKILL at every named kill point: of members, with the survivors going on; and of roots, with nothing left behind.
//!
//! Needs the `kill-points` feature, with which a process kills itself at the point that it was armed with.

#[path = "common/begin.rs"]
mod begin;
mod deaths;
mod workload;

use procession::{
    Pool, Process, StartMethod, TaskError,
    kill_point::{self, KillPoint},
};
use procession_core::{
    Deadline,
    pool::{Emptied, Inbox, Link, Loan, Receiver, Results, Span, Stamps, Tasks, Worker},
    start::{Descriptor, Verdict},
};
use procession_testing::{Census, Test, processes_with};
use std::{
    process::{Command, ExitCode},
    time::Duration,
};
use workload::Everything;

/// Only a process that starts others comes here, or sees them end.
const ROOT_ONLY: &[KillPoint] = &[KillPoint::SlotAfterReserve, KillPoint::SlotAfterMark];

/// Only a process that was started comes here.
const MEMBER_ONLY: &[KillPoint] =
    &[KillPoint::SlotAfterAnnounce, KillPoint::CallBeforePublish, KillPoint::CallAfterPublish];

/// Only the forkserver comes here.
const SERVER_ONLY: &[KillPoint] = &[
    KillPoint::ServerBeforeGreeting,
    KillPoint::ServerAfterGreeting,
    KillPoint::ServerAfterRequest,
    KillPoint::ServerAfterFork,
    KillPoint::ServerAfterAnnouncement,
    KillPoint::SpareBeforeOrder,
    KillPoint::SpareAfterOrder,
];

/// Only who comes after one that died in the middle of something comes here, or who changes very many entries: `deaths::collections`
/// has them.
const OF_COLLECTIONS: &[KillPoint] = &[
    KillPoint::MapAfterRepair,
    KillPoint::MapAfterResolve,
    KillPoint::MapBeforeSplit,
    KillPoint::MapAfterSplit,
    KillPoint::MapBeforeMerge,
    KillPoint::MapAfterMerge,
];

const SERVER: &str = "SERVER_DIES_AT";
const MEMBER: &str = "MEMBER_DIES_AT";
const ROOT: &str = "ROOT_DIES_AT";
const MARK: &str = "PROCESSION_TEST_MARK";

fn main() -> ExitCode {
    if std::env::var_os("PROCESSION_CHILD").is_some() {
        // Before it joins its family, so that its first steps are among those that it can die at.
        arm(SERVER);
        arm(MEMBER);
    }
    begin::begin();
    if let Ok(point) = std::env::var(SERVER) {
        return root_of_dying_servers(&point);
    }
    if std::env::var_os(ROOT).is_some() {
        arm(ROOT);
        return root();
    }
    let mut tests: Vec<Test> = Vec::new();
    for point in KillPoint::ALL {
        if SERVER_ONLY.contains(point) {
            tests.push((format!("a_server_dies_at::{}", point.name()), Box::new(|| server_dies_at(*point))));
            continue;
        }
        if OF_COLLECTIONS.contains(point) {
            continue;
        }
        if !ROOT_ONLY.contains(point) {
            tests.push((format!("a_member_dies_at::{}", point.name()), Box::new(|| member_dies_at(*point))));
        }
        if !MEMBER_ONLY.contains(point) {
            tests.push((format!("the_root_dies_at::{}", point.name()), Box::new(|| root_dies_at(*point))));
        }
    }
    tests.extend(procession_testing::tests![
        deaths::closures::a_change_whose_maker_has_told_nobody,
        deaths::closures::a_change_of_a_list_whose_maker_has_told_nobody,
        deaths::closures::reading_in_a_closure,
        deaths::collections::at_every_step_of_a_dictionary,
        deaths::collections::at_every_step_of_a_list,
        deaths::collections::while_they_end,
        deaths::transactions::what_a_dead_transaction_replaced_is_freed_without_another_death,
        deaths::transactions::what_a_dead_transaction_left_goes_with_its_dictionary,
        deaths::managers::a_manager_is_shut_down_although_who_does_it_dies,
        deaths::managers::a_manager_ends_although_its_last_holder_dies_in_that,
        deaths::managers::what_a_dead_one_was_making_is_nobodys,
        deaths::streams::a_message_that_was_taken_and_not_leased_is_had_by_another,
        deaths::streams::what_a_dead_creator_left_is_freed_once,
        deaths::streams::messages_go_although_who_frees_them_dies,
        deaths::streams::who_selects_sees_what_a_dead_one_gave_back,
    ]);
    procession_testing::run(tests)
}

fn arm(variable: &str) {
    if let Ok(name) = std::env::var(variable) {
        let point = KillPoint::ALL.iter().find(|point| point.name() == name).expect("a point of that name");
        kill_point::arm(*point, 0);
    }
}

/// Passes every point that a member can pass, some of them only when others are at it as well.
fn workout(rounds: usize) {
    for round in 0..rounds {
        // The last one grows until no gap has room for it.
        for size in [100, 10_000, 30_000, 100_000, 5 << 20, (round % 256) << 20] {
            drop(Loan::new(&vec![7; size], &[]).unwrap());
        }
        serve_oneself();
        // Gives memory back.
        let dict = procession::Dict::<u32, Vec<u8>>::new().unwrap();
        dict.extend((0..500_u32).map(|key| (key, vec![0_u8; 400]))).unwrap();
        dict.clear().unwrap();
        drop(dict);
        share(&Everything::new(), round as u64);
        procession_core::sweep().unwrap();
    }
}

/// Uses one of everything in two threads.
fn share(everything: &Everything, seed: u64) {
    std::thread::scope(|scope| {
        scope.spawn(|| everything.work(seed, 60));
        everything.work(seed + 1, 60);
    });
}

/// The same over and over, of what others use as well.
fn share_for_ever(everything: Everything) {
    for seed in 0.. {
        share(&everything, seed * 2);
    }
}

/// Needs more and more memory at once.
fn grow() {
    for size in 1.. {
        drop(Loan::new(&vec![7; size << 26], &[]).unwrap());
    }
}

static ECHO: Descriptor = Descriptor::new(
    || "echo",
    |argument, shares, result| {
        result.shares.extend_from_slice(shares);
        result.bytes.extend_from_slice(argument);
        Verdict::Value
    },
);

struct Count(usize);

impl Receiver for Count {
    fn expected(&self) -> usize {
        self.0
    }

    fn empty(&mut self, _: Emptied) {}

    fn span(&mut self, _: Span) {}

    fn deliver(&mut self, results: Results) {
        assert!(
            results
                .iter()
                .all(|(verdict, bytes, _)| verdict == Verdict::Value && bytes.iter().all(|byte| *byte == 5))
        );
        self.0 -= results.len();
    }
}

/// A process that is both sides of a pool's link.
fn serve_oneself() {
    let inbox = Inbox::new().unwrap();
    let mut link = Link::new(&inbox).unwrap();
    link.set_worker(procession_core::me().unwrap());
    let handle = link.handle();
    let worker =
        std::thread::spawn(move || Worker::attach(handle).and_then(|mut worker| worker.serve()).unwrap());
    let mut tasks = Tasks::new();
    let mut loans = Vec::new();
    let event = procession_core::objects::Event::new().unwrap();
    for size in [10, 20_000, 0, 3, 9_000] {
        let loan = tasks.push(|out| {
            out.resize(out.len() + size, 5);
            // The first one never comes back.
            Ok(vec![event.share().clone(); usize::from(size == 10)])
        });
        loans.push(loan.unwrap());
    }
    // Long enough that the worker sleeps, and has to be woken.
    std::thread::sleep(Duration::from_millis(1));
    let (count, ticket) =
        link.give(ECHO.id().unwrap(), &tasks, 0..5, Stamps::Spans).unwrap().expect("an empty ring has room");
    assert_eq!(count, 5);
    let mut left = Count(5);
    // A task may come back before it's run; then it's the owner's again.
    left.0 -= link.revoke(ticket, false).len();
    while left.0 > 0 {
        inbox.wait_for_result(Deadline::NEVER, || link.has_results().then_some(()));
        link.receive(&mut left).unwrap();
    }
    link.close();
    worker.join().unwrap();
}

/// A process that dies at the point. Executed, so that it's armed before it joins its family.
fn victim(point: KillPoint) -> procession::ProcessBuilder {
    Process::builder().start_method(StartMethod::Spawn).env(MEMBER, point.name())
}

/// Starts processes that die at once, and such as die while they hold the arena's lock, until `end` says so.
fn disturb_until(end: impl Fn() -> bool) {
    let mut dead = Vec::new();
    while !end() {
        dead.push(Process::spawn(|| -> () { std::process::abort() }, ()).unwrap());
        let holder = victim(KillPoint::ChunkAfterCommit).spawn(workout, (1000,));
        dead.push(holder.unwrap());
        // Left unswept for a while, so that others find them.
        dead.drain(..dead.len().saturating_sub(6));
    }
    for process in dead {
        let _ = process.join();
    }
}

/// Whether it's a step of something that is shared by handles.
fn is_of_an_object(point: KillPoint) -> bool {
    let of = [
        "mutex",
        "event",
        "semaphore",
        "barrier",
        "read_write",
        "value",
        "array",
        "stream",
        "map",
        "list",
        "lease",
        "ring",
        "reference",
    ];
    of.iter().any(|of| point.name().starts_with(of))
}

/// What who uses the same as others seldom comes to, or never.
const FOR_NEW_ONES: &[KillPoint] = &[
    KillPoint::MutexAfterSteal,
    KillPoint::LeaseBeforeTable,
    KillPoint::StreamBeforeResize,
    KillPoint::StreamAfterResize,
    // How many shards there are changes when all is cleared, or with many entries.
    KillPoint::MapBeforeGroup,
    KillPoint::MapWhileEnding,
    KillPoint::ListWhileEnding,
];

fn member_dies_at(point: KillPoint) {
    let companion = Process::spawn(workout, (1000,)).unwrap();
    let shared = Everything::new();
    let sharing = Process::spawn(share_for_ever, (shared.clone(),)).unwrap();
    let rounds =
        if point.name().starts_with("call") || point.name().starts_with("slot") { 0 } else { 1_000_000 };
    let victim = victim(point);
    let victim = match point {
        // Passed only by who needs more than anybody before.
        KillPoint::ChunkBeforeHighWater => victim.spawn(grow, ()),
        // What survivors see of it, they see when they use the same.
        // (But nobody steals where nobody else dies.)
        // (Nor does anybody need the first table of a queue that has one, or more bytes for a ring that has grown.)
        _ if is_of_an_object(point) && !FOR_NEW_ONES.contains(&point) => {
            victim.spawn(share_for_ever, (shared.clone(),))
        }
        _ => victim.spawn(workout, (rounds,)),
    };
    let victim = victim.unwrap();
    disturb_until(|| !victim.is_alive());
    assert_eq!(victim.exit_status().unwrap().signal(), Some(9), "it never came to {}", point.name());
    match victim.join() {
        // Killed after the commit: it did everything.
        Ok(()) => assert!([KillPoint::CallAfterPublish, KillPoint::SlotAfterAnnounce].contains(&point)),
        Err(TaskError::Died(status)) => assert_eq!(status.signal(), Some(9)),
        Err(e) => panic!("{e}"),
    }
    // Others go on, whatever it held.
    for other in [companion, sharing] {
        other.kill().unwrap();
        let _ = other.join();
    }
    println!("{}", shared.summary());
    shared.check(3);
    Process::spawn(workout, (2,)).unwrap().join().unwrap();
    workout(2);
    drop(shared);
    let audit = procession_core::audit().unwrap();
    let left = (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible);
    assert_eq!((left, audit.members), ((0, 0, 0, 0, 0), 1), "{audit:?}");
}

/// Passes every point that a root can pass, until it dies.
fn root() -> ExitCode {
    let pool = Pool::new(2).unwrap();
    let _companion = Process::builder().daemon(true).spawn(workout, (1_000_000,)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| disturb_until(|| false));
        scope.spawn(|| workout(1_000_000));
        loop {
            pool.map(|n: usize| vec![5_u8; n * 100], 0..200).unwrap();
        }
    })
}

fn root_dies_at(point: KillPoint) {
    let mark = format!("{}-{}", point.name(), std::process::id());
    let status = Command::new("/proc/self/exe").env(ROOT, point.name()).env(MARK, &mark).status().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert_eq!(signal, Some(9), "it never came to {}", point.name());
    while !processes_with(MARK, &mark).is_empty() {
        std::thread::yield_now();
    }
}

/// Each server dies at its first hit of the point, and so does the one that replaces it; or each spare does. What a server's
/// death interrupts is done in another way; a spare that dies with its order has died as any process may.
fn root_of_dying_servers(point: &str) -> ExitCode {
    let join = |process: Process<usize>| match process.join() {
        Ok(value) => Some(value),
        Err(TaskError::Died(status)) if point.starts_with("spare") => {
            assert_eq!(status.signal(), Some(9));
            None
        }
        Err(e) => panic!("{e}"),
    };
    let (mut reader, writer) = std::io::pipe().unwrap();
    let running = Process::spawn(std::thread::park, ()).unwrap();
    let mut given = Vec::new();
    for start in 0..6 {
        let writer = std::os::fd::OwnedFd::from(writer.try_clone().unwrap());
        let process = Process::builder().stdout(writer).spawn(
            |start: usize| {
                println!("{start}");
                start
            },
            (start,),
        );
        given.extend(join(process.unwrap()));
        let nested = || Process::spawn(|| 7, ()).unwrap().join().unwrap_or(7);
        assert!(join(Process::spawn(nested, ()).unwrap()).is_none_or(|value| value == 7));
    }
    drop(writer);
    let mut text = String::new();
    std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
    let ran: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(ran, given, "each ran once");
    if !point.starts_with("spare") {
        assert_eq!(given.len(), 6);
        assert!(running.is_alive(), "what an earlier server forked lives on");
    }
    running.kill().unwrap();
    let TaskError::Died(status) = running.join().unwrap_err() else { panic!("it was killed") };
    assert_eq!(status.signal(), Some(9), "and is still watched");
    Census::take_at_rest();
    ExitCode::SUCCESS
}

fn server_dies_at(point: KillPoint) {
    let mark = format!("{}-{}", point.name(), std::process::id());
    let output = Command::new("/proc/self/exe").env(SERVER, point.name()).env(MARK, &mark).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    // The family does without a server only if one after the other was of no use.
    let useless =
        [KillPoint::ServerBeforeGreeting, KillPoint::ServerAfterGreeting, KillPoint::ServerAfterFork];
    let warnings = text.matches("executes the program").count();
    assert_eq!(warnings, usize::from(useless.contains(&point)), "{text}");
    while !processes_with(MARK, &mark).is_empty() {
        std::thread::yield_now();
    }
}
