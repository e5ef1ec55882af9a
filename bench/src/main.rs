//! Procession beside its peers, in one run. See README.md.

mod bare;
mod channel;
mod dict;
mod family;
mod measure;
mod peers;
mod pool;
mod processors;
mod queue;
mod report;
mod spawn;
mod sync;
mod traffic;

use std::process::ExitCode;

/// With this argument the program does nothing: what is left is what it costs to execute it.
const EXIT: &str = "exit";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let what = arguments.first().map_or("", String::as_str);
    if what == EXIT {
        return ExitCode::SUCCESS;
    }
    if what == bare::SERVER {
        bare::serve();
        return ExitCode::SUCCESS;
    }
    if let [other, role @ ..] = arguments.as_slice()
        && [sync::OTHER, channel::OTHER, queue::OTHER, dict::OTHER].contains(&other.as_str())
    {
        return exit_code(serve(other, role));
    }
    procession::init();
    procspawn::init();
    let measured = match what {
        "spawn" => spawn::run(),
        "pool" => pool::run(),
        "sync" => sync::run(),
        "channel" => channel::run(),
        "queue" => queue::run(),
        "dict" => dict::run(),
        "all" => [spawn::run, pool::run, sync::run, channel::run, queue::run, dict::run]
            .iter()
            .try_for_each(|run| run()),
        _ => Err("usage: procession-bench spawn | pool | sync | channel | queue | dict | all".into()),
    };
    if measured.is_ok() {
        report::print();
    }
    exit_code(measured)
}

/// The second process of a peer, which ends with the first one.
fn serve(other: &str, role: &[String]) -> measure::Result<()> {
    peers::die_with_parent()?;
    match role {
        [role] if other == sync::OTHER => sync::serve(role),
        [does, peer, address] if other == channel::OTHER => channel::serve(does, peer, address),
        [does, peer, address] if other == queue::OTHER => queue::serve(does, peer, address),
        [does, peer, address] if other == dict::OTHER => dict::serve(does, peer, address),
        _ => Err("a second process is started by the first one".into()),
    }
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
