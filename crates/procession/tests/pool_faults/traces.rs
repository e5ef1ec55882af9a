//! Traces, read by somebody else's parser.

use crate::{
    death,
    deaths::{KILL, end},
    works,
};
use procession::Pool;
use serde_json::Value;
use std::{collections::HashMap, path::PathBuf};

/// Of times in the file, in microseconds.
const ROUNDING: f64 = 0.002;

struct Trace(PathBuf);

impl Trace {
    fn new(name: &str) -> Trace {
        Trace(std::env::temp_dir().join(format!("procession-{name}-{}.json", std::process::id())))
    }

    fn read(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.0).unwrap();
        let Value::Array(events) = serde_json::from_str(&text).unwrap() else {
            panic!("not an array: {text}")
        };
        events
    }

    /// Checks what holds of every trace; how many events there are of each name.
    fn check(&self, workers: u64) -> HashMap<String, usize> {
        let (mut names, mut spans) = (HashMap::new(), HashMap::<u64, Vec<(f64, f64)>>::new());
        for event in self.read() {
            let name = event["name"].as_str().unwrap();
            *names.entry(name.to_string()).or_default() += 1;
            assert_eq!(event["pid"].as_u64().unwrap(), std::process::id() as u64);
            let worker = event["tid"].as_u64().unwrap();
            assert!(worker < workers);
            match event["ph"].as_str().unwrap() {
                "M" => assert!(event["args"]["name"].as_str().unwrap().contains("(pid ")),
                "i" => assert!(event["ts"].as_f64().unwrap() > 0.0),
                "X" => {
                    let (start, time) = (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
                    let spans = spans.entry(worker).or_default();
                    // Tasks are written as they end; that a worker has started may be noticed later.
                    match spans.last() {
                        Some((_, before)) if name != "start" => assert!(start + time >= *before - ROUNDING),
                        _ => {}
                    }
                    spans.push((start, start + time));
                }
                other => panic!("an event of phase {other}"),
            }
        }
        // A worker does one thing after the other.
        for spans in spans.values_mut() {
            spans.sort_by(|a, b| a.partial_cmp(b).unwrap());
            let one_by_one = |pair: &[(f64, f64)]| pair[0].1 <= pair[1].0 + ROUNDING;
            assert!(spans.windows(2).all(one_by_one), "{spans:?}");
        }
        names
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn double(n: u32) -> u32 {
    2 * n
}

/// How many of the tasks there are.
fn of(names: &HashMap<String, usize>, function: &str) -> usize {
    names.iter().filter(|(name, _)| name.ends_with(function)).map(|(_, count)| count).sum()
}

pub(crate) fn have_each_task() {
    let ends: [fn(Pool); 3] = [|pool| pool.join().unwrap(), |pool| pool.terminate(), drop];
    for end in ends {
        let trace = Trace::new("trace");
        let pool = Pool::builder().workers(2).name("tra\"ced\\").build().unwrap();
        pool.trace(&trace.0).unwrap();
        pool.map(double, 0..1000).unwrap();
        assert!(pool.imap(double, 0..200).all(|value| value.is_ok()));
        assert_eq!(pool.map_async(double, 0..200).unwrap().get().unwrap().len(), 200);
        for n in 0..20 {
            let _ = pool.apply(
                |n: u32| {
                    if n % 2 == 0 {
                        panic!("as told")
                    }
                },
                (n,),
            );
        }
        end(pool);
        let names = trace.check(2);
        assert_eq!((of(&names, "::double"), of(&names, "{{closure}}")), (1400, 20), "{names:?}");
        assert_eq!((names["thread_name"], names["end"]), (2, 1), "{names:?}");
    }
}

pub(crate) fn of_a_worker_that_died() {
    let trace = Trace::new("trace of deaths");
    let pool = Pool::new(2).unwrap();
    pool.trace(&trace.0).unwrap();
    for n in 1..=3 {
        pool.map(double, 0..100).unwrap();
        assert_eq!(death(pool.apply(end, (KILL,))), (None, Some(9)));
        works(&pool, 2);
        assert_eq!(pool.statistics().deaths, n);
    }
    let done = pool.statistics().done as usize;
    pool.join().unwrap();
    let names = trace.check(2);
    // What died with its worker has no end.
    let tasks: usize = names.iter().filter(|(name, _)| name.contains("::")).map(|(_, count)| count).sum();
    assert_eq!((tasks, of(&names, "::double"), of(&names, "::end")), (done, 300, 0), "{names:?}");
    assert_eq!((names["died"], names["thread_name"]), (3, 5), "{names:?}");
    assert!((3..=5).contains(&names["start"]), "{names:?}");
}

pub(crate) fn that_cannot_be_written() {
    let pool = Pool::new(1).unwrap();
    let error = pool.trace("/no such directory/trace.json").unwrap_err();
    assert!(error.to_string().contains("/no such directory/trace.json"), "{error}");
    // A full disk ends the trace, and nothing else.
    pool.trace("/dev/full").unwrap();
    assert_eq!(pool.map(double, 0..5000).unwrap().len(), 5000);
    works(&pool, 1);
    pool.join().unwrap();
    assert!(pool.trace("/dev/null").unwrap_err().is_closed());
}
