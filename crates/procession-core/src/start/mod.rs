//! Starting a process: which function it runs, what it inherits, and how it becomes a member. `README.md` has the
//! protocol and its kill table.

mod attributes;
mod call;
mod entry;
mod execute;
mod exit;
mod forkserver;
mod function;
#[doc(hidden)]
pub mod input;
mod launch;
mod method;
mod order;
mod server;
mod server_link;
mod spare;
mod token;

pub(crate) use attributes::unknown;
pub(crate) use call::CallRecord;
pub use entry::{init, set_test_entry};
pub(crate) use execute::{START_TIMEOUT, execute};
pub use exit::{Exit, ExitStatus};
pub(crate) use forkserver::ForkServer;
pub use function::{Descriptor, Function, FunctionId, Run, Verdict};
pub use launch::{Launch, Running};
pub use method::{StartMethod, default_method, set_default_method};
pub(crate) use order::{ORDER_LEN, Order};
pub(crate) use server_link::Forked;
pub(crate) use token::{MAX_DEPTH, Token};
