//! The chunk table: which chunks are cut into small blocks, which are part of a large block, which are free.
//!
//! Under one robust lock; each change is committed by the store of one entry (or of the high-water mark, behind which no
//! entry counts), so a lock that is taken from the dead needs no repair.

use crate::{
    arena::{
        Arena, Block, BlockState,
        layout::{CHUNK, Control, Entry, GENERAL},
    },
    atomic::Ordering::{Acquire, Relaxed, Release},
    error::{Error, ErrorKind, Result},
    kill_point::kill_point,
    members::Owner,
    sync::RawMutex,
    sys::clock::Deadline,
};

/// What a chunk is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Free, and without memory.
    Empty,
    /// Free, with memory.
    Free,
    /// Cut into blocks of a size class.
    Span(usize),
    /// The first of so many that are one block. The entries of the others do not count.
    Large(usize),
}

impl Use {
    fn to_bits(self) -> u64 {
        match self {
            Use::Empty => 0,
            Use::Free => 1,
            Use::Span(class) => 2 | (class as u64) << 32,
            Use::Large(count) => 3 | (count as u64) << 32,
        }
    }
}

/// A large block of at least so many chunks gives its memory back when it is freed; smaller ones keep it for the next.
const RELEASE_CHUNKS: usize = 64;

impl Arena {
    #[inline]
    pub(super) fn high_water(&self) -> usize {
        (self.header().high_water.load(Acquire) as usize).min(self.geometry.chunks())
    }

    #[inline]
    fn entry(&self, chunk: usize) -> &Entry {
        self.shared(self.geometry.entry(chunk))
    }

    /// What the chunk is used for; a count or class that cannot be is an error.
    #[inline]
    pub(super) fn chunk_use(&self, chunk: usize) -> Result<Use> {
        let bits = self.entry(chunk).word.load(Acquire);
        let number = (bits >> 32) as usize;
        match bits & 0xff {
            0 => Ok(Use::Empty),
            1 => Ok(Use::Free),
            2 if number < super::layout::CLASSES.len() => Ok(Use::Span(number)),
            // What isn't committed yet no block reaches into: it would get memory by being looked at.
            3 if number >= 1 && number <= self.high_water().saturating_sub(chunk) => Ok(Use::Large(number)),
            _ => Err(Error::corrupted(format_args!("the entry of chunk {chunk} is {bits:#x}"))),
        }
    }

    fn set_use(&self, chunk: usize, to: Use) {
        self.entry(chunk).word.store(to.to_bits(), Release);
    }

    pub(super) fn large_block(&self, chunk: usize, count: usize) -> Block<'_> {
        let offset = self.geometry.chunk(chunk) as u64;
        Block { arena: self, offset, size: count * CHUNK, state: &self.entry(chunk).state }
    }

    /// Runs `change` under a lock of the arena's own; the lock of a dead process is simply taken over.
    pub(crate) fn locked<R>(&self, lock: &RawMutex, change: impl FnOnce() -> R) -> R {
        let changed = self.locked_until(lock, Deadline::NEVER, change);
        changed.expect("a wait without a deadline ends with the lock")
    }

    /// The same, if the lock can be had before the deadline.
    pub(crate) fn locked_until<R>(
        &self,
        lock: &RawMutex,
        deadline: Deadline,
        change: impl FnOnce() -> R,
    ) -> Option<R> {
        struct Unlock<'a>(&'a RawMutex);
        impl Drop for Unlock<'_> {
            fn drop(&mut self) {
                self.0.unlock();
            }
        }
        let _ = lock.lock(self.me().tag(), self, deadline)?;
        let _unlock = Unlock(lock);
        Some(change())
    }

    /// Allocates `count` chunks as one block of `owner`'s.
    pub(super) fn alloc_large(&self, count: usize, owner: Owner) -> Result<Block<'_>> {
        self.locked(&self.header().chunk_lock, || {
            let (first, appended) = self.find_run(count)?;
            self.commit_run(first, count, appended)?;
            let block = self.large_block(first, count);
            block.set_state(BlockState::Raw(owner));
            self.commit_use(first, count, appended, Use::Large(count));
            Ok(block)
        })
    }

    /// Cuts a chunk into blocks of the class; all of them are free.
    pub(super) fn add_span(&self, class: usize, prepare: impl FnOnce(&Control)) -> Result<usize> {
        self.locked(&self.header().chunk_lock, || {
            let (chunk, appended) = self.find_run(1)?;
            self.commit_run(chunk, 1, appended)?;
            self.mapping.commit(self.geometry.control(chunk), size_of::<Control>())?;
            prepare(self.shared(self.geometry.control(chunk)));
            self.free_blocks_of_the_dead(chunk, class);
            if class >= GENERAL && !appended {
                // What was there may look like a lock that somebody has.
                self.large_block(chunk, 1).write(0, &[0; CHUNK])?;
            }
            self.commit_use(chunk, 1, appended, Use::Span(class));
            Ok(chunk)
        })
    }

    /// Frees the blocks that somebody had taken who was killed while the chunk was none of that class: the sweep looks only at those
    /// that are. One who lives and comes late has taken his, and finds the chunk cut, or gives it back.
    fn free_blocks_of_the_dead(&self, chunk: usize, class: usize) {
        for block in self.small_blocks(chunk, class) {
            if let found @ BlockState::Raw(owner) = block.state()
                && !self.members().is_alive(owner)
            {
                block.change_state(found, BlockState::Free);
            }
        }
    }

    /// Makes a chunk that was cut into blocks free, if all of these are.
    ///
    /// They are taken first, all of them, so that nobody else takes one. If this process is killed meanwhile the sweep frees them; if
    /// that was after the entry's store, whoever cuts the chunk again.
    pub(super) fn give_up_span(&self, chunk: usize, class: usize) {
        let mine = BlockState::Raw(self.me());
        self.locked(&self.header().chunk_lock, || {
            if self.chunk_use(chunk).ok() != Some(Use::Span(class)) {
                return;
            }
            let blocks: Vec<Block<'_>> = self.small_blocks(chunk, class).collect();
            let taken = blocks.iter().take_while(|block| block.change_state(BlockState::Free, mine)).count();
            if taken == blocks.len() {
                kill_point!(SpanBeforeEntry);
                self.set_use(chunk, Use::Free);
                kill_point!(SpanAfterEntry);
            }
            for block in &blocks[..taken] {
                block.change_state(mine, BlockState::Free);
                if taken != blocks.len() {
                    // Somebody may have tried to take it meanwhile.
                    self.set_hint(*block);
                }
            }
        });
    }

    /// Gives the memory of all free chunks back.
    pub(crate) fn trim(&self) {
        self.locked(&self.header().chunk_lock, || {
            let free: Vec<usize> =
                self.uses().filter(|(_, found)| *found == Use::Free).map(|(chunk, _)| chunk).collect();
            free.chunk_by(|a, b| a + 1 == *b).for_each(|run| self.empty_run(run[0], run.len()));
        });
    }

    /// Gives the memory of a run of free chunks back.
    fn empty_run(&self, first: usize, count: usize) {
        // In this order: nobody takes what is empty for something that has memory.
        (first..first + count).for_each(|chunk| self.set_use(chunk, Use::Empty));
        kill_point!(ChunkBeforeRelease);
        self.mapping.release(self.geometry.chunk(first), count * CHUNK);
    }

    /// The first of `count` free chunks in a row, and whether they lie behind the high-water mark.
    fn find_run(&self, count: usize) -> Result<(usize, bool)> {
        let high = self.high_water();
        let (mut chunk, mut run) = (0, 0);
        while chunk < high {
            let step = match self.chunk_use(chunk)? {
                Use::Empty | Use::Free => {
                    run += 1;
                    if run == count {
                        return Ok((chunk + 1 - count, false));
                    }
                    chunk += 1;
                    continue;
                }
                Use::Span(_) => 1,
                Use::Large(count) => count,
            };
            run = 0;
            chunk += step;
        }
        if count > self.geometry.chunks() - high {
            let limit = self.geometry.chunks() * CHUNK;
            return Err(Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "the arena's limit of {limit} bytes leaves no room for {} more",
                    count.saturating_mul(CHUNK)
                ),
            ));
        }
        Ok((high, true))
    }

    /// Gives the run memory. The entries still say that it's free, so a death here costs nothing.
    fn commit_run(&self, first: usize, count: usize, appended: bool) -> Result<()> {
        if appended {
            let entries = self.geometry.entry(first)..self.geometry.entry(first + count);
            self.mapping.commit(entries.start, entries.len())?;
        }
        for chunk in first..first + count {
            if appended || self.chunk_use(chunk)? == Use::Empty {
                let rest = first + count - chunk;
                // What there was memory for doesn't keep it: it's wanted all the more.
                self.mapping
                    .commit(self.geometry.chunk(chunk), rest * CHUNK)
                    .inspect_err(|_| self.empty_run(chunk, rest))?;
                break;
            }
        }
        kill_point!(ChunkAfterCommit);
        for chunk in first..first + count {
            self.set_use(chunk, Use::Free);
        }
        Ok(())
    }

    /// The store that makes the run what it's for.
    fn commit_use(&self, first: usize, count: usize, appended: bool, to: Use) {
        kill_point!(ChunkBeforeEntry);
        self.set_use(first, to);
        if appended {
            kill_point!(ChunkBeforeHighWater);
            self.header().high_water.store((first + count) as u64, Release);
        }
        kill_point!(ChunkAfterEntry);
    }

    /// Frees a large block if `state` still is what it was; also finishes the job for one who died doing it.
    pub(super) fn free_large(&self, block: Block<'_>, state: BlockState) -> bool {
        let first = (block.offset as usize - self.geometry.chunk(0)) / CHUNK;
        let count = block.size / CHUNK;
        self.locked(&self.header().chunk_lock, || {
            if self.chunk_use(first).ok() != Some(Use::Large(count)) {
                return false;
            }
            if state != BlockState::Free && !block.change_state(state, BlockState::Free) {
                return false;
            }
            if block.state.load(Relaxed) != 0 {
                return false;
            }
            kill_point!(BlockAfterUntag);
            let to = if count >= RELEASE_CHUNKS { Use::Empty } else { Use::Free };
            for chunk in first + 1..first + count {
                self.set_use(chunk, to);
            }
            if to == Use::Empty {
                self.mapping.release(block.offset as usize, block.size);
                kill_point!(ChunkAfterRelease);
            }
            self.set_use(first, to);
            true
        })
    }

    /// Every chunk that begins something, with what it's used for. One whose entry cannot be is passed over.
    pub(super) fn uses(&self) -> impl Iterator<Item = (usize, Use)> + '_ {
        let mut chunk = 0;
        std::iter::from_fn(move || {
            while chunk < self.high_water() {
                let at = chunk;
                let found = self.chunk_use(at);
                chunk += if let Ok(Use::Large(count)) = found { count } else { 1 };
                if let Ok(found) = found {
                    return Some((at, found));
                }
            }
            None
        })
    }

    /// Chunks in use, and chunks that have memory.
    pub(super) fn count_chunks(&self) -> (usize, usize) {
        self.uses().fold((0, 0), |(used, committed), (_, found)| match found {
            Use::Empty => (used, committed),
            Use::Free => (used, committed + 1),
            Use::Span(_) => (used + 1, committed + 1),
            Use::Large(count) => (used + count, committed + count),
        })
    }
}
