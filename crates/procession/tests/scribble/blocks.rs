//! Finds whatever there is in this process's shared memory, by the chunk table, and writes nonsense over it.

use super::{
    arena::{Arena, CHUNK, HEADER, HINTS, SLOTS},
    choices::Choices,
    wrong,
};
use std::ops::Range;

/// Sizes of small blocks, by their class.
const CLASSES: [u64; 27] = [
    64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6528, 8128, 10880, 16320, 21760, 32640,
    64, 768, 64, 64, 768, 512, 1024, 64, 64,
];

/// Who waits: of each thread, and of no interest.
const WAIT: u64 = 21;

/// A large block is looked at no further.
const SEEN: u64 = 64 << 10;

const STATES: u64 = 1008;

/// What of a lock's word is a slot: there is no generation 0 behind it.
const SLOT_MASK: u64 = 0x7ff;

/// A block that isn't free.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) offset: u64,
    pub(crate) size: u64,
    /// The upper bits of its state: 1 is raw memory, 2 a reference; others are objects.
    pub(crate) kind: u64,
    generation: u64,
    /// Where its state is.
    state: u64,
}

impl Block {
    /// What names it, if it's an object.
    pub(crate) fn name(&self) -> (u64, u64) {
        (self.offset, self.generation)
    }
}

/// Kinds of objects.
pub(crate) const RAW: u64 = 1;
pub(crate) const REFERENCE: u64 = 2;
pub(crate) const CALL: u64 = 16;
pub(crate) const LINK: u64 = 17;
pub(crate) const DICT: u64 = 33;
pub(crate) const LIST: u64 = 34;

impl Arena {
    /// All blocks that aren't free.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut chunk = 0;
        while chunk < self.chunks() {
            let entry = self.read(self.entry(chunk));
            let number = entry >> 32;
            chunk += match entry & 0xff {
                2 if number < CLASSES.len() as u64 => {
                    if number != WAIT {
                        self.add_span(chunk, CLASSES[number as usize], &mut blocks);
                    }
                    1
                }
                3 => {
                    let size = (number * CHUNK).min(SEEN);
                    self.add_block(self.chunk(chunk), size, self.entry(chunk) + 8, &mut blocks);
                    number.max(1)
                }
                0 => return blocks,
                _ => 1,
            };
        }
        blocks
    }

    fn add_span(&self, chunk: u64, size: u64, blocks: &mut Vec<Block>) {
        let states = self.control(chunk) + HINTS;
        for index in 0..(CHUNK / size).min(STATES) {
            self.add_block(self.chunk(chunk) + index * size, size, states + index * 8, blocks);
        }
    }

    fn add_block(&self, offset: u64, size: u64, at: u64, blocks: &mut Vec<Block>) {
        let state = self.read(at);
        if state != 0 {
            let (kind, generation) = (state >> 56, state & ((1 << 56) - 1));
            blocks.push(Block { offset, size, kind, generation, state: at });
        }
    }

    /// How many chunks are in use, up to the first that never was.
    pub(crate) fn used(&self) -> u64 {
        (0..self.chunks()).take_while(|chunk| self.read(self.entry(*chunk)) != 0).count() as u64
    }

    /// The words that say what there is: of the header, of the slots in use, of the chunks in use and some more.
    pub(crate) fn tables(&self) -> Vec<Range<u64>> {
        const SLOT: u64 = 128;
        const SOME: u64 = 8;
        let used = self.used();
        let mut tables = vec![0..368, HEADER..HEADER + SOME * SLOT];
        debug_assert!(HEADER + SLOTS == self.entry(0));
        tables.push(self.entry(0)..self.entry((used + SOME).min(self.chunks())));
        tables.extend((0..used).map(|chunk| self.control(chunk)..self.control(chunk) + HINTS + 64 * 8));
        tables
    }

    /// Writes nonsense over some of these blocks, mostly over where they begin, and over what they are said to be.
    pub(crate) fn scribble_blocks(&self, blocks: &[Block], choices: &mut Choices) {
        if blocks.is_empty() {
            return;
        }
        for _ in 0..choices.one_of(&[1, 1, 2, 3, 8, 40]) {
            let block = choices.one_of(blocks);
            let first = (block.size / 8).min(16) as usize;
            let at = match choices.below(16) {
                0 => block.state,
                1..=9 => block.offset + choices.below(first) as u64 * 8,
                _ => self.some_word(block, choices),
            };
            if choices.one_in(16) {
                // What one is, of another.
                let other = choices.one_of(blocks);
                (0..block.size.min(other.size).min(64)).step_by(8).for_each(|word| {
                    self.write_wrong(block.offset + word, self.read(other.offset + word));
                });
                continue;
            }
            self.scribble_at(at, blocks, choices);
        }
    }

    /// One that has something in it, if there is one at hand.
    fn some_word(&self, block: Block, choices: &mut Choices) -> u64 {
        let words = (block.size / 8) as usize;
        let at = choices.below(words);
        let used = (at..words.min(at + 32)).find(|at| self.read(block.offset + *at as u64 * 8) != 0);
        block.offset + used.unwrap_or(at) as u64 * 8
    }

    /// Writes nonsense over some words of these ranges.
    pub(crate) fn scribble_tables(&self, tables: &[Range<u64>], blocks: &[Block], choices: &mut Choices) {
        for _ in 0..choices.one_of(&[1, 1, 2, 3, 8, 40]) {
            let range = &tables[choices.below(tables.len())];
            let at = range.start + choices.below(((range.end - range.start) / 8) as usize) as u64 * 8;
            self.scribble_at(at, blocks, choices);
        }
    }

    fn scribble_at(&self, at: u64, blocks: &[Block], choices: &mut Choices) {
        self.write_wrong(at, self.wrong(at, blocks, choices));
    }

    /// What could stand there instead of what does.
    pub(crate) fn wrong(&self, at: u64, blocks: &[Block], choices: &mut Choices) -> u64 {
        let (word, random, other) = (self.read(at), choices.word(), choices.one_of(blocks));
        let wrong = match choices.below(14) {
            which @ 0..8 => wrong::anywhere(which, word, random),
            8 => other.offset + random % 3 * 8,
            // As names of pages and leaves have it.
            9 => word & !((1 << 34) - 1) | (other.offset / 64),
            10 => word << 1 | 1,
            11 => 1 << (random % 64),
            _ => self.read(other.offset + random % 12 * 8),
        };
        wrong::whole_or_half(word, wrong, choices)
    }

    /// Whether a lock with this in it is one that somebody has who lives: it would be waited for.
    pub(crate) fn names_living(&self, word: u64) -> bool {
        [word, word >> 32].iter().any(|half| {
            let holder = half & 0x3fff_ffff;
            (0..8).any(|slot| self.tag(slot) == holder && holder > SLOT_MASK)
        })
    }

    fn write_wrong(&self, at: u64, wrong: u64) {
        if !self.names_living(wrong) {
            self.write(at, wrong);
        }
    }
}
