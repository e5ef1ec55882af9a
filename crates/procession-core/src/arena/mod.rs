//! The arena: shared memory in chunks and blocks, each of whose steps may be the last of the process that takes it.
//!
//! `README.md` has the layout, the protocol and its kill table.

mod audit;
mod block;
mod chunks;
mod layout;
mod new_block;
mod object;
mod spans;
#[cfg(all(test, not(loom)))]
mod tests;

pub use audit::Audit;
pub(crate) use block::{Block, BlockState, Holder};
pub(crate) use layout::{LARGEST_LIMIT, Stable};
pub(crate) use new_block::NewBlock;
pub use object::Handle;
pub(crate) use object::{Kind, Object, Shared};

use crate::{
    atomic::{
        Ordering::{Acquire, Relaxed, Release, SeqCst},
        fence,
    },
    error::{Error, ErrorKind, Result},
    members::{Owner, Table, Tag},
    sync::Census,
    sys::{barrier, clock::Deadline, image::Image, mapping::Mapping},
};
use layout::{CHUNK, Geometry, Header, LAYOUT_VERSION, MAGIC};
use rustix::{
    fd::{BorrowedFd, OwnedFd},
    io::Errno,
};
use std::{ptr::NonNull, sync::OnceLock};

/// How much the arena may hold if nothing says otherwise; only what is used is ever allocated.
const DEFAULT_LIMIT: usize = 64 << 30;

/// Below this nothing useful fits.
const MINIMUM_LIMIT: usize = 4 << 20;

/// A family's shared memory, as mapped by this process.
#[derive(Debug)]
pub(crate) struct Arena {
    mapping: Mapping,
    geometry: Geometry,
    me: OnceLock<Owner>,
}

impl Arena {
    /// Creates the shared memory of a new family, of `limit` bytes, or as near to that as the process's limits allow.
    pub(crate) fn create(limit: Option<usize>) -> Result<Arena> {
        let mut chunks = limit.unwrap_or(DEFAULT_LIMIT).max(MINIMUM_LIMIT).div_ceil(CHUNK);
        let (mapping, geometry) = loop {
            let geometry = Geometry::new(chunks);
            match Mapping::create(geometry.total()) {
                Ok(mapping) => break (mapping, geometry),
                // RLIMIT_AS and RLIMIT_FSIZE count the reservation.
                Err(Errno::NOMEM | Errno::FBIG) if chunks * CHUNK > MINIMUM_LIMIT => {
                    chunks = (chunks / 4).max(MINIMUM_LIMIT / CHUNK);
                }
                Err(e @ (Errno::NOSYS | Errno::PERM)) => {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        format!("this system allows no anonymous shared memory (memfd_create): {e}"),
                    ));
                }
                Err(Errno::NOMEM | Errno::FBIG) => {
                    return Err(Error::new(
                        ErrorKind::OutOfMemory,
                        "the process's limits (RLIMIT_AS, RLIMIT_FSIZE) leave no room for the smallest arena",
                    ));
                }
                Err(e) => return Err(Error::system("could not create shared memory", e)),
            }
        };
        mapping.commit(0, geometry.fixed())?;
        let arena = Arena { mapping, geometry, me: OnceLock::new() };
        let header = arena.header();
        header.layout.store(LAYOUT_VERSION, Relaxed);
        header.build.store(Image::current().build, Relaxed);
        header.chunks.store(chunks as u64, Relaxed);
        header.expedited.store(barrier::probe() as u64, Relaxed);
        header.magic.store(MAGIC, Release);
        arena.adopt_barrier();
        Ok(arena)
    }

    /// Maps the shared memory that a member of the family handed to this process.
    pub(crate) fn attach(file: OwnedFd) -> Result<Arena> {
        let mapping = Mapping::attach(file)?;
        if mapping.len() < Geometry::new(1).total() {
            return Err(Error::corrupted("the arena is too small to be one"));
        }
        let chunks = {
            // SAFETY: bounds: the mapping is longer than a header. Aliasing: a header is made of atomics. Lifetime: the
            // reference ends with this block, the mapping never.
            let header = unsafe { mapping.base().cast::<Header>().as_ref() };
            if header.magic.load(Acquire) != MAGIC {
                return Err(Error::corrupted("the arena does not begin as one"));
            }
            let same = header.layout.load(Relaxed) == LAYOUT_VERSION
                && header.build.load(Relaxed) == Image::current().build;
            if !same {
                return Err(Error::new(
                    ErrorKind::ForeignBuild,
                    "the family runs another build of this program; restart it as a whole",
                ));
            }
            header.chunks.load(Relaxed) as usize
        };
        if chunks > mapping.len() / CHUNK || Geometry::new(chunks).total() != mapping.len() {
            return Err(Error::corrupted("the arena's size does not agree with its header"));
        }
        Arena { mapping, geometry: Geometry::new(chunks), me: OnceLock::new() }.renew()
    }

    /// The arena in this process: one that has just mapped it, or a fork of one that had, and that had not joined.
    pub(crate) fn renew(self) -> Result<Arena> {
        if self.header().expedited.load(Relaxed) != 0 && !barrier::register() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "this process may not use membarrier although the root of its family may; install the filter in the root",
            ));
        }
        self.adopt_barrier();
        Ok(self)
    }

    fn adopt_barrier(&self) {
        if self.header().expedited.load(Relaxed) != 0 {
            barrier::use_expedited();
        }
    }

    /// Touches what every member looks at and what is sure to have memory: the header, the slots, the first entries.
    pub(crate) fn touch(&self) {
        std::hint::black_box(self.members().occupied());
        if self.high_water() > 0 {
            let entry: &layout::Entry = self.shared(self.geometry.entry(0));
            std::hint::black_box(entry.state.load(Acquire));
        }
    }

    /// Says once who this process is.
    pub(crate) fn set_me(&self, me: Owner) {
        self.me.set(me).expect("a process joins one family once");
    }

    /// Who this process is.
    #[inline]
    pub(crate) fn me(&self) -> Owner {
        *self.me.get().expect("set when the family is joined")
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.mapping.file()
    }

    /// A number that this family never used before.
    pub(crate) fn new_generation(&self) -> u64 {
        self.header().next_generation.fetch_add(1, Relaxed).wrapping_add(1)
    }

    /// A generation for a slot: never 0. Of a count of their own, so that those that a tag can't tell apart are as many
    /// starts apart.
    pub(crate) fn new_member_generation(&self) -> u32 {
        loop {
            if let generation @ 1.. = self.header().next_member.fetch_add(1, Relaxed).wrapping_add(1) as u32 {
                return generation;
            }
        }
    }

    pub(crate) fn members(&self) -> Table<'_> {
        let slots = self.shared(self.geometry.slots());
        Table::new(slots, &self.header().slots_used, self.file(), self.me.get().map(|me| me.slot()))
    }

    /// How many deaths were marked; changes whenever there is something to look at.
    pub(crate) fn deaths(&self) -> u64 {
        self.header().deaths.load(Acquire)
    }

    pub(crate) fn count_death(&self) {
        self.header().deaths.fetch_add(1, SeqCst);
    }

    /// Something may be had by nobody but by messages that can't be received without it.
    pub(crate) fn suspect(&self) {
        self.header().suspected.fetch_add(1, SeqCst);
    }

    /// Whether that was said so often since the last sweep that it's time for one.
    pub(crate) fn is_very_suspicious(&self) -> bool {
        const OFTEN: u64 = 1000;
        let header = self.header();
        header.suspected.load(Acquire).wrapping_sub(header.cleared.load(Acquire)) >= OFTEN
    }

    /// Has the next sweep look for that, if it was said since the last one.
    pub(crate) fn follow_suspicion(&self) {
        let header = self.header();
        if header.suspected.load(Acquire) != header.cleared.load(Acquire) {
            self.count_death();
        }
    }

    #[inline]
    fn header(&self) -> &Header {
        self.shared(0)
    }

    /// The start of the mapping plus `offset`, which must lie inside it.
    #[inline]
    pub(crate) fn pointer(&self, offset: usize, len: usize) -> NonNull<u8> {
        assert!(
            offset.checked_add(len).is_some_and(|end| end <= self.mapping.len()),
            "an access outside the arena"
        );
        // SAFETY: bounds: checked in the line above. Aliasing: a pointer claims nothing. Lifetime: the mapping is never
        // unmapped.
        unsafe { self.mapping.base().add(offset) }
    }

    /// So many records at an offset that was found in shared memory; `None` where there can be none. They may be anything.
    #[inline]
    pub(crate) fn records_at<T: Shared>(&self, offset: u64, count: usize) -> Option<&[T]> {
        let there = self.up_to(offset, count)?;
        (there.len() == count).then_some(there)
    }

    /// Has the processor load what lies at an offset that was found in shared memory, while something else is done.
    #[inline(always)]
    pub(crate) fn prefetch(&self, offset: u64) {
        #[cfg(target_arch = "x86_64")]
        if (offset as usize) < self.geometry.chunk(self.high_water()) {
            let line = self.pointer(offset as usize, 1);
            // SAFETY: bounds: checked above; and it's a hint, which never faults. Aliasing: nothing is read or written. Lifetime: the
            // mapping is never unmapped.
            unsafe {
                std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line.as_ptr().cast())
            };
        }
    }

    /// The same, but fewer where there can't be as many.
    #[inline]
    pub(crate) fn up_to<T: Shared>(&self, offset: u64, most: usize) -> Option<&[T]> {
        let start = offset as usize;
        let limit = self.geometry.chunk(self.high_water());
        if start % align_of::<T>() != 0 || start < self.geometry.chunk(0) || start >= limit {
            return None;
        }
        let count = most.min((limit - start) / size_of::<T>());
        let records = self.pointer(start, count * size_of::<T>()).cast::<T>();
        // SAFETY: bounds and alignment: checked above; behind the high-water mark nothing is looked at, since it has no memory.
        // Aliasing: `Shared` types are made of atomics and valid for any bits, so others may write at any time. Lifetime: the mapping
        // is never unmapped.
        Some(unsafe { std::slice::from_raw_parts(records.as_ptr(), count) })
    }

    /// A record at an offset that was found in shared memory; `None` where there can be none. It may be something else.
    #[inline]
    pub(crate) fn record_at<T: Shared>(&self, offset: u64) -> Option<&T> {
        self.records_at(offset, 1)?.first()
    }

    /// A record of atomics at a fixed place, or in a block whose size was checked.
    #[inline]
    fn shared<T: Shared>(&self, offset: usize) -> &T {
        let pointer = self.pointer(offset, size_of::<T>()).cast::<T>();
        assert!(pointer.is_aligned(), "a misaligned record in the arena");
        // SAFETY: bounds and alignment: checked above. Aliasing: `Shared` types are made of atomics and valid for any
        // bits, so other processes may write at any time. Lifetime: the mapping outlives the process's use of it.
        unsafe { pointer.as_ref() }
    }
}

impl Census for Arena {
    fn is_marked_dead(&self, tag: Tag) -> bool {
        self.members().is_marked_dead(tag)
    }

    fn is_gone(&self, tag: Tag) -> bool {
        self.members().is_gone(tag)
    }
}

impl Arena {
    /// Tells the arena's own locks that a member has died.
    pub(crate) fn mark_locks(&self, dead: Owner) {
        self.header().chunk_lock.mark(dead.tag());
        self.header().recovery_lock.mark(dead.tag());
        self.header().pinning_lock.mark(dead.tag());
    }

    /// Runs `f` while no object ends that a manager made, if there is still a reference to it now. `None` if somebody else does that
    /// until the deadline.
    pub(crate) fn pinning<R>(&self, deadline: Deadline, f: impl FnOnce() -> R) -> Option<R> {
        self.locked_until(&self.header().pinning_lock, deadline, || {
            // Either who gives back the last reference sees that the lock is had, or it's seen here that there is none.
            fence(SeqCst);
            f()
        })
    }

    /// Whether somebody is at that: also one who died, until the lock was taken from it.
    pub(crate) fn is_pinning(&self) -> bool {
        fence(SeqCst);
        self.header().pinning_lock.holder().is_some()
    }

    /// Runs `f` as the only one who sweeps, if there were deaths since the last sweep that said it was all right now.
    /// If somebody does already: waits for the end of that until the deadline. Whether all is swept.
    pub(crate) fn recovering(&self, deadline: Deadline, f: impl FnOnce() -> bool) -> bool {
        let header = self.header();
        if header.swept.load(Acquire) == self.deaths() {
            return true;
        }
        let done = self.locked_until(&header.recovery_lock, deadline, || {
            let (deaths, suspected) = (self.deaths(), header.suspected.load(Acquire));
            if header.swept.load(Acquire) != deaths && f() {
                header.swept.store(deaths, Release);
                header.cleared.store(suspected, Release);
            }
        });
        done.is_some() && header.swept.load(Acquire) == self.deaths()
    }
}
