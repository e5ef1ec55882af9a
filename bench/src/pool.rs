//! How fast a pool runs tasks that do next to nothing, how evenly it divides those that take time, and how soon it grows.

mod growth;
mod lazy;
mod python;
mod skew;
mod tiny;

use crate::{
    measure::{Goal, Result},
    report::row,
};
use python::Python;

pub(crate) fn run() -> Result<()> {
    // Before all others, so that none of their workers are there.
    let python = Python::ask()?;
    tiny::run(&python)?;
    lazy::run(&python)?;
    skew::run(&python)?;
    growth::run()
}

const PROCSPAWN: &str = "procspawn";
const RAYON: &str = "rayon, threads";

/// The row of ours beside its peers: those of Rust, and those of Python that have it. The goal is in the first one.
fn rows(what: &str, ours: f64, mut goal: Goal, peers: &[(&str, f64)], python: &Python) {
    for (peer, peers) in peers.iter().copied().chain(python.peers_of(what)) {
        row(what, ours, peer, peers, std::mem::replace(&mut goal, Goal::None));
    }
}
