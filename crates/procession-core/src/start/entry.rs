//! `init()`: where a new process leaves the program's `main` and runs its job instead.

use super::{
    call::CallRecord,
    function::{Function, Verdict},
    token::Token,
};
use crate::{
    error::{Error, ErrorKind},
    family,
    family::Family,
};
use std::{ffi::CString, sync::OnceLock};

/// The command line of new processes, where the program's own would not reach `init()`: in a test harness.
static TEST_ENTRY: OnceLock<Vec<CString>> = OnceLock::new();

/// Makes this process ready to start others. In a process that was started by the library, it runs the job and exits
/// instead: it never returns there.
pub fn init() {
    family::set_initialised();
    let Some(token) = Token::from_environment() else { return };
    match family::join(&token) {
        // A second call in a member is one from its job: the token was claimed by the first.
        None if family::is_joined() || !token.is_from_parent() => {}
        None => give_up(&Error::new(
            ErrorKind::StartFailed,
            "its descriptors are gone: main must call procession::init() before it closes any",
        )),
        Some(Ok(family)) => run(family, &token),
        Some(Err(e)) => give_up(&e),
    }
}

/// Has new processes started with these arguments, under which the program reaches `init()` in the named test; the first
/// call counts. Standard output is turned away until `init()`, since the harness writes to it.
pub fn set_test_entry(arguments: impl IntoIterator<Item = String>) {
    let arguments = arguments.into_iter().map(|argument| CString::new(argument).unwrap_or_default());
    let _ = TEST_ENTRY.set(arguments.collect());
}

pub(super) fn test_entry() -> Option<&'static [CString]> {
    TEST_ENTRY.get().map(|arguments| arguments.as_slice())
}

fn run(family: &'static Family, token: &Token) -> ! {
    let arena = &family.arena;
    let mut result = Vec::new();
    let verdict = match CallRecord::job(arena, token.call) {
        Ok(job) => {
            if !job.name.is_empty() {
                let mut name = job.name.into_bytes();
                name.truncate(15);
                let _ = rustix::thread::set_name(&CString::new(name).unwrap_or_default());
            }
            match Function::resolve(job.function) {
                Ok(function) => {
                    let verdict = function.run(&job.argument, &mut result);
                    family::end_if_forked();
                    verdict
                }
                Err(e) => Verdict::refuse(&e, &mut result),
            }
        }
        Err(e) => Verdict::refuse(&e, &mut result),
    };
    if let Err(e) = CallRecord::answer(arena, token.call, verdict, &result) {
        // Too large for what is left: say so instead, in a few bytes.
        let verdict = Verdict::refuse(&e, &mut result);
        let _ = CallRecord::answer(arena, token.call, verdict, &result);
    }
    if verdict != Verdict::Value {
        std::process::exit(PANIC_EXIT);
    }
    arena.members().announce_exit(arena.me());
    std::process::exit(0)
}

/// The exit code of a Rust program that panics.
const PANIC_EXIT: i32 = 101;

fn give_up(error: &Error) -> ! {
    eprintln!("procession: a new process could not join its family: {error}");
    std::process::exit(PANIC_EXIT)
}
