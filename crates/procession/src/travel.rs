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
    /// Where the handles of the message that is being encoded begin in `SENT`; `None` outside of messages.
    static START: Cell<Option<usize>> = const { Cell::new(None) };
    /// How long `SENT` is: so that nothing but this is looked at for a message without handles.
    static LEN: Cell<usize> = const { Cell::new(0) };
    static SENT: RefCell<Vec<Arc<Share>>> = const { RefCell::new(Vec::new()) };
    /// Whether there is anything in `RECEIVED`: as for `LEN`.
    static RECEIVING: Cell<bool> = const { Cell::new(false) };
    static RECEIVED: RefCell<Vec<Arc<Share>>> = const { RefCell::new(Vec::new()) };
}

/// A message that is being encoded by this thread. A value's own code may encode another meanwhile.
pub(crate) struct Outgoing {
    outer: Option<usize>,
    start: usize,
}

impl Outgoing {
    #[inline]
    pub(crate) fn begin() -> Outgoing {
        let start = LEN.get();
        Outgoing { outer: START.replace(Some(start)), start }
    }

    /// The handles in it.
    #[inline]
    pub(crate) fn finish(self) -> Vec<Arc<Share>> {
        if LEN.get() == self.start { Vec::new() } else { self.take() }
    }

    #[cold]
    fn take(&self) -> Vec<Arc<Share>> {
        LEN.set(self.start);
        SENT.with_borrow_mut(|sent| sent.split_off(self.start))
    }
}

impl Drop for Outgoing {
    #[inline]
    fn drop(&mut self) {
        START.set(self.outer);
        if LEN.get() != self.start {
            self.take();
        }
    }
}

/// Runs `decode` with the handles of a message that has been received.
pub(crate) fn receiving<T>(shares: &[Arc<Share>], decode: impl FnOnce() -> T) -> T {
    struct Restore(Vec<Arc<Share>>, bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECEIVING.set(self.1);
            RECEIVED.replace(std::mem::take(&mut self.0));
        }
    }
    let _restore = Restore(RECEIVED.replace(shares.to_vec()), RECEIVING.replace(!shares.is_empty()));
    decode()
}

/// Whether this thread is in the middle of decoding a message with handles.
#[inline]
pub(crate) fn is_receiving() -> bool {
    RECEIVING.get()
}

/// Encodes a handle.
pub(crate) fn send<S: Serializer>(share: &Arc<Share>, serializer: S) -> Result<S::Ok, S::Error> {
    let Some(start) = START.get() else {
        return Err(ser::Error::custom(
            "a handle of a shared object travels only in messages between processes of its family: as an argument or a result",
        ));
    };
    let number = SENT.with_borrow_mut(|sent| {
        sent.push(share.clone());
        LEN.set(sent.len());
        sent.len() - 1 - start
    });
    serializer.serialize_u32(number as u32)
}

/// Decodes a handle: `make` checks what it's of.
pub(crate) fn receive<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    make: impl FnOnce(Arc<Share>) -> procession_core::Result<T>,
) -> Result<T, D::Error> {
    let number = u32::deserialize(deserializer)?;
    let share = RECEIVED.with_borrow(|received| received.get(number as usize).cloned());
    let share =
        share.ok_or_else(|| de::Error::custom("these bytes aren't a message with this handle in it"))?;
    make(share).map_err(de::Error::custom)
}

/// Lets a handle travel: `$type` has a field `inner` with `share` and `from_share`.
macro_rules! travels {
    ($type:ident $(<$t:ident: $bound:path>)?) => {
        impl$(<$t: $bound>)? serde::Serialize for $type$(<$t>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crate::travel::send(self.inner.share(), serializer)
            }
        }

        impl<'de $(, $t: $bound)?> serde::Deserialize<'de> for $type$(<$t>)? {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::travel::receive(deserializer, |share| {
                    Ok($type { inner: procession_core::objects::$type::from_share(share)? })
                })
            }
        }
    };
}
pub(crate) use travels;
