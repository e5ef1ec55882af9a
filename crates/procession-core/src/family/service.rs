//! A thread of the root that does one thing over and over, as long as the root lives.

use super::{FAMILY, Family, Root};
use crate::{arena::Arena, sys::signals};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

/// Before it looks again at something that it can do nothing about.
const PAUSE: Duration = Duration::from_millis(5);

/// Starts the thread, which waits until there is a family. `step` says false when the same would come again at once.
pub(super) fn start(
    name: &str,
    mut step: impl FnMut(&'static Arena, &'static Root) -> bool + Send + 'static,
) -> io::Result<()> {
    thread::Builder::new().name(name.into()).stack_size(256 << 10).spawn(move || {
        // The program's handlers run on the program's threads.
        signals::mask(Some(!0));
        let Family { arena, root: Some(root), .. } = FAMILY.wait() else { return };
        loop {
            // Whatever was scribbled into the arena, or sent, it goes on.
            let done = catch_unwind(AssertUnwindSafe(|| step(arena, root)));
            if !done.is_ok_and(|went_well| went_well) {
                thread::sleep(PAUSE);
            }
        }
    })?;
    Ok(())
}
