//! The programs of some notes on Python's `multiprocessing`, and one that they wish for. Each is a file in `notes`, which begins with
//! what the Python did and what's better here.
//!
//! ```text
//! tour [NAME...]
//! ```
//!
//! Runs all of them, or those that are named, and then says how long each took.

use std::{
    env,
    error::Error,
    process::ExitCode,
    time::{Duration, Instant},
};

#[expect(unreachable_pub, reason = "each is for reading by itself")]
mod notes {
    pub mod apply;
    pub mod apply_async;
    pub mod callback;
    pub mod consumers;
    pub mod dict;
    pub mod elastic;
    pub mod event;
    pub mod joinable_queue;
    pub mod map;
    pub mod numbers;
    pub mod pipe;
    pub mod pool;
    pub mod queue;
    pub mod semaphore;
    pub mod ten_tasks;
}

struct Program {
    name: &'static str,
    what: &'static str,
    run: fn() -> procession::Result<()>,
}

const fn program(name: &'static str, what: &'static str, run: fn() -> procession::Result<()>) -> Program {
    Program { name, what, run }
}

/// In the order of the notes.
const PROGRAMS: [Program; 15] = [
    program("semaphore", "five people, a room with two places", notes::semaphore::run),
    program("event", "a traffic light", notes::event::run),
    program("queue", "full and empty", notes::queue::run),
    program("joinable_queue", "until all is eaten", notes::joinable_queue::run),
    program("pipe", "until the end of the stream", notes::pipe::run),
    program("consumers", "three at one end of a pipe", notes::consumers::run),
    program("numbers", "two at one end of a pipe", notes::numbers::run),
    program("dict", "50 processes count down from 100", notes::dict::run),
    program("pool", "beside 100 bare processes", notes::pool::run),
    program("ten_tasks", "a second each, five at a time", notes::ten_tasks::run),
    program("apply", "one result after the other", notes::apply::run),
    program("apply_async", "results later", notes::apply_async::run),
    program("map", "all results in order", notes::map::run),
    program("callback", "results for the main process", notes::callback::run),
    program("elastic", "from three workers to twenty and back", notes::elastic::run),
];

fn main() -> ExitCode {
    procession::init();
    let names = env::args_os().skip(1).map(|name| name.to_string_lossy().into_owned());
    let Err(e) = chosen(names.collect()).and_then(|programs| tour(&programs)) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("tour: {e}");
    ExitCode::FAILURE
}

/// The programs of these names; all, if there are none.
fn chosen(names: Vec<String>) -> Result<Vec<&'static Program>, Box<dyn Error>> {
    if names.is_empty() {
        return Ok(PROGRAMS.iter().collect());
    }
    let find = |name: String| {
        let program = PROGRAMS.iter().find(|program| program.name == name);
        program.ok_or_else(|| format!("no program {name:?}; there are:{}", list()).into())
    };
    names.into_iter().map(find).collect()
}

fn list() -> String {
    PROGRAMS.iter().map(|Program { name, what, .. }| format!("\n  {name:<16}{what}")).collect()
}

/// Each program has ended, with all that it started, when the next heading is printed.
fn tour(programs: &[&Program]) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    for Program { name, what, run } in programs {
        println!("# {name}: {what}");
        let start = Instant::now();
        run().map_err(|e| format!("{name}: {e}"))?;
        times.push((*name, start.elapsed()));
        println!();
    }
    println!("# times: what ran, and for how long");
    let in_all = times.iter().map(|(_, time)| time).sum::<Duration>();
    for (name, time) in times.into_iter().chain([("in all", in_all)]) {
        println!("{name:<16}{:>6.2} s", time.as_secs_f64());
    }
    Ok(())
}
