//! For who waits for something that others' deaths may bring.

use crate::{arena::Arena, recovery, sys::clock::Deadline, wait};

/// Sees to it that the dead have let go of what they had: after each death, and after each slice of waiting also of what nobody can
/// ever receive.
#[derive(Debug)]
pub(crate) struct Lookout {
    deaths: Option<u64>,
    slice: Deadline,
}

/// How long one waits for another that is doing something at this moment, where one doesn't wait for it otherwise. Only if
/// that one has been stopped is it as long as this.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_millis(20);

impl Lookout {
    pub(crate) fn new() -> Lookout {
        Lookout { deaths: None, slice: Deadline::after(wait::SLICE) }
    }

    pub(crate) fn look(&mut self, arena: &Arena) {
        let deaths = Some(arena.deaths());
        let is_over = self.slice.has_passed();
        if self.deaths == deaths && !is_over {
            return;
        }
        if is_over {
            self.slice = Deadline::after(wait::SLICE);
            arena.follow_suspicion();
        }
        // If somebody else is at it for so long, that's looked at again after the next slice.
        recovery::sweep_until(arena, Deadline::after(PATIENCE));
        self.deaths = deaths;
    }
}
