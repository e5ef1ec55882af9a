//! What it costs to start a process that runs a trivial function, and to hear that it has ended.

use crate::{
    EXIT,
    bare::Bare,
    measure::{Goal, Result, medians, micros, same},
    report::{head, row},
};
use procession::{Process, StartMethod};
use std::{env, hint::black_box, process::Command, thread};

const ROUNDS: usize = 200;

/// What the parents have touched: a copy of their page tables takes time.
const PARENTS: [(&str, usize); 2] = [("10 MB parent", 10 << 20), ("1 GiB parent", 1 << 30)];

/// How many starts the rates are taken over.
const STARTS: usize = 800;

fn trivial() -> u64 {
    42
}

fn start_and_join(method: StartMethod) -> Result<()> {
    same(Process::builder().start_method(method).spawn(trivial, ())?.join()?, trivial())
}

pub(crate) fn run() -> Result<()> {
    for (parent, size) in PARENTS {
        // Not zeroes: those would be pages that nobody has touched.
        let ballast = black_box(vec![1u8; size]);
        compare(parent)?;
        drop(ballast);
    }
    Ok(())
}

fn compare(parent: &str) -> Result<()> {
    let program = env::current_exe()?;
    let mut bare = Bare::start()?;
    let [forkserver, spawn, bare_one, command, procspawn, mem_isolate] = medians(
        ROUNDS,
        [
            &mut || micros(|| start_and_join(StartMethod::ForkServer)),
            &mut || micros(|| start_and_join(StartMethod::Spawn)),
            &mut || micros(|| bare.start_and_join()),
            &mut || micros(|| same(Command::new(&program).arg(EXIT).status()?.code(), Some(0))),
            &mut || micros(|| same(procspawn::spawn((), |()| trivial()).join()?, trivial())),
            &mut || micros(|| same(mem_isolate::execute_in_isolated_process(trivial)?, trivial())),
        ],
    )?;
    head(&format!("start + join, us, {parent}"));
    row("forkserver", forkserver, "bare server", bare_one, Goal::RatioAtMost(1.25));
    row("forkserver", forkserver, "procspawn", procspawn, Goal::None);
    row("forkserver", forkserver, "mem-isolate", mem_isolate, Goal::None);
    row("spawn", spawn, "Command", command, Goal::RatioAtMost(1.15));
    row("spawn", spawn, "procspawn", procspawn, Goal::None);

    let per_second = |micros: f64| STARTS as f64 / micros * 1e6;
    let [serial, bare_serial, eight, bare_eight] = medians(
        5,
        [
            &mut || micros(|| (0..STARTS).try_for_each(|_| start_and_join(StartMethod::ForkServer))),
            &mut || micros(|| (0..STARTS).try_for_each(|_| bare.start_and_join())),
            &mut || micros(|| in_flight(8)),
            &mut || micros(|| bare_in_flight(8)),
        ],
    )?;
    head(&format!("starts a second, {parent}"));
    row(
        "one after the other",
        per_second(serial),
        "bare server",
        per_second(bare_serial),
        Goal::AtLeast(5_000.0),
    );
    row("eight in flight", per_second(eight), "bare server", per_second(bare_eight), Goal::AtLeast(12_000.0));
    Ok(())
}

/// So many threads that each start one after the other.
fn in_flight(count: usize) -> Result<()> {
    let starts = || (0..STARTS / count).try_for_each(|_| start_and_join(StartMethod::ForkServer));
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..count).map(|_| scope.spawn(move || starts().map_err(|e| e.to_string()))).collect();
        threads.into_iter().try_for_each(|thread| Ok(thread.join().expect("no panic")?))
    })
}

/// The least: one thread that has so many of the server's under way.
fn bare_in_flight(count: usize) -> Result<()> {
    let mut bare = Bare::start()?;
    bare.ask(count)?;
    for started in count..STARTS + count {
        bare.report()?;
        if started < STARTS {
            bare.ask(1)?;
        }
    }
    Ok(())
}
