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
