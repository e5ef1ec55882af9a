//! What a pool's owner and its workers share: a private pair of rings for each worker, and the words that the owner
//! sleeps on. `README.md` has the protocol and its kill tables.
//!
//! Bytes only: what a task means is the business of the function that its descriptor names.

mod claim;
mod inbox;
mod link;
mod record;
mod report;
mod users;
mod wire;
mod worker;

pub use inbox::Inbox;
pub use link::{Emptied, Link, Receiver, Ticket};
pub(crate) use record::LinkRecord;
pub use report::{Report, Span};
pub use wire::{INLINE, Loan, Results, Stamps, Tasks};
pub use worker::{Waiting, Worker, task_number};
