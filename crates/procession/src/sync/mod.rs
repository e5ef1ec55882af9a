//! What processes share to work together: locks, semaphores, events, values.

mod event;

pub use event::Event;
