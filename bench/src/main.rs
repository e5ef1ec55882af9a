//! Procession beside its peers, in one run. See README.md.

mod bare;
mod measure;
mod pool;
mod spawn;
mod sync;

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
    if what == sync::OTHER {
        return exit_code(sync::serve(&std::env::args().nth(2).unwrap_or_default()));
    }
    procession::init();
    procspawn::init();
    exit_code(match what.as_str() {
        "spawn" => spawn::run(),
        "pool" => pool::run(),
        "sync" => sync::run(),
        "all" => spawn::run().and_then(|()| pool::run()).and_then(|()| sync::run()),
        _ => Err("usage: procession-bench spawn | pool | sync | all".into()),
    })
}

fn exit_code(result: measure::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}
