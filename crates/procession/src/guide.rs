//! Longer reading. These pages lie in the crate's folder `docs`, too.

#![allow(unused_imports, reason = "what the pages name")]

#[cfg(doc)]
use crate::*;

/// Ten short programs: crashes, time limits, memory, sharing, streams, tests, tokio, deadlocks.
pub mod recipes {
    #![doc = include_str!("../docs/recipes.md")]
    #[cfg(doc)]
    use crate::*;
}

/// How processes are started, what each way costs, and what a new process has from its starter.
pub mod start_methods {
    #![doc = include_str!("../docs/start_methods.md")]
    #[cfg(doc)]
    use crate::*;
}

/// Python's `multiprocessing`, name by name.
pub mod from_python {
    #![doc = include_str!("../docs/from_python.md")]
    #[cfg(doc)]
    use crate::*;
}

/// What else there is for the same ends, and where that is better.
pub mod comparison {
    #![doc = include_str!("../docs/comparison.md")]
}
