//! What the examples print.

use std::{collections::BTreeMap, process::Command};

/// What an example prints, by its parts.
fn parts_of(example: &str) -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--example", example])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (mut parts, mut part) = (BTreeMap::<String, Vec<String>>::new(), String::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        match line.strip_prefix("# ") {
            Some(name) => part = name.to_string(),
            None => parts.entry(part.clone()).or_default().push(line.to_string()),
        }
    }
    parts
}

/// Who ate what, if all did that.
fn eaten(lines: &[String]) -> Vec<(&str, &str)> {
    lines.iter().map(|line| line.split_once(" eats ").expect("somebody eats something")).collect()
}

#[test]
fn dishes() {
    let parts = parts_of("dishes");
    let pipe = eaten(&parts["pipe"]);
    let expected: Vec<String> = (0..20).map(|i| format!("dish {i}")).collect();
    assert!(pipe.iter().all(|(who, _)| *who == "egon"));
    assert_eq!(pipe.iter().map(|(_, what)| *what).collect::<Vec<_>>(), expected, "in order, to the last");

    let shared = eaten(&parts["shared end"]);
    let mut all: Vec<&str> = shared.iter().map(|(_, what)| *what).collect();
    let mut expected: Vec<String> = (0..100).map(|i| format!("dish {i} by egon")).collect();
    all.sort_unstable();
    expected.sort_unstable();
    assert_eq!(all, expected, "each of them once");
    assert!(shared.iter().all(|(who, _)| ["alex", "bossjin", "wusir"].contains(who)));

    let mut expected: Vec<String> = (0..30).map(|i| format!("bun {i}")).collect();
    expected.sort_unstable();
    let (last, joinable) = parts["joinable queue"].split_last().unwrap();
    assert_eq!(last, "all eaten", "after all was eaten");
    for lines in [&parts["queue"], joinable] {
        let mut all: Vec<&str> = eaten(lines).into_iter().map(|(_, what)| what).collect();
        all.sort_unstable();
        assert_eq!(all, expected);
    }
}

/// The text after this, in the order of the lines that begin with it.
fn after<'a>(lines: &'a [String], start: &str) -> Vec<&'a str> {
    lines.iter().filter_map(|line| line.strip_prefix(start)).collect()
}

#[test]
fn pool_notes() {
    let parts = parts_of("pool_notes");
    let squares = |count: u32| (0..count).map(|n| (n * n).to_string());

    let (times, lines) = parts["beside bare processes"].split_last().unwrap();
    assert!(times.starts_with("pool of 5: ") && times.contains(", 100 processes: "), "{times}");
    let mut printed: Vec<u32> = lines.iter().map(|line| line.parse().unwrap()).collect();
    printed.sort_unstable();
    assert!(printed.into_iter().eq((1..=100).flat_map(|n| [n; 20])), "each ten times by either");

    let lines = &parts["close and join"];
    let (mut starts, mut ends) = (after(lines, "start "), after(lines, "end "));
    starts.sort_unstable();
    ends.sort_unstable();
    assert_eq!(starts, ends, "what began has ended, in the same process");
    assert_eq!((starts.len(), lines.len()), (10, 20));
    assert!(starts.iter().enumerate().all(|(n, start)| start.starts_with(&format!("{n} in "))));

    assert!(parts["one at a time"].iter().cloned().eq(squares(10)));
    assert!(parts["results later"].iter().cloned().eq(squares(10)));
    assert_eq!(parts["all together"], [format!("[{}]", squares(100).collect::<Vec<_>>().join(", "))]);

    let lines = &parts["callbacks"];
    let main = after(lines, "main process ")[0];
    assert_eq!(after(lines, "callback in "), vec![format!("{main}: 100"); 10]);
    let tasks = after(lines, "task in ");
    assert!(tasks.len() == 10 && !tasks.contains(&main));

    assert_eq!(parts["from three to twenty"], ["3 workers", "20 workers", "3 workers"]);
}
