//! Processes that start others, and copies of them that may not.

use super::{died, forever, greet};
use procession::{Pool, Process, Stdio, TaskError};
use procession_testing::raise;
use std::{io::Read, time::Duration};

/// Starts processes of each kind, at a depth.
fn generations(left: u32) -> u32 {
    assert_eq!(Process::spawn(greet, ("you".to_string(),)).unwrap().join().unwrap(), "hello you");
    let aborts = Process::spawn(|| -> () { std::process::abort() }, ()).unwrap();
    assert_eq!(died(aborts.join().unwrap_err()).signal(), Some(6));
    let killed = Process::spawn(forever, ()).unwrap();
    assert!(killed.join_timeout(Duration::from_millis(1)).unwrap().is_none() && killed.is_alive());
    killed.kill().unwrap();
    assert_eq!(died(killed.join().unwrap_err()).signal(), Some(9));
    match left {
        0 => 0,
        left => 1 + Process::spawn(generations, (left - 1,)).unwrap().join().unwrap(),
    }
}

fn pool_in_a_member() -> u64 {
    let pool = Pool::new(2).unwrap();
    let squares = pool.map(|n: u64| n * n, 0..1000).unwrap();
    assert!(matches!(pool.apply(raise, (9,)), Err(TaskError::Died(_))));
    pool.close();
    pool.join().unwrap();
    squares.into_iter().sum()
}

pub(crate) fn members_start_processes() {
    let audit = procession::audit().unwrap();
    assert_eq!(Process::spawn(generations, (3,)).unwrap().join().unwrap(), 3);
    let parents = Process::spawn(
        || {
            let mut process = Process::builder()
                .stdout(Stdio::piped())
                .spawn(|| print!("{}", std::os::unix::process::parent_id()), ())
                .unwrap();
            let mut text = String::new();
            process.take_stdout().unwrap().read_to_string(&mut text).unwrap();
            // Or it might still be ending when this process's starter looks what is left.
            process.join().unwrap();
            text
        },
        (),
    );
    assert_eq!(parents.unwrap().join().unwrap(), std::process::id().to_string(), "the family is flat");
    let after = procession::audit().unwrap();
    assert!(after.objects.len() <= audit.objects.len(), "{after:?}");
    assert_eq!((after.blocks, after.leaked), (0, 0));
}

pub(crate) fn members_have_pools() {
    let sum: u64 = (0..1000).map(|n| n * n).sum();
    assert_eq!(Process::spawn(pool_in_a_member, ()).unwrap().join().unwrap(), sum);
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.apply(pool_in_a_member, ()).unwrap(), sum);
}

/// In a member: a plain fork of it may use nothing, and its exit releases nothing.
fn forks() -> (bool, String) {
    let process = Process::spawn(forever, ()).unwrap();
    // SAFETY: bounds: no memory is passed. Aliasing: the copy has its own. Lifetime: this process has one thread.
    match unsafe { libc::fork() } {
        0 => {
            let refused = Process::spawn(|| (), ()).is_err_and(|e| e.is_forked());
            let refused = refused && process.kill().is_err_and(|e| e.is_forked());
            let refused = refused && process.join_timeout(Duration::ZERO).is_err();
            drop(process);
            std::process::exit(if refused { 0 } else { 1 });
        }
        copy => {
            let mut status = 0;
            // SAFETY: bounds: one number is written, which is ours. Aliasing: ours alone. Lifetime: for the call.
            let copy_refused = unsafe { libc::waitpid(copy, &raw mut status, 0) } == copy && status == 0;
            let is_mine = process.is_alive() && process.kill().is_ok();
            let status = died(process.join().unwrap_err());
            (copy_refused && is_mine, Process::spawn(greet, (status.to_string(),)).unwrap().join().unwrap())
        }
    }
}

pub(crate) fn a_plain_fork_is_nobody() {
    assert_eq!(Process::spawn(forks, ()).unwrap().join().unwrap(), (true, "hello signal 9 (SIGKILL)".into()));
}
