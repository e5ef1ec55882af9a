//! A task that ends when the test says so.

use std::{
    fs::{self, File},
    io::Read,
    path::PathBuf,
};

/// Blocks until the other end of a named pipe is closed: a task that ends when the test says so.
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
}

impl Gate {
    /// A gate of that name, closed.
    pub fn new(name: &str) -> Gate {
        let path = std::env::temp_dir().join(format!("procession-{name}-{}", std::process::id()));
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        Gate { path }
    }

    /// What a task waits with. Opening a pipe waits for the other side.
    pub fn pass(path: String) {
        File::open(path).unwrap().read_to_end(&mut Vec::new()).unwrap();
    }

    /// The argument of `pass`.
    pub fn argument(&self) -> (String,) {
        (self.path.to_str().unwrap().to_string(),)
    }

    /// Waits until a task has come to the gate.
    pub fn arrive(&self) -> File {
        File::options().write(true).open(&self.path).unwrap()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
