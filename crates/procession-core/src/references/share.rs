//! A process's own reference to an object, in private memory.

use super::record::{Header, Held, Reference};
use crate::{
    arena::{Arena, Block, Handle, Holder, Kind, Object},
    atomic::Ordering::{Acquire, Relaxed},
    error::{Error, ErrorKind, Result},
    family,
    kill_point::kill_point,
    recovery,
};
use std::{fmt, ops::Deref, sync::Arc};

/// This process's reference to an object, whatever its kind. Given back when it's dropped.
pub struct Share {
    arena: &'static Arena,
    target: Handle,
    kind: Kind,
    reference: Reference,
}

impl Share {
    pub(super) fn new(arena: &'static Arena, target: Handle, kind: Kind, reference: Reference) -> Share {
        Share { arena, target, kind, reference }
    }

    pub(crate) fn target(&self) -> Handle {
        self.target
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // In a plain fork it's the original's.
        if family::current().is_ok() {
            self.arena.release_reference(self.reference, Holder::Member(self.arena.me().slot()));
            if self.kind.is_container() && self.arena.is_very_suspicious() {
                self.arena.follow_suspicion();
                recovery::try_sweep(self.arena);
            }
        }
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:#x}", self.kind, self.target.offset)
    }
}

/// A handle of an object: this process's share in it, and where it is. Dereferences to the shared record.
pub(crate) struct Shared<T: Object + Held + 'static> {
    share: Arc<Share>,
    record: &'static T,
}

impl<T: Object + Held + 'static> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared { share: self.share.clone(), record: self.record }
    }
}

impl<T: Object + Held + 'static> Deref for Shared<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.record
    }
}

impl<T: Object + Held + 'static> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.share.fmt(f)
    }
}

impl<T: Object + Held + 'static> Shared<T> {
    /// Makes an object of `len` bytes, whose first are the record that `set` completes.
    pub(crate) fn create(
        len: usize,
        signature: u64,
        set: impl FnOnce(&T, Block<'static>) -> Result<()>,
    ) -> Result<Shared<T>> {
        let arena = &family::current()?.arena;
        let block = match T::CLASS {
            Some(class) => arena.alloc_stable(class)?,
            None => arena.alloc(len)?,
        };
        let made = (|| {
            let record: &'static T = arena.record(block)?;
            let header: &Header = arena.record(block)?;
            header.references.set(1);
            header.signature.store(signature, Relaxed);
            set(record, block)?;
            // The block that will name the object, before there is an object that nobody names.
            Ok((record, arena.prepare_reference(Handle { offset: block.offset(), generation: 0 })?))
        })();
        let (record, reference) = made.inspect_err(|_| {
            arena.free(block, arena.me());
        })?;
        let target = arena.publish::<T>(block);
        arena.name_target(reference, target);
        kill_point!(ReferenceBeforePublish);
        let reference = arena.publish_reference(reference, Holder::Member(arena.me().slot()));
        Ok(Shared { share: Arc::new(Share::new(arena, target, T::KIND, reference)), record })
    }

    /// The handle that the share is, if it's of this kind and of an object with a value of this type.
    pub(crate) fn from_share(share: Arc<Share>, signature: u64) -> Result<Shared<T>> {
        let wrong =
            |what: &str| Error::new(ErrorKind::Codec, format!("the handle in the message is of {what}"));
        if share.kind != T::KIND {
            return Err(wrong(&format!("a {:?}, not of a {:?}", share.kind, T::KIND)));
        }
        let record = share.arena.object::<T>(share.target)?;
        let header: &Header = share.arena.record(share.arena.block(share.target.offset)?)?;
        if header.signature.load(Acquire) != signature {
            return Err(wrong(&format!(
                "a {:?} made otherwise: with a value of another type, or another limit",
                share.kind
            )));
        }
        Ok(Shared { share, record })
    }

    pub(crate) fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// The record. What is done with it must not outlive the handle.
    pub(crate) fn get(&self) -> &'static T {
        self.record
    }

    /// The object's block.
    pub(crate) fn block(&self) -> Result<Block<'static>> {
        self.share.arena.block(self.share.target.offset)
    }

    /// The arena, once it's clear that this process may use it.
    #[inline]
    pub(crate) fn checked(&self) -> Result<&'static Arena> {
        family::current().map(|family| &family.arena)
    }
}
