//! A file that tasks write to: what was really run, by whom and how often, whatever became of the results.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
};

/// A file of entries, removed when it's dropped.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
}

/// What a task wrote down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The task's number.
    pub number: u32,
    /// The process that ran it.
    pub process: u32,
    /// Whether it had come to its end, or was at its beginning.
    pub ended: bool,
}

/// A divisor of a page's size: a process may die between two pages of a write.
const SIZE: usize = 16;

impl Ledger {
    /// An empty one of that name.
    pub fn new(name: &str) -> Ledger {
        let path = std::env::temp_dir().join(format!("procession-ledger-{name}-{}", std::process::id()));
        File::create(&path).unwrap();
        Ledger { path }
    }

    /// Where it is, for tasks.
    pub fn argument(&self) -> String {
        self.path.to_str().unwrap().to_string()
    }

    /// What a task does that enters its number once.
    pub fn enter(path: &str, number: u32) {
        Pen::new(path.to_string()).begin(number);
    }

    /// Everything, in the order in which it was written.
    pub fn entries(&self) -> Vec<Entry> {
        let bytes = fs::read(&self.path).unwrap();
        let words = |entry: &[u8]| -> Vec<u32> {
            entry.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
        };
        let entry = |words: Vec<u32>| Entry { number: words[0], process: words[1], ended: words[2] != 0 };
        bytes.chunks_exact(SIZE).map(|bytes| entry(words(bytes))).collect()
    }

    /// How often each number below `len` was begun.
    pub fn counts(&self, len: usize) -> Vec<u32> {
        let mut counts = vec![0; len];
        for entry in self.entries().iter().filter(|entry| !entry.ended) {
            counts[entry.number as usize] += 1;
        }
        counts
    }

    /// Empties it. Nobody may be writing.
    pub fn clear(&self) {
        File::options().write(true).truncate(true).open(&self.path).unwrap();
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A ledger as a task has it.
#[derive(Debug)]
pub struct Pen(File);

impl Pen {
    /// For the ledger there.
    pub fn new(path: String) -> Pen {
        Pen(File::options().append(true).open(path).unwrap())
    }

    /// A task begins.
    pub fn begin(&self, number: u32) {
        self.write(number, false);
    }

    /// It has come to its end.
    pub fn end(&self, number: u32) {
        self.write(number, true);
    }

    /// In one system call: what dies with its process is the whole entry, or nothing.
    fn write(&self, number: u32, ended: bool) {
        let words = [number, std::process::id(), ended as u32, 0];
        let entry: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!((&self.0).write(&entry).unwrap(), SIZE);
    }
}
