//! A folder in memory for one contest, in which peers have their files.

use crate::measure::Result;
use std::{
    fs, process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// Where shared memory objects lie, which some peers name without a folder.
const MEMORY: &str = "/dev/shm";

/// It's removed along with all that is in it and all shared memory objects that begin with its name.
pub(crate) struct Folder {
    path: String,
}

impl Folder {
    pub(crate) fn new() -> Result<Folder> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let path = format!("{MEMORY}/procession-bench-{}-{}_", process::id(), NEXT.fetch_add(1, Relaxed));
        fs::create_dir(&path)?;
        Ok(Folder { path })
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// What begins the names of everything that belongs to a folder.
pub(super) fn prefix(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
        for entry in fs::read_dir(MEMORY).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix(&self.path)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}
