//! One plain value, which is always whole: whoever dies while it changes it has changed it or not.

use super::{handle, lock, lock_record, poison::Panics, record, signature, would_deadlock};
use crate::{
    arena::Kind,
    atomic::{
        AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
        fence,
    },
    error::Result,
    family,
    kill_point::kill_point,
    references::{Header, Share, Shared},
    sync::ThreadMutex,
    sys::clock::Deadline,
};
use bytemuck::Pod;
use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::Arc,
};

/// The words of the value follow the record: one, if the value fits into it; else two copies, of which `version` says which
/// is the value.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ValueRecord {
    header: Header,
    lock: ThreadMutex,
    /// How often the value was replaced; an even number: it's the first copy.
    version: AtomicU64,
}

lock_record!(ValueRecord, Value);

/// One plain value, which is always whole.
pub struct Value<T> {
    shared: Shared<ValueRecord>,
    words: &'static [AtomicU64],
    value: PhantomData<T>,
}

handle!(Value<T>, words, value);

/// Whether the value fits into one word, which is then replaced in one store.
const fn is_small<T>() -> bool {
    size_of::<T>() <= 8
}

/// The words of one copy.
const fn words<T>() -> usize {
    if is_small::<T>() { 1 } else { size_of::<T>().div_ceil(8) }
}

fn to_words<T: Pod>(value: &T) -> impl Iterator<Item = u64> + '_ {
    let bytes = bytemuck::bytes_of(value);
    (0..words::<T>()).map(move |i| {
        let mut word = [0; 8];
        let rest = &bytes[(i * 8).min(bytes.len())..];
        let len = rest.len().min(8);
        word[..len].copy_from_slice(&rest[..len]);
        u64::from_le_bytes(word)
    })
}

fn from_words<T: Pod>(words: impl Iterator<Item = u64>) -> T {
    let mut value = T::zeroed();
    for (bytes, word) in bytemuck::bytes_of_mut(&mut value).chunks_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes()[..bytes.len()]);
    }
    value
}

impl<T: Pod> Value<T> {
    /// How many words there are behind the record.
    const WORDS: usize = if is_small::<T>() { 1 } else { 2 * words::<T>() };

    /// A value in shared memory.
    pub fn new(value: T) -> Result<Value<T>> {
        let mut place: &'static [AtomicU64] = &[];
        let len = size_of::<ValueRecord>() + Self::WORDS * size_of::<AtomicU64>();
        let shared = Shared::create(len, signature::<T>(), |record: &ValueRecord, block| {
            record.lock.reset();
            record.version.store(0, Relaxed);
            place = block.records(size_of::<ValueRecord>(), Self::WORDS)?;
            to_words(&value).zip(place).for_each(|(word, place)| place.store(word, Relaxed));
            Ok(())
        })?;
        Ok(Value { shared, words: place, value: PhantomData })
    }

    /// What has travelled.
    pub fn from_share(share: Arc<Share>) -> Result<Value<T>> {
        let shared: Shared<ValueRecord> = Shared::from_share(share, signature::<T>())?;
        let words = shared.block()?.records(size_of::<ValueRecord>(), Self::WORDS)?;
        Ok(Value { shared, words, value: PhantomData })
    }

    /// The value, without waiting for anybody.
    pub fn get(&self) -> T {
        if is_small::<T>() {
            return from_words(std::iter::once(self.words[0].load(Acquire)));
        }
        loop {
            let version = self.shared.version.load(Acquire);
            let value = from_words(self.copy(version).iter().map(|word| word.load(Relaxed)));
            // It's written again only after it was replaced, so as long as it's the same version this was the value.
            fence(Acquire);
            if self.shared.version.load(Relaxed) == version {
                return value;
            }
        }
    }

    fn copy(&self, version: u64) -> &'static [AtomicU64] {
        let start = version as usize % 2 * words::<T>();
        &self.words[start..start + words::<T>()]
    }

    /// Replaces the value. Only for whoever has the lock, unless it's small.
    fn replace(&self, value: &T) {
        if is_small::<T>() {
            to_words(value).for_each(|word| self.words[0].store(word, Release));
            return;
        }
        let next = self.shared.version.load(Relaxed).wrapping_add(1);
        // Readers of the version before may still read this copy: they see that it isn't the value any more.
        fence(Release);
        to_words(value).zip(self.copy(next)).for_each(|(word, place)| place.store(word, Relaxed));
        kill_point!(ValueBeforeCommit);
        self.shared.version.store(next, Release);
    }

    /// Sets the value: at once if it's small, else under the lock; false when the deadline passed first.
    pub fn set(&self, value: T, deadline: Deadline) -> Result<bool> {
        if is_small::<T>() {
            self.shared.checked()?;
            self.replace(&value);
            return Ok(true);
        }
        Ok(self.lock(deadline)?.map(|mut guard| *guard = value).is_some())
    }

    /// Takes the lock; `None` when the deadline passed first.
    pub fn lock(&self, deadline: Deadline) -> Result<Option<ValueGuard<'_, T>>> {
        let arena = self.shared.checked()?;
        let locked = lock(&self.shared, &self.shared.lock, arena, deadline)?;
        // Also from the dead: the value is whole.
        Ok(locked.map_err(would_deadlock(Kind::Value))?.map(|_| self.guard()))
    }

    /// Takes the lock if that's possible at once.
    pub fn try_lock(&self) -> Result<Option<ValueGuard<'_, T>>> {
        let arena = self.shared.checked()?;
        let locked = self.shared.lock.try_lock(arena.me().tag(), arena);
        Ok(locked.map_err(would_deadlock(Kind::Value))?.map(|_| self.guard()))
    }

    fn guard(&self) -> ValueGuard<'_, T> {
        let (copy, panics) = (self.get(), Panics::watch());
        ValueGuard { value: self, copy, changed: false, panics, not_send: PhantomData }
    }

    fn details(&self) -> [(&'static str, u64); 0] {
        []
    }
}

/// A copy of a [`Value`], which becomes the value when this is dropped, if it was changed; until then the lock is held.
#[must_use = "a guard that is dropped releases the lock at once"]
pub struct ValueGuard<'a, T: Pod> {
    value: &'a Value<T>,
    copy: T,
    changed: bool,
    panics: Panics,
    /// The thread that took the lock releases it.
    not_send: PhantomData<*mut ()>,
}

// SAFETY: bounds, lifetime: it's a reference to the value, and a copy. Aliasing: shared references to the guard give only shared
// references to that copy, which is plain data.
unsafe impl<T: Pod + Sync> Sync for ValueGuard<'_, T> {}

impl<T: Pod> Deref for ValueGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.copy
    }
}

impl<T: Pod> DerefMut for ValueGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.changed = true;
        &mut self.copy
    }
}

impl<T: Pod> Drop for ValueGuard<'_, T> {
    fn drop(&mut self) {
        if family::current().is_err() {
            return;
        }
        // A panic leaves the value as it was.
        if self.changed && !self.panics.began() {
            self.value.replace(&self.copy);
        }
        self.value.shared.lock.unlock();
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for ValueGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.copy.fmt(f)
    }
}

/// Integers of up to 64 bits, which can be changed without the lock.
pub trait Integer: Pod + Ord {
    /// The sum, cut to the type.
    #[doc(hidden)]
    fn wrapping_sum(self, other: Self) -> Self;

    /// What gives 0 when it's added, cut to the type.
    #[doc(hidden)]
    fn wrapping_negation(self) -> Self;
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Integer for $type {
            fn wrapping_sum(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            fn wrapping_negation(self) -> Self {
                self.wrapping_neg()
            }
        }
    )*};
}

integers!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

impl<T: Integer> Value<T> {
    /// Adds to it, wrapping around: what it was before.
    pub fn fetch_add(&self, other: T) -> Result<T> {
        if size_of::<T>() == 8 {
            self.shared.checked()?;
            let other = to_words(&other).next().unwrap_or_default();
            return Ok(from_words(std::iter::once(self.words[0].fetch_add(other, AcqRel))));
        }
        self.fetch_update(|value| Some(value.wrapping_sum(other)))
            .map(|done| done.unwrap_or_else(|before| before))
    }

    /// Replaces it by what `f` makes of it, until nobody came in between: what it was before, as an error if `f` gave nothing.
    pub fn fetch_update(&self, f: impl Fn(T) -> Option<T>) -> Result<Result<T, T>> {
        const { assert!(is_small::<T>(), "an integer of more than 64 bits") };
        self.shared.checked()?;
        let next = |word: u64| to_words(&f(from_words(std::iter::once(word)))?).next();
        let before = self.words[0].fetch_update(AcqRel, Acquire, next);
        let value = |word| from_words(std::iter::once(word));
        Ok(before.map(value).map_err(value))
    }
}
