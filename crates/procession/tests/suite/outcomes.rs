//! What comes back of a function, whichever way it ends.

use super::{died, forever, greet};
use procession::{Process, Stdio, TaskError};
use procession_testing::{OneWay, Stubborn, raise};
use std::{io::Write, time::Duration};

pub(crate) fn gives_the_value() {
    let process = Process::spawn(greet, ("egon".to_string(),)).unwrap();
    assert_ne!(process.pid(), std::process::id());
    assert_eq!(process.join().unwrap(), "hello egon");
    let closure =
        Process::spawn(|a: u8, b: Vec<Option<String>>| (b.len(), a), (3, vec![None, Some("x".into())]));
    assert_eq!(closure.unwrap().join().unwrap(), (2, 3));
}

pub(crate) fn takes_zero_to_eight_arguments() {
    assert_eq!(Process::spawn(|| 0, ()).unwrap().join().unwrap(), 0);
    assert_eq!(Process::spawn(|a: u8, b: u8| a + b, (1, 2)).unwrap().join().unwrap(), 3);
    assert_eq!(Process::spawn(|a: u8, b: u8, c: u8| a + b + c, (1, 2, 3)).unwrap().join().unwrap(), 6);
    #[expect(clippy::too_many_arguments, reason = "that is what is tested")]
    fn sum(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
        a + b + c + d + e + f + g + h
    }
    assert_eq!(Process::spawn(sum, (1, 2, 3, 4, 5, 6, 7, 8)).unwrap().join().unwrap(), 36);
}

pub(crate) fn carries_large_values() {
    let bytes: Vec<u8> = (0..20_000_000).map(|i| (i % 251) as u8).collect();
    let process = Process::spawn(
        |mut bytes: Vec<u8>| {
            bytes.reverse();
            bytes
        },
        (bytes.clone(),),
    )
    .unwrap();
    let back = process.join().unwrap();
    assert!(back.iter().eq(bytes.iter().rev()));
    assert_eq!(procession::audit().unwrap().blocks, 0);
}

pub(crate) fn panics_are_values() {
    let process = Process::builder()
        .env("RUST_BACKTRACE", "1")
        .spawn(|n: u32| -> u32 { panic!("no {n}") }, (7,))
        .unwrap();
    let TaskError::Panicked(info) = process.join().unwrap_err() else { panic!("not a panic") };
    assert_eq!(info.message(), "no 7");
    assert!(info.location().unwrap().contains("suite"), "{info}");
    assert!(info.backtrace().is_some());
    let process =
        Process::builder().env_remove("RUST_BACKTRACE").spawn(|| -> () { panic!("again") }, ()).unwrap();
    let error = process.join().unwrap_err();
    assert!(error.to_string().contains("again"), "{error}");
    let TaskError::Panicked(info) = error else { panic!("not a panic") };
    assert_eq!(info.backtrace(), None);
}

pub(crate) fn ends_are_values() {
    let exit = Process::spawn(|| -> () { std::process::exit(7) }, ()).unwrap();
    assert_eq!(died(exit.join().unwrap_err()).code(), Some(7));
    let exit = Process::spawn(|| -> () { std::process::exit(0) }, ()).unwrap();
    assert_eq!(died(exit.join().unwrap_err()).code(), Some(0), "it gave no value");
    let abort = Process::spawn(|| -> () { std::process::abort() }, ()).unwrap();
    assert_eq!(died(abort.join().unwrap_err()).signal(), Some(6));
    let segfault = Process::spawn(raise, (11,)).unwrap();
    assert_eq!(died(segfault.join().unwrap_err()).signal(), Some(11));
    let killed = Process::spawn(forever, ()).unwrap();
    killed.kill().unwrap();
    assert_eq!(died(killed.join().unwrap_err()).signal(), Some(9));
    assert_eq!(procession::audit().unwrap().blocks, 0);
}

pub(crate) fn ends_after_the_value_change_nothing() {
    let process = Process::spawn(greet, ("you".to_string(),)).unwrap();
    while process.is_alive() {
        std::thread::yield_now();
    }
    process.kill().unwrap();
    assert!(process.exit_status().unwrap().success());
    assert_eq!(process.join_timeout(Duration::ZERO).unwrap().as_deref(), Some("hello you"));
    assert_eq!(process.join().unwrap(), "hello you", "and again");
}

pub(crate) fn codec_errors_name_the_type() {
    let error = Process::spawn(|_: Stubborn| (), (Stubborn,)).unwrap_err();
    assert!(error.is_codec() && error.to_string().contains("Stubborn"), "{error}");
    for error in [
        Process::spawn(|_: OneWay| (), (OneWay(1),)).unwrap().join().unwrap_err(),
        Process::spawn(|| OneWay(2), ()).unwrap().join().map(|_| ()).unwrap_err(),
    ] {
        let TaskError::Codec(error) = error else { panic!("not a codec error: {error}") };
        assert!(error.to_string().contains("OneWay"), "{error}");
    }
    let error = Process::spawn(|| Stubborn, ()).unwrap().join().map(|_| ()).unwrap_err();
    assert!(matches!(&error, TaskError::Codec(e) if e.to_string().contains("Stubborn")), "{error}");
}

pub(crate) fn join_timeout_leaves_it_alone() {
    let process = Process::builder().stdin(Stdio::piped()).spawn(
        || {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            line
        },
        (),
    );
    let mut process = process.unwrap();
    assert!(process.join_timeout(Duration::from_millis(20)).unwrap().is_none());
    assert!(process.is_alive() && process.exit_status().is_none());
    process.take_stdin().unwrap().write_all(b"go\n").unwrap();
    assert!(process.take_stdin().is_none());
    assert_eq!(process.join().unwrap(), "go\n");
}

pub(crate) fn signals_reach_it() {
    // What a shell starts in the background ignores SIGINT, and so would the processes.
    // SAFETY: bounds: no memory is passed. Aliasing: none. Lifetime: none.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    for (send, signal) in [
        (Process::terminate as fn(&Process<()>) -> procession::Result<()>, 15),
        (Process::interrupt, 2),
        (Process::kill, 9),
    ] {
        let process = Process::spawn(forever, ()).unwrap();
        send(&process).unwrap();
        assert_eq!(died(process.join().unwrap_err()).signal(), Some(signal));
    }
}

pub(crate) fn many_at_once() {
    let processes: Vec<_> = (0..40u64).map(|i| Process::spawn(|i: u64| i * i, (i,)).unwrap()).collect();
    let squares: Vec<u64> = processes.into_iter().rev().map(|process| process.join().unwrap()).collect();
    assert!(squares.into_iter().eq((0..40).rev().map(|i| i * i)));
}
