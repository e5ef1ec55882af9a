//! Rounds, medians, and goals.

use std::{error::Error, fmt, time::Instant};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One of those that are compared: it works once and gives what was measured.
pub(crate) type Contestant<'a> = &'a mut dyn FnMut() -> Result<f64>;

/// The median of each contestant. They take turns (A B C A B C …), so that whatever else the machine does meets all of
/// them alike. Each turn is taken twice and the second one counts: the others have just used the caches and the
/// processors, and put this one's workers to sleep.
pub(crate) fn medians<const N: usize>(
    rounds: usize,
    mut contestants: [Contestant<'_>; N],
) -> Result<[f64; N]> {
    let mut samples = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (contestant, samples) in contestants.iter_mut().zip(&mut samples) {
            contestant()?;
            samples.push(contestant()?);
        }
    }
    Ok(samples.map(median))
}

/// The one in the middle.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_unstable_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// How long some work takes, in microseconds.
pub(crate) fn micros(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64() * 1e6)
}

/// How many millions of tasks a second, by work that does `count` of them.
pub(crate) fn rate(count: usize, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    Ok(count as f64 / micros(work)?)
}

/// Whoever is fast and wrong isn't measured.
pub(crate) fn same<T: PartialEq + fmt::Debug>(value: T, right: T) -> Result<()> {
    if value == right { Ok(()) } else { Err(format!("{value:?} instead of {right:?}").into()) }
}

/// What is wanted of a row.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    None,
    /// Ours is at most so much.
    AtMost(f64),
    /// Ours is at least so much.
    AtLeast(f64),
    /// Ours is at most so many times the peer's.
    RatioAtMost(f64),
    /// Ours is at least so many times the peer's.
    RatioAtLeast(f64),
}

impl Goal {
    /// Whether it's met, if there is one.
    pub(crate) fn is_met(self, ours: f64, ratio: f64) -> Option<bool> {
        match self {
            Goal::None => None,
            Goal::AtMost(limit) => Some(ours <= limit),
            Goal::AtLeast(limit) => Some(ours >= limit),
            Goal::RatioAtMost(limit) => Some(ratio <= limit),
            Goal::RatioAtLeast(limit) => Some(ratio >= limit),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Goal::None => "-".to_string(),
            Goal::AtMost(limit) => format!("<= {limit}"),
            Goal::AtLeast(limit) => format!(">= {limit}"),
            Goal::RatioAtMost(limit) => format!("<= {limit} x"),
            Goal::RatioAtLeast(limit) => format!(">= {limit} x"),
        };
        f.pad(&text)
    }
}
