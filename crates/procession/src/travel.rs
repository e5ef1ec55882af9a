//! How handles travel: in a message's bytes each is a number, and beside the bytes goes what the numbers stand for.
//!
//! `serde` gives a value's code no place to keep anything beside the bytes, so the message that is being encoded or decoded
//! is a variable of the thread.

use procession_core::Share;
use serde::{Deserialize, Deserializer, Serializer, de, ser};
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

thread_local! {
    /// In one word, since every message comes by here: see `Sending`.
    static SENDING: Cell<u64> = const { Cell::new(Sending { start: Sending::NOT, len: 0 }.to_bits()) };
    static SENT: RefCell<Vec<Arc<Share>>> = const { RefCell::new(Vec::new()) };
    static RECEIVED: RefCell<Vec<Arc<Share>>> = const { RefCell::new(Vec::new()) };
}

/// What this thread is encoding.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sending {
    /// Where the handles of the message begin in `SENT`; `NOT` outside of messages.
    start: u32,
    /// How long `SENT` is.
    len: u32,
}

impl Sending {
    const NOT: u32 = u32::MAX;

    const fn to_bits(self) -> u64 {
        (self.start as u64) << 32 | self.len as u64
    }

    #[inline]
    fn get() -> Sending {
        let bits = SENDING.get();
        Sending { start: (bits >> 32) as u32, len: bits as u32 }
    }

    #[inline]
    fn set(self) {
        SENDING.set(self.to_bits());
    }
}

/// A message that is being encoded by this thread. A value's own code may encode another meanwhile.
pub(crate) struct Outgoing {
    outer: Sending,
}

impl Outgoing {
    #[inline]
    pub(crate) fn begin() -> Outgoing {
        let outer = Sending::get();
        Sending { start: outer.len, len: outer.len }.set();
        Outgoing { outer }
    }

    /// The handles in it.
    #[inline]
    pub(crate) fn finish(self) -> Vec<Arc<Share>> {
        let shares = if Sending::get().len == self.outer.len { Vec::new() } else { self.take() };
        self.outer.set();
        // Everything that the drop does has been done.
        std::mem::forget(self);
        shares
    }

    #[cold]
    fn take(&self) -> Vec<Arc<Share>> {
        let taken = SENT.try_with(|sent| sent.borrow_mut().split_off(self.outer.len as usize));
        taken.expect("a thread that has put handles there has the place")
    }
}

impl Drop for Outgoing {
    #[inline]
    fn drop(&mut self) {
        // After a failure there may be some that nobody has taken.
        if Sending::get().len != self.outer.len {
            self.take();
        }
        self.outer.set();
    }
}

/// Runs `decode` with the handles of a message that has been received.
pub(crate) fn receiving<T>(shares: &[Arc<Share>], decode: impl FnOnce() -> T) -> T {
    struct Restore(Vec<Arc<Share>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = RECEIVED.try_with(|received| received.replace(std::mem::take(&mut self.0)));
        }
    }
    // A thread that is ending has no place for them: each of them is an error then.
    let _restore = RECEIVED.try_with(|received| Restore(received.replace(shares.to_vec())));
    decode()
}

/// Encodes a handle.
pub(crate) fn send<S: Serializer>(share: &Arc<Share>, serializer: S) -> Result<S::Ok, S::Error> {
    let sending = Sending::get();
    if sending.start == Sending::NOT {
        return Err(ser::Error::custom(
            "a handle of a shared object travels only in messages between processes of its family: as an argument or a result",
        ));
    }
    if SENT.try_with(|sent| sent.borrow_mut().push(share.clone())).is_err() {
        return Err(ser::Error::custom(
            "a thread that is ending can't send handles of shared objects any more",
        ));
    }
    Sending { len: sending.len + 1, ..sending }.set();
    serializer.serialize_u32(sending.len - sending.start)
}

/// Decodes a handle: `make` checks what it's of.
pub(crate) fn receive<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    make: impl FnOnce(Arc<Share>) -> procession_core::Result<T>,
) -> Result<T, D::Error> {
    let number = u32::deserialize(deserializer)?;
    let share = RECEIVED.try_with(|received| received.borrow().get(number as usize).cloned()).ok().flatten();
    let share =
        share.ok_or_else(|| de::Error::custom("these bytes aren't a message with this handle in it"))?;
    make(share).map_err(de::Error::custom)
}

/// Lets a handle travel: `$type` has a field `inner` with `share`, and `$make` makes such a field.
macro_rules! travels {
    ($type:ident $(<$t:ident>)?, $make:expr) => {
        impl$(<$t: bytemuck::Pod>)? serde::Serialize for $type$(<$t>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crate::travel::send(self.inner.share(), serializer)
            }
        }

        impl<'de $(, $t: bytemuck::Pod)?> serde::Deserialize<'de> for $type$(<$t>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok($type { inner: crate::travel::receive(deserializer, $make)? })
            }
        }
    };
}
pub(crate) use travels;
