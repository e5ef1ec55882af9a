//! The environment as one block of lines, and this process's own.

use std::{
    ffi::{CStr, OsStr, OsString, c_char},
    os::unix::ffi::{OsStrExt, OsStringExt},
    ptr,
};

/// Lines of the form `NAME=value`, each with a nul byte behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Environment(Vec<u8>);

impl Environment {
    /// This process's.
    pub(crate) fn current(keep: impl Fn(&OsStr) -> bool) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in std::env::vars_os() {
            if keep(&name) {
                environment.push(name, &value);
            }
        }
        environment
    }

    /// Adds a variable; neither part may have a nul byte in it.
    pub(crate) fn push(&mut self, name: OsString, value: &OsStr) {
        let mut line = name.into_vec();
        line.push(b'=');
        line.extend_from_slice(value.as_bytes());
        self.push_line(&line);
    }

    /// Adds a line; it may have no nul byte in it.
    pub(crate) fn push_line(&mut self, line: &[u8]) {
        debug_assert!(!line.contains(&0));
        self.0.extend_from_slice(line);
        self.0.push(0);
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The block that `as_bytes` gave; bytes behind the last nul are dropped.
    pub(crate) fn from_bytes(mut bytes: Vec<u8>) -> Environment {
        bytes.truncate(bytes.iter().rposition(|byte| *byte == 0).map_or(0, |last| last + 1));
        Environment(bytes)
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &CStr> {
        self.0
            .split_inclusive(|byte| *byte == 0)
            .map(|line| CStr::from_bytes_with_nul(line).expect("each line ends with its only nul"))
    }

    /// Makes it this process's environment.
    ///
    /// # Safety
    ///
    /// This process has one thread.
    pub(crate) unsafe fn adopt(self) {
        unsafe extern "C" {
            static mut environ: *const *const c_char;
        }
        let lines: &'static Environment = Box::leak(Box::new(self));
        let pointers: Vec<*const c_char> = lines.lines().map(CStr::as_ptr).chain([ptr::null()]).collect();
        // SAFETY: bounds: the array ends in null, and each line in a nul. Aliasing: no other thread reads or writes the
        // environment meanwhile. Lifetime: both were leaked.
        unsafe { environ = Box::leak(pointers.into_boxed_slice()).as_ptr() };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_block_survives_its_journey() {
        let mut environment = Environment::default();
        environment.push("A".into(), OsStr::new("1"));
        environment.push("EMPTY".into(), OsStr::new(""));
        let mut bytes = environment.as_bytes().to_vec();
        assert_eq!(Environment::from_bytes(bytes.clone()), environment);
        bytes.extend_from_slice(b"TORN");
        let lines: Vec<_> = Environment::from_bytes(bytes).lines().map(CStr::to_owned).collect();
        assert_eq!(lines, [c"A=1".to_owned(), c"EMPTY=".to_owned()]);
        assert_eq!(Environment::from_bytes(b"x".to_vec()).lines().count(), 0);
    }
}
