//! What the programs of the tour print.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, Output},
    sync::LazyLock,
};

fn cargo(command: &str) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([command, "--quiet", "--example", "tour"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

fn run_tour(names: &[&str]) -> Output {
    assert!(cargo("build").status().unwrap().success());
    // The time for building isn't the tour's.
    let _watched = procession_testing::watch("the tour".to_string());
    cargo("run").arg("--").args(names).output().unwrap()
}

/// What the tour prints.
struct Tour {
    /// The names in the headings.
    names: Vec<String>,
    /// The lines beneath each.
    lines: BTreeMap<String, Vec<String>>,
}

fn read(output: Output) -> Tour {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut tour = Tour { names: Vec::new(), lines: BTreeMap::new() };
    for line in String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("# ").and_then(|heading| heading.split_once(": ")) {
            Some((name, _)) => tour.names.push(name.to_string()),
            None => {
                let name = tour.names.last().expect("a heading comes first");
                tour.lines.entry(name.clone()).or_default().push(line.to_string());
            }
        }
    }
    tour
}

/// All programs, run once.
static TOUR: LazyLock<Tour> = LazyLock::new(|| read(run_tour(&[])));

fn lines(name: &str) -> &'static [String] {
    TOUR.lines.get(name).unwrap_or_else(|| panic!("{name} printed nothing"))
}

/// The text after this, in the order of the lines that begin with it.
fn after<'a>(lines: &'a [String], start: &str) -> Vec<&'a str> {
    lines.iter().filter_map(|line| line.strip_prefix(start)).collect()
}

/// Who did what, of the lines that say that somebody did this.
fn doing<'a>(lines: &'a [String], verb: &str) -> Vec<(&'a str, &'a str)> {
    lines.iter().filter_map(|line| line.split_once(verb)).collect()
}

/// What was done, each as often as it was, without the order of it.
fn what(mut done: Vec<(&str, &str)>) -> Vec<String> {
    done.sort_unstable_by_key(|(_, what)| *what);
    done.into_iter().map(|(_, what)| what.to_string()).collect()
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort_unstable();
    texts
}

fn squares(count: u32) -> Vec<String> {
    (0..count).map(|n| (n * n).to_string()).collect()
}

#[test]
fn semaphore() {
    let (mut inside, mut visitors) = (BTreeSet::new(), BTreeSet::new());
    for line in lines("semaphore") {
        if let Some(name) = line.strip_suffix(" goes in") {
            assert!(inside.insert(name) && visitors.insert(name), "{name} goes in once");
            assert!(inside.len() <= 2, "{inside:?}");
        } else {
            let name = line.strip_suffix(" comes out").expect("somebody goes in or comes out");
            assert!(inside.remove(name), "{name} was inside");
        }
    }
    assert!(visitors.into_iter().eq(["alex", "bossjin", "egon", "wusir", "yuan"]) && inside.is_empty());
}

#[test]
fn event() {
    let (mut green, mut passed) = (false, Vec::new());
    for line in lines("event") {
        match line.as_str() {
            "red" | "green" => green = line == "green",
            _ if line.ends_with(" waits") => {}
            _ => {
                assert!(green, "{line} before it's green");
                passed.push(line.clone());
            }
        }
    }
    assert_eq!(after(lines("event"), "red").len(), 2);
    assert_eq!(sorted(passed), sorted((1..=10).map(|car| format!("car {car} passes")).collect()));
}

#[test]
fn queue() {
    let lines = lines("queue");
    let begin = ["no dish yet: empty true, full false", "three dishes: empty false, full true"];
    assert_eq!(lines[..3], [begin[0], begin[1], "room for a fourth: false"]);
    assert_eq!(lines[lines.len() - 1], "all eaten: empty true, full false");
    let dishes: Vec<String> = (1..=10).map(|dish| dish.to_string()).collect();
    assert_eq!(after(lines, "egon eats dish "), dishes, "each once, in order");

    let (mut hungry, mut served) = (0, 3);
    for line in lines {
        hungry += usize::from(line == "egon is hungry");
        served += usize::from(line.ends_with(" is served"));
        assert!(served <= 3 + hungry, "{line}, and there was no room");
    }
    assert_eq!(served, 10);
}

#[test]
fn joinable_queue() {
    let lines = lines("joinable_queue");
    let food = |food| (0..10).map(move |i| format!("{food} {i}"));
    let eaten = doing(lines, " eats ");
    assert!(eaten.iter().all(|(who, _)| ["alex", "bossjin", "wusir"].contains(who)));
    assert_eq!(what(eaten), sorted(food("bun").chain(food("dumpling")).collect()), "each once");
    for (cook, dish) in [("egon", "bun"), ("yuan", "dumpling")] {
        let done = lines.iter().position(|line| *line == format!("{cook} is done: all is eaten")).unwrap();
        assert_eq!(doing(&lines[..done], &format!(" eats {dish} ")).len(), 10, "{cook} is done too early");
    }
}

#[test]
fn pipe() {
    let messages: Vec<String> = (1..=20).map(|i| format!("have you eaten? ({i})")).collect();
    assert_eq!(lines("pipe"), messages, "in order, to the last");
}

#[test]
fn consumers() {
    let eaten = doing(lines("consumers"), " eats ");
    assert_eq!(eaten.len(), lines("consumers").len());
    assert!(eaten.iter().all(|(who, _)| ["alex", "bossjin", "wusir"].contains(who)));
    assert_eq!(what(eaten), sorted((0..100).map(|i| format!("swill {i} by egon")).collect()), "each once");
}

#[test]
fn numbers() {
    let eaten = doing(lines("numbers"), " gets bun ");
    assert_eq!(eaten.len(), lines("numbers").len());
    assert!(eaten.iter().all(|(who, _)| ["c1", "c2"].contains(who)));
    assert_eq!(what(eaten), sorted((0..30).map(|bun: u32| bun.to_string()).collect()), "each once");
}

#[test]
fn dict() {
    assert_eq!(lines("dict"), ["count: 50"]);
}

#[test]
fn pool() {
    let (times, lines) = lines("pool").split_last().unwrap();
    let both = times.strip_prefix("pool of 5: ").and_then(|times| times.split_once(", 100 processes: "));
    let (pool, processes) = both.expect("both times");
    assert!(pool.ends_with('s') && processes.ends_with('s'), "{times}");
    let mut expected: Vec<String> = (1..=100).map(|n| format!("{:?}", [n; 10])).collect();
    expected.extend_from_within(..);
    assert_eq!(sorted(lines.to_vec()), sorted(expected), "each by a task and by a process");
}

#[test]
fn ten_tasks() {
    let lines = lines("ten_tasks");
    let (mut starts, mut ends) = (after(lines, "start "), after(lines, "end "));
    starts.sort_unstable();
    ends.sort_unstable();
    assert_eq!(starts, ends, "what began has ended, in the same process");
    assert_eq!((starts.len(), lines.len()), (10, 20));
    let workers: BTreeSet<&str> = starts
        .iter()
        .enumerate()
        .map(|(n, start)| start.strip_prefix(&format!("{n} in ")).expect("each task once"))
        .collect();
    assert!(workers.len() <= 5, "{workers:?}");
}

#[test]
fn results() {
    assert_eq!(lines("apply"), squares(10));
    assert_eq!(lines("apply_async"), squares(10));
    assert_eq!(lines("map"), [format!("[{}]", squares(100).join(", "))]);
}

#[test]
fn callback() {
    let lines = lines("callback");
    let main = after(lines, "main process ")[0];
    assert_eq!(after(lines, "callback in "), vec![format!("{main}: 100"); 10]);
    let tasks = after(lines, "task in ");
    assert!(tasks.len() == 10 && !tasks.contains(&main));
}

#[test]
fn elastic() {
    assert_eq!(lines("elastic"), ["3 workers", "20 workers", "3 workers"]);
}

/// The times stand at the end, one for each program that ran, and all together.
#[test]
fn times() {
    let (last, programs) = TOUR.names.split_last().unwrap();
    assert_eq!((last.as_str(), programs.len()), ("times", 15));
    let times: Vec<(&str, f64)> = lines("times")
        .iter()
        .map(|line| {
            let (name, time) = line.split_at(16);
            (name.trim_end(), time.trim_end_matches(" s").trim().parse().expect("seconds"))
        })
        .collect();
    let (in_all, each) = times.split_last().unwrap();
    assert!(each.iter().map(|(name, _)| *name).eq(programs.iter().map(String::as_str)), "{times:?}");
    let sum: f64 = each.iter().map(|(_, time)| time).sum();
    assert!(
        in_all.0 == "in all" && (in_all.1 - sum).abs() < 0.005 * 16.0,
        "rounded, each of them: {times:?}"
    );
    let two_seconds = each.iter().any(|(name, time)| *name == "ten_tasks" && *time >= 2.0);
    assert!(two_seconds, "ten tasks of a second, five at a time: {times:?}");
}

#[test]
fn some_programs_by_their_names() {
    let tour = read(run_tour(&["queue", "dict"]));
    assert_eq!(tour.names, ["queue", "dict", "times"]);
    assert_eq!(tour.lines["dict"], ["count: 50"]);
    assert_eq!(tour.lines["times"].len(), 3);
}

#[test]
fn a_name_that_there_isn_t() {
    let output = run_tour(&["dict", "tuple"]);
    assert!(!output.status.success() && output.stdout.is_empty(), "nothing ran");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(r#"tour: no program "tuple"; there are:"#), "{error}");
    let listed = error.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let programs = &TOUR.names[..TOUR.names.len() - 1];
    assert!(listed.eq(programs.iter().map(String::as_str)), "{error}");
}
