//! How messages lie in the ring.
//!
//! | frame | payload |
//! |---|---|
//! | `INLINE` | the message |
//! | `LENT` | which block it lies in, see `message` |

use crate::{message::Lent, ring::Frame};

pub(super) const INLINE: u8 = 1;
pub(super) const LENT: u8 = 2;

/// The longest message that travels in the ring, in bytes.
pub(super) const LONGEST_INLINE: usize = 4 << 10;

/// The message outside of the ring that a frame names.
pub(super) fn lent(frame: Frame<'_>) -> Option<Lent> {
    if frame.kind == LENT { Lent::parse(frame.payload).ok() } else { None }
}
