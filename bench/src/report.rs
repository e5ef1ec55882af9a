//! The rows: each is shown as soon as it's measured, on standard error, and all of them in the end, as one table in Markdown.

use crate::measure::Goal;
use std::{
    fs,
    sync::{Mutex, MutexGuard},
};

/// What was measured by now.
static REPORT: Mutex<Report> = Mutex::new(Report { title: String::new(), rows: Vec::new() });

struct Report {
    /// What the next rows are about.
    title: String,
    rows: Vec<Row>,
}

struct Row {
    title: String,
    what: String,
    ours: f64,
    peer: String,
    peers: f64,
    goal: Goal,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.peers
    }

    fn is_met(&self) -> Option<bool> {
        self.goal.is_met(self.ours, self.ratio())
    }

    fn verdict(&self) -> &'static str {
        self.is_met().map_or("", |is_met| if is_met { "met" } else { "NOT MET" })
    }
}

fn report() -> MutexGuard<'static, Report> {
    REPORT.lock().unwrap_or_else(|e| e.into_inner())
}

/// What the rows after this are about.
pub(crate) fn head(title: &str) {
    report().title = title.to_string();
    eprintln!(
        "\n{title:<38} {:>11} {:<14} {:>11} {:>10}  {:<10}",
        "procession", "peer", "peer's", "ratio", "goal"
    );
}

/// Ours and the peer's in the same unit, and what was wanted.
pub(crate) fn row(what: &str, ours: f64, peer: &str, peers: f64, goal: Goal) {
    let mut report = report();
    let title = report.title.clone();
    let row = Row { title, what: what.to_string(), ours, peer: peer.to_string(), peers, goal };
    eprintln!(
        "{what:<38} {ours:>11.3} {peer:<14} {peers:>11.3} {:>8.2} x  {goal:<10} {}",
        row.ratio(),
        row.verdict()
    );
    report.rows.push(row);
}

/// Prints all rows.
pub(crate) fn print() {
    let rows = &report().rows;
    println!("{}\n", machine());
    println!("| measured | | procession | peer | peer's | ratio | goal | |");
    println!("|---|---|--:|---|--:|--:|---|---|");
    let mut last = "";
    for row in rows {
        // Once for all that follow.
        let title = if row.title == last { "" } else { &row.title };
        last = &row.title;
        let Row { what, ours, peer, peers, goal, .. } = row;
        let (ratio, verdict) = (row.ratio(), row.verdict());
        println!(
            "| {title} | {what} | {ours:.3} | {peer} | {peers:.3} | {ratio:.2} x | {goal} | {verdict} |"
        );
    }
    let missed: Vec<&Row> = rows.iter().filter(|row| row.is_met() == Some(false)).collect();
    let goals = rows.iter().filter(|row| row.is_met().is_some()).count();
    println!("\nGoals that aren't met: {} of {goals}.", missed.len());
    for Row { title, what, ours, peer, goal, .. } in missed {
        println!("- {title}: {what}, beside {peer}: {ours:.3}, wanted {goal}");
    }
}

/// What all this was measured on.
fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (processor, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("unknown", |(_, value)| value.trim()).to_string()
    };
    let mebibytes =
        field(&memory, "MemTotal").trim_end_matches(" kB").parse::<u64>().map_or(0, |kib| kib >> 10);
    format!(
        "Measured on {} processors ({}), {mebibytes} MiB of memory, Linux {}.",
        std::thread::available_parallelism().map_or(0, usize::from),
        field(&processor, "model name"),
        read("/proc/sys/kernel/osrelease").trim(),
    )
}
