//! What tasks really did.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
};

/// A file that tasks append their numbers to: which were really run, and how often.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// An empty one of that name.
    pub fn new(name: &str) -> Ledger {
        let path = std::env::temp_dir().join(format!("procession-ledger-{name}-{}", std::process::id()));
        File::create(&path).unwrap();
        Ledger { path }
    }

    /// What a task enters itself with.
    pub fn argument(&self) -> String {
        self.path.to_str().unwrap().to_string()
    }

    /// Enters a number; in one write, so that it's there or not when the process dies.
    pub fn enter(path: &str, number: u32) {
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(&number.to_le_bytes()).unwrap();
    }

    /// How often each number below `len` was entered.
    pub fn counts(&self, len: usize) -> Vec<u32> {
        let mut counts = vec![0; len];
        for entry in fs::read(&self.path).unwrap().chunks_exact(4) {
            counts[u32::from_le_bytes(entry.try_into().unwrap()) as usize] += 1;
        }
        counts
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
