//! A trace of what each worker did when, in the format that Chrome's and Perfetto's viewers read.
//!
//! The format is the array of the "Trace Event Format" (Google, 2016), whose closing bracket may be missing: so what has been written
//! can be looked at even if this process is killed.

use procession_core::{Error, ErrorKind, Result, pool::Span};
use std::{
    fmt,
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

/// An open trace. Dropping it ends the file.
pub(super) struct Trace {
    file: BufWriter<File>,
    /// It went wrong once: nothing more is written.
    failed: bool,
}

impl Trace {
    pub(super) fn create(path: &Path) -> Result<Trace> {
        let open = || {
            let mut file = BufWriter::with_capacity(64 << 10, File::create(path)?);
            file.write_all(b"[")?;
            Ok(file)
        };
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::System, format!("could not write a trace to {}: {e}", path.display()))
        };
        Ok(Trace { file: open().map_err(failed)?, failed: false })
    }

    /// Names a worker.
    pub(super) fn worker(&mut self, index: usize, name: &str, pid: u32) {
        let name = format!("{name}-{index} (pid {pid})");
        self.event(format_args!(
            r#"{{"ph":"M","name":"thread_name","pid":{},"tid":{index},"args":{{"name":"{}"}}}},"#,
            std::process::id(),
            Escaped(&name)
        ));
    }

    /// Something that a worker did.
    pub(super) fn span(&mut self, index: usize, name: &str, span: Span) {
        let Span { start, end } = span;
        self.event(format_args!(
            r#"{{"ph":"X","name":"{}","pid":{},"tid":{index},"ts":{},"dur":{}}},"#,
            Escaped(name),
            std::process::id(),
            Micros(start),
            Micros(end - start)
        ));
    }

    /// Something that happened to a worker.
    pub(super) fn instant(&mut self, index: usize, name: &str, at: u64) {
        self.event(format_args!(
            r#"{{"ph":"i","s":"t","name":"{}","pid":{},"tid":{index},"ts":{}}},"#,
            Escaped(name),
            std::process::id(),
            Micros(at)
        ));
    }

    fn event(&mut self, event: fmt::Arguments<'_>) {
        if !self.failed
            && let Err(e) = writeln!(self.file, "{event}")
        {
            eprintln!("procession: a trace ends early: {e}");
            self.failed = true;
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // The last event is followed by a comma, and so by one more.
        let end = (procession_core::now(), std::process::id());
        self.event(format_args!(
            r#"{{"ph":"i","s":"g","name":"end","pid":{},"tid":0,"ts":{}}}]"#,
            end.1,
            Micros(end.0)
        ));
    }
}

/// Nanoseconds as microseconds.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// Text inside the quotes of JSON.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", c as u32)?,
                c => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_times_are_valid_json() {
        assert_eq!(Escaped("a\"b\\c\nd").to_string(), r#"a\"b\\c\u000ad"#);
        assert_eq!(Micros(1_234_056).to_string(), "1234.056");
    }
}
