//! Small blocks: taken with one compare-and-swap of a state word, which names the new owner, and freed with one more.
//!
//! A bitmap says where to look. It's a hint: a bit that is set for a taken block costs a failed compare-and-swap, a bit
//! that is missing for a free one (its finder or freer was killed) is put back by the sweep.

use crate::{
    arena::{
        Arena, Block, BlockState,
        chunks::Use,
        layout::{CHUNK, CLASSES, Control, GENERAL, LARGEST_CLASS, STATES, Stable},
    },
    atomic::Ordering::{AcqRel, Relaxed, Release},
    error::{Error, ErrorKind, Result},
    kill_point::kill_point,
    members::Owner,
};

/// How many blocks of the class a chunk holds.
pub(super) fn blocks_in(class: usize) -> usize {
    (CHUNK / CLASSES[class]).min(STATES)
}

impl Arena {
    pub(super) fn small_block(&self, chunk: usize, class: usize, index: usize) -> Block<'_> {
        let offset = (self.geometry.chunk(chunk) + index * CLASSES[class]) as u64;
        Block { arena: self, offset, size: CLASSES[class], state: &self.control(chunk).states[index] }
    }

    pub(super) fn small_blocks(&self, chunk: usize, class: usize) -> impl Iterator<Item = Block<'_>> {
        (0..blocks_in(class)).map(move |index| self.small_block(chunk, class, index))
    }

    /// Calls `f` with every block of the class, free ones as well.
    pub(crate) fn for_each_stable<'a>(&'a self, class: Stable, mut f: impl FnMut(Block<'a>)) {
        for (chunk, found) in self.uses() {
            if found == Use::Span(class as usize) {
                self.small_blocks(chunk, class as usize).for_each(&mut f);
            }
        }
    }

    fn control(&self, chunk: usize) -> &Control {
        self.shared(self.geometry.control(chunk))
    }

    /// Takes a block of at least `len` bytes, which `owner` is to free.
    pub(crate) fn alloc_for(&self, len: usize, owner: Owner) -> Result<Block<'_>> {
        if len > LARGEST_CLASS {
            return self.alloc_large(len.div_ceil(CHUNK), owner);
        }
        let class = CLASSES[..GENERAL].partition_point(|size| *size < len);
        self.alloc_small(class, owner)
    }

    /// Takes a block that is never anything but a record of this type.
    pub(crate) fn alloc_stable(&self, class: Stable) -> Result<Block<'_>> {
        self.alloc_small(class as usize, self.me())
    }

    fn alloc_small(&self, class: usize, owner: Owner) -> Result<Block<'_>> {
        let hint = &self.header().class_hints[class];
        loop {
            let high = self.high_water();
            let start = hint.load(Relaxed) as usize;
            for step in 0..high {
                let chunk = (start + step) % high;
                if self.chunk_use(chunk).ok() == Some(Use::Span(class))
                    && let Some(block) = self.take_from(chunk, class, owner)
                {
                    if step != 0 {
                        hint.store(chunk as u32, Relaxed);
                    }
                    return Ok(block);
                }
            }
            let chunk = self.add_span(class, |control| {
                for (i, word) in control.hints.iter().enumerate() {
                    let bits = blocks_in(class).saturating_sub(i * 64).min(64);
                    word.store(if bits == 64 { u64::MAX } else { (1 << bits) - 1 }, Relaxed);
                }
            })?;
            hint.store(chunk as u32, Relaxed);
        }
    }

    fn take_from(&self, chunk: usize, class: usize, owner: Owner) -> Option<Block<'_>> {
        let control = self.control(chunk);
        for (i, word) in control.hints[..blocks_in(class).div_ceil(64)].iter().enumerate() {
            loop {
                let bits = word.load(Relaxed);
                let index = i * 64 + bits.trailing_zeros() as usize;
                if bits == 0 || index >= blocks_in(class) {
                    break;
                }
                let bit = 1 << (index % 64);
                if word.fetch_and(!bit, AcqRel) & bit == 0 {
                    continue;
                }
                kill_point!(BlockAfterHint);
                let block = self.small_block(chunk, class, index);
                if block.change_state(BlockState::Free, BlockState::Raw(owner)) {
                    kill_point!(BlockAfterTag);
                    // As long as one of its blocks is taken a chunk stays what it is. Before that it may have become another one.
                    if self.chunk_use(chunk).ok() == Some(Use::Span(class)) {
                        return Some(block);
                    }
                    block.change_state(BlockState::Raw(owner), BlockState::Free);
                    word.fetch_or(bit, AcqRel);
                    return None;
                }
            }
        }
        None
    }

    /// Frees a block that belongs to `owner`. What belongs to another by now is left alone.
    pub(crate) fn free(&self, block: Block<'_>, owner: Owner) -> bool {
        if block.size > LARGEST_CLASS {
            return self.free_large(block, BlockState::Raw(owner));
        }
        let freed = block.change_state(BlockState::Raw(owner), BlockState::Free);
        if freed {
            kill_point!(BlockAfterUntag);
            self.set_hint(block);
            self.free_span(block);
        }
        freed
    }

    /// Gives up the chunk that the block was the last one of, unless it's where the next one will be taken from.
    fn free_span(&self, block: Block<'_>) {
        let chunk = (block.offset as usize - self.geometry.chunk(0)) / CHUNK;
        let Ok(Use::Span(class)) = self.chunk_use(chunk) else { return };
        let is_general = class < GENERAL;
        if is_general
            && self.is_unused(chunk, class)
            && self.header().class_hints[class].load(Relaxed) as usize != chunk
        {
            self.give_up_span(chunk, class);
        }
    }

    /// Whether all blocks of the chunk are probably free.
    fn is_unused(&self, chunk: usize, class: usize) -> bool {
        let free = self.control(chunk).hints.iter().map(|word| word.load(Relaxed).count_ones());
        free.sum::<u32>() as usize >= blocks_in(class)
    }

    pub(super) fn set_hint(&self, block: Block<'_>) {
        let data = block.offset as usize - self.geometry.chunk(0);
        let (chunk, index) = (data / CHUNK, data % CHUNK / block.size);
        let (word, bit) = (&self.control(chunk).hints[index / 64], 1 << (index % 64));
        // The sweep comes here for every free block, and nearly all have their bit.
        if word.load(Relaxed) & bit == 0 {
            word.fetch_or(bit, Release);
        }
    }

    /// Finishes what killed processes left half done: hints of free blocks, and large blocks without an owner.
    pub(crate) fn mend_blocks(&self) {
        for (chunk, found) in self.uses() {
            match found {
                Use::Span(class) => {
                    let free =
                        self.small_blocks(chunk, class).filter(|block| block.state() == BlockState::Free);
                    free.for_each(|block| self.set_hint(block));
                }
                Use::Large(count) => {
                    let block = self.large_block(chunk, count);
                    if block.state() == BlockState::Free {
                        self.free_large(block, BlockState::Free);
                    }
                }
                Use::Empty | Use::Free => {}
            }
        }
    }

    /// A new block of this process's with these bytes in it.
    pub(crate) fn alloc_bytes(&self, prefix: &[u8], bytes: &[u8]) -> Result<Block<'_>> {
        let len = prefix
            .len()
            .checked_add(bytes.len())
            .ok_or_else(|| Error::new(ErrorKind::OutOfMemory, "a message of more bytes than there are"))?;
        let block = self.alloc(len)?;
        block.write(0, prefix)?;
        block.write(prefix.len(), bytes)?;
        Ok(block)
    }
}
