//! The family as a whole: who waits for what.

use procession_core::Result;
pub use procession_core::objects::{Party, Wait, Waits};

/// Who in the family waits for what (a lock, a permit, an event, a condition, a barrier, a message or room for one, a change of a
/// dictionary or a list), and who has it: the wait-for graph. If processes or threads wait for each other in a circle,
/// [`cycle`](Waits::cycle) names them. Who waits for the end of a process, for a result of its own pool, or with a
/// [`Selector`](crate::Selector) isn't shown.
///
/// Any process of the family can ask, at any time; nobody is disturbed.
///
/// # Process death
///
/// The dead wait for nothing and have nothing.
///
/// # Errors
///
/// [`is_not_initialised`](procession_core::Error::is_not_initialised), [`is_forked`](procession_core::Error::is_forked).
///
/// # Examples
///
/// ```standalone_crate
/// # fn main() -> procession::Result<()> {
/// # procession::init();
/// let waits = procession::family::waits()?;
/// println!("{waits}");
/// if let Some(cycle) = waits.cycle() {
///     eprintln!("{} threads wait for each other", cycle.len());
/// }
/// # Ok(()) }
/// ```
pub fn waits() -> Result<Waits> {
    procession_core::objects::waits()
}
