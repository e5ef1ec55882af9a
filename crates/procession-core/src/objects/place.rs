//! Plain data in an object's block.

use super::signature;
use crate::{
    arena::{Block, Object},
    error::{Error, ErrorKind, Result},
    references::{Held, Share, Shared},
};
use bytemuck::Pod;
use std::{cell::Cell, ptr::NonNull, sync::Arc};

/// Where values of a type lie in an object's block, behind its record. For whoever has the object's lock.
#[derive(Debug)]
pub(super) struct Place<T>(NonNull<T>);

impl<T> Clone for Place<T> {
    fn clone(&self) -> Place<T> {
        *self
    }
}

impl<T> Copy for Place<T> {}

// SAFETY: bounds: see the methods. Aliasing: plain data, which is reached only under the object's lock. Lifetime: the arena is
// never unmapped.
unsafe impl<T: Pod> Send for Place<T> {}
// SAFETY: as for Send.
unsafe impl<T: Pod> Sync for Place<T> {}

/// Blocks begin on such boundaries.
const ALIGNMENT: usize = 64;

/// Where the values begin in a block whose record is an `R`.
const fn start<R, T>() -> usize {
    const {
        assert!(align_of::<T>() <= ALIGNMENT, "values in shared memory can be aligned to 64 bytes at most");
    }
    size_of::<R>().next_multiple_of(if align_of::<T>() < 16 { 16 } else { align_of::<T>() })
}

/// The size of a block with a record and so many values.
fn size<R, T>(count: usize) -> Result<usize> {
    let bytes = count.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_add(start::<R, T>()));
    bytes.ok_or_else(|| {
        Error::new(ErrorKind::OutOfMemory, format!("{count} values are more than there is memory"))
    })
}

impl<T: Pod> Place<T> {
    /// The place of `count` values in the block.
    fn of<R>(block: Block<'_>, count: usize) -> Result<Place<T>> {
        let len = size::<R, T>(count)? - start::<R, T>();
        Ok(Place(block.pointer(start::<R, T>(), len)?.cast()))
    }

    /// Makes an object with so many values, which `set` completes as it does the record.
    pub(super) fn create<R: Object + Held + 'static>(
        count: usize,
        set: impl FnOnce(&R, Place<T>),
    ) -> Result<(Shared<R>, Place<T>)> {
        let mut place = None;
        let shared = Shared::create(size::<R, T>(count)?, signature::<T>(), |record: &R, block| {
            set(record, *place.insert(Place::of::<R>(block, count)?));
            Ok(())
        })?;
        Ok((shared, place.expect("set while the object was made")))
    }

    /// The object that the share is of, with so many values as `count` reads in its record.
    pub(super) fn open<R: Object + Held + 'static>(
        share: Arc<Share>,
        count: impl FnOnce(&R) -> usize,
    ) -> Result<(Shared<R>, Place<T>)> {
        let shared: Shared<R> = Shared::from_share(share, signature::<T>())?;
        let place = Place::of::<R>(shared.block()?, count(&shared))?;
        Ok((shared, place))
    }

    /// Writes the value for the first time.
    ///
    /// # Safety
    ///
    /// Nobody else reads or writes it meanwhile.
    pub(super) unsafe fn write(self, value: T) {
        // SAFETY: bounds: checked by `of`; blocks are aligned to 64 bytes. Aliasing: the caller's promise. Lifetime: never unmapped.
        unsafe { self.0.write(value) };
    }

    /// The value.
    ///
    /// # Safety
    ///
    /// Nobody writes it while the reference is there: the caller has the object's lock, at least for reading.
    pub(super) unsafe fn get<'a>(self) -> &'a T {
        // SAFETY: bounds: checked by `of`. Aliasing: the caller's promise. Lifetime: never unmapped; any bits are a value.
        unsafe { self.0.as_ref() }
    }

    /// The value, to change it.
    ///
    /// # Safety
    ///
    /// Nobody else reads or writes it while the reference is there: the caller has the object's lock alone.
    pub(super) unsafe fn get_mut<'a>(mut self) -> &'a mut T {
        // SAFETY: bounds: checked by `of`. Aliasing: the caller's promise. Lifetime: never unmapped; any bits are a value.
        unsafe { self.0.as_mut() }
    }

    /// The value, for a thread that may have it more than once.
    ///
    /// # Safety
    ///
    /// Nobody but this thread reads or writes it while the reference is there, and this thread only by such cells.
    pub(super) unsafe fn cell<'a>(self) -> &'a Cell<T> {
        // SAFETY: bounds: checked by `of`; a cell is laid out as what is in it. Aliasing: the caller's promise. Lifetime: never
        // unmapped; any bits are a value.
        unsafe { self.0.cast::<Cell<T>>().as_ref() }
    }

    /// Some of the values.
    ///
    /// # Safety
    ///
    /// `start + len` is at most the count that `of` was told, and nobody writes these values while the slice is there.
    pub(super) unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a [T] {
        // SAFETY: bounds: the caller's promise. Aliasing: the caller's promise. Lifetime: never unmapped; any bits are values.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(start), len) }
    }

    /// Some of the values, to change them.
    ///
    /// # Safety
    ///
    /// `start + len` is at most the count that `of` was told, and nobody else reads or writes these values while the slice is
    /// there.
    pub(super) unsafe fn slice_mut<'a>(self, start: usize, len: usize) -> &'a mut [T] {
        // SAFETY: bounds: the caller's promise. Aliasing: the caller's promise. Lifetime: never unmapped; any bits are values.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr().add(start), len) }
    }
}
