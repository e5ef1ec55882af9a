//! Under filters that refuse system calls: everything works, or the first use says what is missing.

use procession::{Pool, Process, StartMethod, TaskError};
use procession_testing::{raise, tests};
use std::{
    fs::File,
    os::fd::AsRawFd,
    process::{Command, ExitCode},
};

const REFUSED: &str = "REFUSED_SYSTEM_CALLS";
const ERRNO: &str = "REFUSED_WITH";

/// Has the program try to found a family, and fork.
const FOUNDING: &str = "FOUNDING_FAILS";

fn main() -> ExitCode {
    let is_root = std::env::var_os("PROCESSION_CHILD").is_none();
    if let (true, Ok(names)) = (is_root, std::env::var(REFUSED)) {
        let errno = std::env::var(ERRNO).unwrap().parse().unwrap();
        refuse(&names.split(',').map(number).collect::<Vec<_>>(), errno);
    }
    procession::init();
    if std::env::var_os(FOUNDING).is_some() {
        return forks_after_a_failed_founding();
    }
    if std::env::var_os(REFUSED).is_some() {
        return match work() {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => {
                println!("{e}");
                ExitCode::FAILURE
            }
        };
    }
    procession_testing::run(tests![
        nothing_needs_the_newer_ones,
        clone3_is_the_c_librarys,
        without_pidfds_the_first_use_says_so,
        forks_keep_what_they_have_where_no_family_was_founded,
    ])
}

const CALLS: &[(&str, libc::c_long)] = &[
    ("clone3", libc::SYS_clone3),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("futex_waitv", libc::SYS_futex_waitv),
    ("close_range", libc::SYS_close_range),
    ("membarrier", libc::SYS_membarrier),
];

fn number(name: &str) -> u32 {
    CALLS.iter().find(|(call, _)| *call == name).unwrap().1 as u32
}

/// Has these system calls fail in this process, and in all that come from it.
fn refuse(numbers: &[u32], errno: u32) {
    let statement =
        |code: u32, jump_if: u8, k: u32| libc::sock_filter { code: code as u16, jt: jump_if, jf: 0, k };
    // The number is the first word of what a filter sees.
    let mut program = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (i, number) in numbers.iter().enumerate() {
        let to_refusal = (numbers.len() - i) as u8;
        program.push(statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, to_refusal, *number));
    }
    program.push(statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW));
    program.push(statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | errno));
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: bounds: the program is as long as it says. Aliasing: read only. Lifetime: for the calls.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter), 0);
    }
}

/// Something of everything.
fn work() -> Result<(), TaskError> {
    for method in [StartMethod::ForkServer, StartMethod::Spawn] {
        procession::set_start_method(method);
        assert_eq!(Process::spawn(|n: u64| n + 1, (1,))?.join()?, 2);
        let nested = || Process::spawn(|| 5, ()).unwrap().join().unwrap();
        assert_eq!(Process::spawn(nested, ())?.join()?, 5);
        let pool = Pool::new(2)?;
        assert_eq!(pool.map(|n: u64| n * n, 0..1000)?[9], 81);
        assert!(matches!(pool.apply(raise, (9,)), Err(TaskError::Died(_))));
        assert_eq!(pool.apply(|| 3, ())?, 3);
    }
    Ok(())
}

/// Whether the work was done, and what was said.
fn run(names: &str, errno: i32) -> (bool, String) {
    let output =
        Command::new("/proc/self/exe").env(REFUSED, names).env(ERRNO, errno.to_string()).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{names} refused with {errno}: {} {text}", output.status);
    (output.status.success(), text)
}

fn nothing_needs_the_newer_ones() {
    for errno in [libc::EPERM, libc::ENOSYS] {
        for names in ["futex_waitv", "close_range", "membarrier", "futex_waitv,close_range,membarrier"] {
            let (done, text) = run(names, errno);
            assert!(done && text.is_empty(), "{text}");
        }
    }
}

fn clone3_is_the_c_librarys() {
    let (done, text) = run("clone3,futex_waitv,close_range,membarrier", libc::ENOSYS);
    assert!(done && text.is_empty(), "{text}");
    // The C library takes only ENOSYS for "not there": no program has threads under such a filter.
    let (done, text) = run("clone3", libc::EPERM);
    assert!(!done && text.contains("clone3"), "{text}");
}

fn without_pidfds_the_first_use_says_so() {
    for errno in [libc::EPERM, libc::ENOSYS] {
        let (done, text) = run("pidfd_open", errno);
        assert!(!done && text.contains("pidfd_open"), "{text}");
    }
}

/// Without threads there is no family; and no number of a descriptor that it would have had may be a stranger's in a fork.
fn forks_after_a_failed_founding() -> ExitCode {
    let error = Process::spawn(|| (), ()).unwrap_err();
    assert!(error.is_unsupported(), "{error}");
    let files: Vec<File> = (0..20).map(|_| File::open("/dev/null").unwrap()).collect();
    // SAFETY: the copy, of a process with one thread, does nothing but look at what it has, and exit.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            let are_open = files.iter().all(|file| libc::fcntl(file.as_raw_fd(), libc::F_GETFD) >= 0);
            libc::_exit(i32::from(!are_open));
        }
        let mut status = -1;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert_eq!(status, 0, "a descriptor of the fork is closed");
    }
    ExitCode::SUCCESS
}

fn forks_keep_what_they_have_where_no_family_was_founded() {
    let output = Command::new("/proc/self/exe")
        .envs([(REFUSED, "clone3"), (ERRNO, &libc::EPERM.to_string()), (FOUNDING, "1")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
