//! Finds the streams in this process's shared memory, and writes nonsense over them.
//!
//! It knows where things lie: what it finds is compared with what there must be, so that it doesn't go on to scribble over something
//! else when that has changed.

use super::{choices::Choices, wrong};
use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
};

/// This process's memory, from where the arena begins.
pub(crate) struct Arena {
    memory: File,
    base: u64,
    chunks: u64,
}

/// The class of blocks that are records of streams, as an entry of the chunk table has it.
const STREAMS: u64 = 2 | 22 << 32;
const KIND: u64 = 18;
const RECORD: u64 = 768;

pub(crate) const HEADER: u64 = 4096;
pub(crate) const SLOTS: u64 = 1024 * 128;
const CONTROL: u64 = 8192;
pub(crate) const HINTS: u64 = 16 * 8;
pub(crate) const CHUNK: u64 = 64 << 10;

/// Words of the record: cursors and event counts; each side's lock, cache and bulk; all that follows the ring.
const TAIL: u64 = 0;
const HEAD: u64 = 128;
const SIDES: [u64; 2] = [256, 384];
const PLACE: u64 = 512;
const ENDS: [u64; 2] = [520, 536];
const TABLES: u64 = 584;
const RECORD_END: u64 = 704;

/// How many bytes an entry of a lease table has, and how many tables there may be.
const ENTRY: u64 = 40;
const MOST_TABLES: u64 = 12;

/// What can be scribbled over, by offsets of words.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) records: Vec<u64>,
    /// Each stream's two: the producers' and the consumers'.
    pub(crate) locks: Vec<u64>,
    /// Of committed frames: headers, and what names a block.
    pub(crate) frames: Vec<u64>,
    /// Where in such a frame the name of the block begins, and what the block's offset is.
    pub(crate) names: Vec<(u64, u64)>,
    /// All bytes of rings.
    pub(crate) rings: Vec<(u64, u64)>,
    /// Of lease tables; each entry begins with its state.
    pub(crate) tables: Vec<u64>,
    pub(crate) messages: Vec<u64>,
    /// How many streams there are.
    pub(crate) streams: usize,
}

impl Arena {
    pub(crate) fn open() -> Arena {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|line| line.contains("memfd:procession")).expect("a family");
        let base = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
        let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem").unwrap();
        let mut arena = Arena { memory, base, chunks: 0 };
        assert_eq!(arena.read(0).to_le_bytes(), *b"PROCESS\x01");
        arena.chunks = arena.read(24);
        arena
    }

    pub(crate) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// The place of a word in this process, if it's one of the arena's.
    fn address(&self, offset: u64) -> Option<u64> {
        let is_there = self.chunks == 0 || offset <= self.chunk(self.chunks) - 8;
        is_there.then(|| self.base + offset)
    }

    pub(crate) fn read(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        // What isn't there reads as 0.
        let _ = self.address(offset).map(|address| self.memory.read_exact_at(&mut bytes, address));
        u64::from_le_bytes(bytes)
    }

    pub(crate) fn read_bytes(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let _ = self.memory.read_exact_at(&mut bytes, self.base + offset);
        bytes
    }

    pub(crate) fn write(&self, offset: u64, word: u64) {
        let _ = self.address(offset).map(|address| self.memory.write_all_at(&word.to_le_bytes(), address));
    }

    pub(crate) fn entry(&self, chunk: u64) -> u64 {
        HEADER + SLOTS + chunk * 16
    }

    pub(crate) fn control(&self, chunk: u64) -> u64 {
        self.entry(self.chunks).next_multiple_of(CONTROL) + chunk * CONTROL
    }

    pub(crate) fn chunk(&self, chunk: u64) -> u64 {
        self.control(self.chunks).next_multiple_of(2 << 20) + chunk * CHUNK
    }

    /// Everything of the streams that there are.
    pub(crate) fn places(&self) -> Places {
        let mut places = Places::default();
        let used = (0..self.chunks).take_while(|chunk| self.read(self.entry(*chunk)) != 0);
        for chunk in used.filter(|chunk| self.read(self.entry(*chunk)) == STREAMS) {
            for block in 0..CHUNK / RECORD {
                if self.read(self.control(chunk) + HINTS + block * 8) >> 56 == KIND {
                    self.add(self.chunk(chunk) + block * RECORD, &mut places);
                }
            }
        }
        places
    }

    fn add(&self, record: u64, places: &mut Places) {
        places.streams += 1;
        let shown = [TAIL, TAIL + 8, HEAD, HEAD + 8].map(|at| record + at);
        places.records.extend(shown.iter().chain(&shown));
        for side in SIDES {
            places.locks.push(record + side);
            places.records.extend((8..32).step_by(8).map(|at| record + side + at));
        }
        places.records.extend((PLACE..RECORD_END).step_by(8).map(|at| record + at));
        for end in ENDS {
            let end = self.read(record + end).wrapping_add(16);
            // What the end says of its stream.
            if self.read(end) == record {
                places.records.push(end);
            }
        }
        let place = self.read(record + PLACE);
        let (data, capacity) = ((place & ((1 << 40) - 1)) * 64, 1_u64 << (place >> 40 & 63));
        if data != 0 && data < self.chunk(self.chunks) && (4096..=64 << 20).contains(&capacity) {
            places.rings.push((data, capacity));
            self.add_frames(record, data, capacity, places);
        }
        for i in 0..MOST_TABLES {
            let table = self.read(record + TABLES + i * 8);
            if table != 0 && table < self.chunk(self.chunks) && i < 4 {
                self.add_table(table, 64 << i, places);
            }
        }
    }

    fn add_frames(&self, record: u64, data: u64, capacity: u64, places: &mut Places) {
        let unit = |at| (self.read(record + at) & 0xffff_ffff) * 8;
        let (mut position, tail) = (unit(HEAD), unit(TAIL));
        for _ in 0..200 {
            if position >= tail {
                return;
            }
            let at = data + position % capacity;
            places.frames.push(at);
            let header = self.read(at) as u32;
            let (kind, len) = (header & 15, u64::from(header >> 4));
            if kind == 2 && len == 24 {
                places.frames.extend([8, 16, 24].map(|word| at + word));
                // The name begins behind the header of four bytes.
                places.names.push((at + 4, self.read(at + 4)));
                self.add_message(self.read(at + 4), self.read(at + 20), places);
            }
            position += (4 + len).next_multiple_of(8);
        }
    }

    fn add_table(&self, table: u64, entries: u64, places: &mut Places) {
        for entry in (0..entries).map(|i| table + i * ENTRY) {
            // Those that were never used are less interesting.
            let is_used = self.read(entry) != 0;
            places
                .tables
                .extend((0..5).filter(|_| is_used || entry < table + 10 * ENTRY).map(|i| entry + i * 8));
            if is_used {
                self.add_message(self.read(entry + 16), self.read(entry + 32), places);
            }
        }
    }

    /// The head of a message, unless its name is one that has been scribbled over: then it may be anything.
    fn add_message(&self, offset: u64, stamp: u64, places: &mut Places) {
        if stamp != 0 && self.read(offset) == stamp {
            places.messages.extend((0..6).map(|word| offset + word * 8));
        }
    }

    /// Writes nonsense, as little as one bit.
    pub(crate) fn scribble(&self, places: &Places, locks: bool, choices: &mut Choices) {
        let all = [&places.records, &places.frames, &places.tables, &places.messages];
        for _ in 0..choices.one_of(&[1, 1, 2, 3, 8, 40]) {
            if locks && choices.one_in(8) {
                self.scribble_word(choices.one_of(&places.locks), &places.locks, choices);
                continue;
            }
            if !places.rings.is_empty() && choices.one_in(16) {
                self.scribble_ring(choices.one_of(&places.rings), choices);
                continue;
            }
            if choices.one_in(16) {
                self.scribble_copy(places, choices);
                continue;
            }
            let which = choices.one_of(&all);
            if !which.is_empty() {
                let others = if choices.one_in(3) { choices.one_of(&all) } else { which };
                self.scribble_word(choices.one_of(which), others, choices);
            }
        }
    }

    /// Writes what lies at one place to another as well.
    pub(crate) fn copy(&self, from: u64, to: u64, len: u64) {
        (0..len).step_by(8).for_each(|at| self.write(to + at, self.read(from + at)));
    }

    /// Copies a whole name, entry or reference onto another, which must be exact to be of any effect.
    fn scribble_copy(&self, places: &Places, choices: &mut Choices) {
        let names = &places.names;
        if !names.is_empty() {
            let (from, to) = (choices.one_of(names), choices.one_of(names));
            match choices.below(2) {
                0 => self.copy(from.0, to.0, 24),
                _ => self.copy(from.1 + 16, to.1 + 16, 16),
            }
        }
        let entries = places.tables.len() / 5;
        if entries > 0 && choices.one_in(2) {
            let (from, to) = (choices.below(entries), choices.below(entries));
            self.copy(places.tables[from * 5], places.tables[to * 5], ENTRY);
        }
    }

    /// How words name somebody who has joined the family, most often this process.
    fn living(&self, choices: &mut Choices) -> u64 {
        self.tag(choices.one_of(&[0, 0, 1, 2]))
    }

    pub(crate) fn tag(&self, slot: u64) -> u64 {
        let generation = self.read(HEADER + slot * 128) >> 32;
        (slot + 1) | (generation << 11 & 0x3fff_ffff)
    }

    fn scribble_word(&self, at: u64, others: &[u64], choices: &mut Choices) {
        let (word, random) = (self.read(at), choices.word());
        let wrong = match choices.below(12) {
            which @ 0..8 => wrong::anywhere(which, word, random),
            8 => self.living(choices),
            // With what else there is in lock words and in those of leases.
            9 => self.living(choices) | random & !0x3fff_ffff,
            _ if others.is_empty() => 1,
            _ => self.read(choices.one_of(others)),
        };
        self.write(at, wrong::whole_or_half(word, wrong, choices));
    }

    fn scribble_ring(&self, (data, capacity): (u64, u64), choices: &mut Choices) {
        let (start, wrong) = (choices.below(capacity as usize / 8) as u64 * 8, choices.word());
        let wrong = choices.one_of(&[0, u64::MAX, wrong, wrong & 0xfff, wrong & 0xfff_0000_0fff]);
        for at in (start..capacity.min(start + 512)).step_by(8) {
            self.write(data + at, wrong);
        }
    }
}
