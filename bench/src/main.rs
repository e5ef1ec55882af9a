//! Procession beside its peers, in one run. See README.md.

mod bare;
mod measure;
mod pool;
mod spawn;

use std::process::ExitCode;

/// With this argument the program does nothing: what is left is what it costs to execute it.
const EXIT: &str = "exit";

fn main() -> ExitCode {
    let what = std::env::args().nth(1).unwrap_or_default();
    if what == EXIT {
        return ExitCode::SUCCESS;
    }
    if what == bare::SERVER {
        bare::serve();
        return ExitCode::SUCCESS;
    }
    procession::init();
    procspawn::init();
    let result = match what.as_str() {
        "spawn" => spawn::run(),
        "pool" => pool::run(),
        "all" => spawn::run().and_then(|()| pool::run()),
        _ => Err("usage: procession-bench spawn | pool | all".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
