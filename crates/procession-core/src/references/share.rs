//! A process's own reference to an object, in private memory.

use super::{
    lookout::Lookout,
    record::{Header, Held, Reference},
    ward::{Maker, Ward},
};
use crate::{
    arena::{Arena, Block, Handle, Holder, Kind, Object},
    atomic::{
        Ordering::{Acquire, Relaxed, SeqCst},
        fence,
    },
    error::{Error, ErrorKind, Result},
    family,
    kill_point::kill_point,
    recovery,
    sys::clock::Deadline,
};
use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex},
};

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

    /// One more to an object that can't end meanwhile.
    pub(crate) fn of(arena: &'static Arena, target: Handle, kind: Kind) -> Result<Share> {
        let reference = arena.add_reference(target, Holder::Member(arena.me().slot()))?;
        Ok(Share::new(arena, target, kind, reference))
    }

    pub(crate) fn target(&self) -> Handle {
        self.target
    }

    pub(crate) fn arena(&self) -> &'static Arena {
        self.arena
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
            } else if self.kind == Kind::Manager {
                // For what couldn't end while others were closed.
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
    /// The manager with which it ends.
    ward: Option<Ward>,
}

impl<T: Object + Held + 'static> Clone for Shared<T> {
    fn clone(&self) -> Shared<T> {
        Shared { share: self.share.clone(), record: self.record, ward: self.ward }
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
        let maker = Maker::current();
        let ward = maker.map(|maker| maker.ward(T::KIND));
        let block = match T::CLASS {
            Some(class) => arena.alloc_stable(class)?,
            None => arena.alloc(len)?,
        };
        let made = (|| {
            let record: &'static T = arena.record(block)?;
            let header: &Header = arena.record(block)?;
            header.references.set(1);
            header.made_by.set(maker);
            header.signature.store(signature, Relaxed);
            set(record, block)?;
            // The block that will name the object, before there is an object that nobody names.
            Ok((record, arena.prepare_reference(Handle { offset: block.offset(), generation: 0 })?))
        })();
        // With what only the record names.
        let (record, reference) = made.inspect_err(|_| recovery::free_ownerless(arena, block, arena.me()))?;
        let target = arena.publish::<T>(block);
        arena.name_target(reference, target);
        kill_point!(ReferenceBeforePublish);
        let reference = arena.publish_reference(reference, Holder::Member(arena.me().slot()));
        let shared = Shared { share: Arc::new(Share::new(arena, target, T::KIND, reference)), record, ward };
        if ward.is_some() {
            kill_point!(ManagerBeforeCheck);
            // Either who closes what the manager made sees the object, or it's seen here that the manager has ended.
            fence(SeqCst);
            shared.check()?;
        }
        Ok(shared)
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
        let ward = header.made_by.ward(share.arena, T::KIND);
        Ok(Shared { share, record, ward })
    }

    /// A handle that can be used although the object is closed: to free what is in it.
    pub(crate) fn to_clear(share: &Arc<Share>) -> Result<Shared<T>> {
        let record = share.arena.object::<T>(share.target)?;
        Ok(Shared { share: share.clone(), record, ward: None })
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

    /// The arena, once it's clear that this process may use it, and the object.
    #[inline]
    pub(crate) fn checked(&self) -> Result<&'static Arena> {
        let family = family::current()?;
        self.check()?;
        Ok(&family.arena)
    }

    /// # Errors
    ///
    /// Shut down: the manager that made it.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        match &self.ward {
            None => Ok(()),
            Some(ward) => ward.check(),
        }
    }

    /// Whether the manager that made it has ended; also if its last holder has just died.
    pub(crate) fn is_closed(&self, lookout: &Mutex<Lookout>) -> bool {
        let Some(ward) = &self.ward else { return false };
        lookout.lock().unwrap_or_else(|e| e.into_inner()).look(self.share.arena);
        !ward.is_open()
    }

    pub(crate) fn ward(&self) -> Option<Ward> {
        self.ward
    }

    /// Waits with `attempt`, until its deadline has passed: which may be sooner than `deadline`, if the manager that made the object
    /// has ended.
    ///
    /// # Errors
    ///
    /// Shut down.
    pub(crate) fn wait<R>(
        &self,
        deadline: Deadline,
        mut attempt: impl FnMut(Deadline) -> Option<R>,
    ) -> Result<Option<R>> {
        match &self.ward {
            None => Ok(attempt(deadline)),
            Some(ward) => ward.wait(self.share.arena, deadline, &mut attempt),
        }
    }
}
