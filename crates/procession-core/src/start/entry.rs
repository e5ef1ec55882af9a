//! `init()`: where a new process leaves the program's `main` and runs its job instead.

use super::{
    attributes::Own,
    call::{CallRecord, Surroundings},
    function::{Function, Verdict},
    method::set_default_method,
    server,
    spare::Birth,
    token::{Inherited, Role, Token, VARIABLE},
};
use crate::{
    arena::{Arena, Handle},
    error::{Error, ErrorKind, Result},
    family::{self, Family},
    members::Owner,
    references::Parcel,
    sys::lifeline::{self, Lifeline},
};
use std::{
    convert::Infallible,
    ffi::{CString, OsStr},
    sync::OnceLock,
};

/// The command line of new processes, where the program's own would not reach `init()`: in a test harness.
static TEST_ENTRY: OnceLock<Vec<CString>> = OnceLock::new();

/// Makes this process ready to start others. In a process that was started by the library, it runs the job and exits
/// instead: it never returns there.
pub fn init() {
    family::set_initialised();
    let Some(token) = Token::from_environment() else { return };
    let Some(inherited) = token.claim() else {
        // A second call in a member is one from its job: the token was claimed by the first.
        if !family::is_joined() && token.is_from_parent() {
            give_up(&Error::new(
                ErrorKind::StartFailed,
                "its descriptors are gone: main must call procession::init() before it closes any",
            ));
        }
        return;
    };
    let outcome = match token.role {
        Role::Member { owner, call } => executed(owner, call, inherited),
        Role::Server => forked(server::serve(inherited)),
    };
    let Err(e) = outcome;
    give_up(&e)
}

/// In a process that executed the program: joins the family and runs the call.
fn executed(owner: Owner, call: Handle, inherited: Inherited) -> Result<Infallible> {
    let Inherited { arena, lifeline, requests, others } = inherited;
    if let Some(stdout) = others.first() {
        rustix::stdio::dup2_stdout(stdout)
            .map_err(|e| Error::system("could not restore standard output", e))?;
    }
    // First of all, so that the root's death ends this process wherever it is.
    lifeline::arm(Lifeline::new(lifeline)).map_err(|e| Error::system("could not arm the lifeline", e))?;
    drop(others);
    let family = family::join(owner, Arena::attach(arena)?, requests)?;
    run(family, call, |job| match job.attributes {
        Some(attributes) => attributes.apply(&Own::current()?.attributes),
        // It was executed by who wanted it.
        None => Ok(()),
    })
}

/// In a process that the forkserver forked: the same.
fn forked(birth: Birth) -> Result<Infallible> {
    let Birth { owner, call, arena, requests, attributes: present, streams } = birth;
    let family = family::join(owner, arena, requests)?;
    run(family, call, |mut job| {
        streams?;
        if let Ok(token) = std::env::var(VARIABLE) {
            job.environment.push(VARIABLE.into(), OsStr::new(&token));
        }
        // SAFETY: bounds, aliasing, lifetime: a process that was just forked has one thread.
        unsafe { job.environment.adopt() };
        let wrong = || Error::corrupted("a call without the attributes of its process");
        job.attributes.ok_or_else(wrong)?.apply(&present)
    })
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

/// Runs the call and exits, once `prepare` has made this process what the call wants.
fn run(
    family: &'static Family,
    call: Handle,
    prepare: impl FnOnce(Surroundings) -> Result<()>,
) -> Result<Infallible> {
    let arena = &family.arena;
    let mut result = Parcel::default();
    let start = || {
        let job = CallRecord::job(arena, call)?;
        prepare(job.surroundings)?;
        set_default_method(job.method);
        arena.members().set_name(arena.me(), &job.name);
        if !job.name.is_empty() {
            let mut name = job.name.into_bytes();
            name.truncate(15);
            let _ = rustix::thread::set_name(&CString::new(name).unwrap_or_default());
        }
        let verdict =
            Function::resolve(job.function)?.run(&job.argument.bytes, &job.argument.shares, &mut result);
        family::end_if_forked();
        Ok(verdict)
    };
    let verdict = start().unwrap_or_else(|e| Verdict::refuse(&e, &mut result));
    if let Err(e) = CallRecord::answer(arena, call, verdict, &result) {
        // Too large for what is left: say so instead, in a few bytes.
        let verdict = Verdict::refuse(&e, &mut result);
        let _ = CallRecord::answer(arena, call, verdict, &result);
    }
    // An exit drops nothing, and whatever this process has then it dies with.
    result.clear();
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
