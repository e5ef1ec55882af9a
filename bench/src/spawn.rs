//! What it costs to start a process that runs a trivial function, and to hear that it has ended.

use crate::{
    EXIT,
    measure::{Goal, Result, head, medians, micros, row, same},
};
use std::{env, hint::black_box, process::Command};

const ROUNDS: usize = 200;

/// What the parent has touched in the second part: a copy of its page tables takes time.
const LARGE: usize = 512 << 20;

fn trivial() -> u64 {
    42
}

pub(crate) fn run() -> Result<()> {
    head("start + join, us");
    compare("small parent")?;
    // Not zeroes: those would be pages that nobody has touched.
    let ballast = black_box(vec![1u8; LARGE]);
    compare("512 MiB parent")?;
    drop(ballast);
    Ok(())
}

fn compare(parent: &str) -> Result<()> {
    let program = env::current_exe()?;
    let [ours, command, procspawn, mem_isolate] = medians(
        ROUNDS,
        [
            &mut || micros(|| same(procession::Process::spawn(trivial, ())?.join()?, trivial())),
            &mut || micros(|| same(Command::new(&program).arg(EXIT).status()?.code(), Some(0))),
            &mut || micros(|| same(procspawn::spawn((), |()| trivial()).join()?, trivial())),
            &mut || micros(|| same(mem_isolate::execute_in_isolated_process(trivial)?, trivial())),
        ],
    )?;
    row(parent, ours, "Command", command, Goal::RatioAtMost(1.15));
    row(parent, ours, "procspawn", procspawn, Goal::None);
    row(parent, ours, "mem-isolate", mem_isolate, Goal::None);
    Ok(())
}
