//! A plain fork of a member is refused everywhere, and its end releases nothing of the original's.

use procession_core::{
    Deadline, Error, Parcel, Signal,
    pool::{Inbox, Link, Loan},
    start::{Descriptor, Launch, Verdict},
};
use std::{io::Read, os::fd::OwnedFd, time::Duration};

static WAIT: Descriptor = Descriptor::new(
    || "wait",
    |_, _, result| {
        let read = std::io::stdin().read_to_end(&mut result.bytes);
        assert!(read.is_ok());
        Verdict::Value
    },
);

/// Forks, and comes back twice.
static FORK: Descriptor = Descriptor::new(
    || "fork",
    |_, _, result| {
        // SAFETY: bounds, aliasing: no memory is passed. Lifetime: the process has one thread.
        let pid = unsafe { libc::fork() };
        result.bytes.push((pid == 0) as u8);
        if pid != 0 {
            let mut status = 0;
            // SAFETY: bounds: one status word, ours. Aliasing: ours alone. Lifetime: for the call.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            assert_ne!(status, 0, "the copy went on as the member");
        }
        Verdict::Value
    },
);

fn main() {
    procession_core::start::init();
    let forks = Launch::new(FORK.id().unwrap(), &Parcel::default()).start().unwrap();
    assert!(forks.wait(Deadline::NEVER).unwrap().status.success());
    let result = forks.take_result().unwrap().map(|(verdict, parcel)| (verdict, parcel.bytes));
    assert_eq!(result, Some((Verdict::Value, vec![0])), "the original's");
    drop(forks);

    let (reader, writer) = std::io::pipe().unwrap();
    let argument = Parcel::default();
    let mut launch = Launch::new(WAIT.id().unwrap(), &argument);
    launch.stdio[0] = Some(OwnedFd::from(reader));
    let process = launch.start().unwrap();
    let inbox = Inbox::new().unwrap();
    let link = Link::new(&inbox).unwrap();
    let loan = Loan::new(&[1; 20_000], &[]).unwrap();
    let audit = procession_core::audit().unwrap();

    // SAFETY: bounds, aliasing: no memory is passed. Lifetime: the child has only this thread, calls nothing that another
    // thread may have locked, and ends with `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let refused = |result: Result<(), Error>| result.is_err_and(|e| e.is_forked());
        let all_refused = refused(procession_core::check())
            && refused(procession_core::audit().map(|_| ()))
            && refused(procession_core::sweep())
            && refused(Loan::new(&[1], &[]).map(|_| ()))
            && refused(Inbox::new().map(|_| ()))
            && refused(Launch::new(WAIT.id().unwrap(), &argument).start().map(|_| ()))
            && refused(process.signal(Signal::KILL))
            && refused(process.take_result().map(|_| ()))
            && process.exit().is_none()
            && process.wait(Deadline::after(Duration::ZERO)).is_none();
        // What it drops is not its own.
        drop((link, inbox, loan, process));
        // SAFETY: bounds, aliasing, lifetime: it takes a number and doesn't return.
        unsafe { libc::_exit(if all_refused { 0 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: bounds: one status word, ours. Aliasing: ours alone. Lifetime: for the call.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert_eq!(status, 0, "a fork was not refused");

    let after = procession_core::audit().unwrap();
    assert_eq!(after, audit, "the fork's end changed something");
    drop(writer);
    assert!(process.wait(Deadline::NEVER).unwrap().status.success());
    let (verdict, bytes) = process.take_result().unwrap().unwrap();
    assert_eq!((verdict, bytes.bytes.len()), (Verdict::Value, 0));
    drop((link, inbox, loan, process));
    let audit = procession_core::audit().unwrap();
    assert_eq!((audit.objects.len(), audit.blocks, audit.leaked, audit.members), (0, 0, 0, 1), "{audit:?}");
    println!("1 passed, 0 failed");
}
