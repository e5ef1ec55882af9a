//! Plain data that processes share: one value, or many.

mod array;
mod value;

pub use array::{Array, ArrayGuard};
pub use value::{Integer, Value, ValueGuard};
