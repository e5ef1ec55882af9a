//! A second process of the family, which is given the memory of a contest as its standard input.

use crate::{
    measure::{Result, same},
    sync::area::Area,
};
use procession::{Process, Stdio, Task};
use serde::{Serialize, de::DeserializeOwned};

/// It's killed if it isn't joined.
pub(crate) fn start<A: Serialize + DeserializeOwned>(
    area: &Area,
    half: impl Task<A, Output = bool>,
    arguments: A,
) -> Result<Process<bool>> {
    let builder = Process::builder().stdin(Stdio::from(area.to_stdin()?)).kill_on_drop(true);
    Ok(builder.spawn(half, arguments)?)
}

pub(crate) fn join(other: Process<bool>) -> Result<()> {
    same(other.join()?, true)
}

/// The half of the process that was started.
pub(crate) fn take_part(half: impl FnOnce(&Area) -> Result<()>) -> bool {
    let result = Area::of_stdin().and_then(|area| half(&area));
    if let Err(e) = &result {
        eprintln!("{e}");
    }
    result.is_ok()
}
