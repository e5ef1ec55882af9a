//! Starting a process: which function it runs, what it inherits, and how it becomes a member. `README.md` has the
//! protocol and its kill table.

mod call;
mod entry;
mod exit;
mod function;
mod launch;
mod token;

pub(crate) use call::CallRecord;
pub use entry::{init, set_test_entry};
pub use exit::{Exit, ExitStatus};
pub use function::{Descriptor, Function, FunctionId, Verdict};
pub use launch::{Launch, Running};
pub(crate) use token::{MAX_DEPTH, Token};
