//! Panics of tasks: caught where they happen, carried to whoever asked for the value.

use serde::{Deserialize, Serialize};
use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    cell::{Cell, RefCell},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

/// What a task panicked with.
#[doc(alias = "RemoteTraceback")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicInfo {
    message: String,
    location: Option<String>,
    backtrace: Option<String>,
}

impl PanicInfo {
    /// The panic's message; for a payload that isn't text, a remark that says so.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it was raised, as `file:line:column`. Unknown if the task replaced the panic hook.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The stack, if `RUST_BACKTRACE` was set for the process that ran the task.
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }
}

impl fmt::Display for PanicInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.location {
            Some(location) => write!(f, ", at {location}"),
            None => Ok(()),
        }
    }
}

thread_local! {
    /// Whether a task runs in this thread. A plain flag, because it's set and cleared for each task.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
    /// Whether the hook saw a panic; a plain flag, for the same reason.
    static HAS_SEEN: Cell<bool> = const { Cell::new(false) };
    /// What the hook saw of the task's panic.
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

struct Seen {
    location: Option<String>,
    backtrace: Option<String>,
}

fn install_hook() {
    static HOOK: Once = Once::new();
    // A thread that is panicking may not. (A value that it decodes while it unwinds may panic with the hook that there is.)
    if HOOK.is_completed() || std::thread::panicking() {
        return;
    }
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !IN_TASK.get() {
                return previous(info);
            }
            HAS_SEEN.set(true);
            let backtrace = Backtrace::capture();
            let is_captured = backtrace.status() == BacktraceStatus::Captured;
            SEEN.set(Some(Seen {
                location: info.location().map(|location| location.to_string()),
                backtrace: is_captured.then(|| backtrace.to_string()),
            }));
        }));
    });
}

/// Runs a task. Its panic is a value, and isn't printed: whoever asked for the task's value hears of it.
#[inline]
pub(crate) fn catch<R>(task: impl FnOnce() -> R) -> Result<R, PanicInfo> {
    install_hook();
    let outer = IN_TASK.replace(true);
    if HAS_SEEN.replace(false) {
        // Of a panic that an earlier task caught itself.
        SEEN.take();
    }
    let result = catch_unwind(AssertUnwindSafe(task));
    IN_TASK.set(outer);
    result.map_err(describe)
}

#[cold]
fn describe(payload: Box<dyn Any + Send>) -> PanicInfo {
    let seen = SEEN.take();
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        text.to_string()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload isn't text".to_string()
    };
    // Dropping a payload runs the task's code once more.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    let (location, backtrace) = seen.map_or((None, None), |seen| (seen.location, seen.backtrace));
    PanicInfo { message, location, backtrace }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_value_with_its_place() {
        let info = catch(|| panic!("no {}", 7)).map(|()| 0).unwrap_err();
        assert_eq!(info.message(), "no 7");
        assert!(info.location().unwrap().starts_with(file!()), "{info}");
        assert_eq!(catch(|| 3), Ok(3));
        let info = catch(|| std::panic::panic_any(5_u8)).map(|()| 0).unwrap_err();
        assert!(info.message().contains("isn't text"));
    }

    #[test]
    fn a_task_inside_a_task_keeps_them_apart() {
        let outer = catch(|| {
            let inner = catch(|| panic!("inner")).map(|()| 0).unwrap_err();
            assert_eq!(inner.message(), "inner");
            panic!("outer")
        });
        assert_eq!(outer.map(|()| 0).unwrap_err().message(), "outer");
    }
}
