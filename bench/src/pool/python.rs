//! The pools of Python, which a script measures by itself: the rows are the same, and so is what the tasks do.

use crate::measure::Result;
use std::{
    collections::HashMap,
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python/pool.py");

const LIBRARIES: [&str; 2] = ["multiprocessing", "loky"];

/// Whoever hasn't said everything by then won't.
const PATIENCE: Duration = Duration::from_secs(120);

/// What each library said, by the rows' names.
pub(super) struct Python(Vec<(&'static str, HashMap<String, f64>)>);

impl Python {
    /// Has the script measure each library that there is, and says which ones there aren't.
    pub(super) fn ask() -> Result<Python> {
        let mut answers = Vec::new();
        for library in LIBRARIES {
            let answer = match run(library) {
                Ok(answer) => answer,
                Err(e) if e.kind() == io::ErrorKind::NotFound => "skipped: there is no python3".into(),
                Err(e) => return Err(e.into()),
            };
            match answer.strip_prefix("skipped: ") {
                Some(why) => eprintln!("{library}: skipped: {}", why.trim_end()),
                None => answers.push((library, parse(&answer)?)),
            }
        }
        Ok(Python(answers))
    }

    /// The libraries that have this row.
    pub(super) fn peers_of<'a>(&'a self, row: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.iter().filter_map(move |(library, rows)| Some((*library, *rows.get(row)?)))
    }
}

/// Lines of a row's name and its figure, with a tab between them.
fn parse(answer: &str) -> Result<HashMap<String, f64>> {
    let parse = |line: &str| {
        let (row, figure) = line.split_once('\t').ok_or_else(|| format!("no row: {line:?}"))?;
        Ok((row.to_string(), figure.parse()?))
    };
    answer.lines().map(parse).collect()
}

/// What the script prints. If that takes too long, it and all that it has started are ended.
fn run(library: &str) -> io::Result<String> {
    let mut script = Command::new("python3")
        .args([SCRIPT, library])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let mut output = script.stdout.take().expect("it was asked for");
    let (sender, receiver) = channel();
    let reader = thread::spawn(move || {
        let mut answer = String::new();
        let read = output.read_to_string(&mut answer);
        // Nobody waits for it any more if it came too late.
        let _ = sender.send(read.map(|_| answer));
    });
    let answer = receiver.recv_timeout(PATIENCE);
    if answer.is_err() {
        let group = -i32::try_from(script.id()).expect("process ids are small");
        // SAFETY: bounds, aliasing, lifetime: no memory is passed. The group is there until its first process was waited for.
        unsafe { libc::kill(group, libc::SIGKILL) };
    }
    let status = script.wait()?;
    reader.join().expect("it has nothing to panic with");
    match answer {
        Ok(answer) if status.success() => answer,
        Ok(_) => Ok(format!("skipped: the script ended with {status}")),
        Err(RecvTimeoutError::Timeout) => Ok(format!("skipped: it took longer than {PATIENCE:?}")),
        Err(RecvTimeoutError::Disconnected) => unreachable!("the reader sends something"),
    }
}
