//! Forks this process so that the copy is its *parent's* child, not its own (`CLONE_PARENT`).
//!
//! The C library's `fork` has no such option, so this is the bare system call, followed by what `fork` would have done for
//! a process with one thread: the thread's number in the library's own record is set by the kernel (`CLONE_CHILD_SETTID`
//! to the address that the library registered when it started), and the list of robust mutexes is registered again.
//! Handlers of `pthread_atfork` don't run.

use std::{fs, io, os::unix::fs::MetadataExt, sync::atomic::AtomicU32, time::Duration};

/// What it takes to fork; found once.
#[derive(Debug)]
pub(crate) struct Forker {
    /// Where the C library keeps the number of this thread.
    thread: usize,
    robust: (usize, usize),
}

/// Which of the two copies this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// With the process id of the copy.
    Original(u32),
    Copy,
}

/// How many threads this process has.
fn threads() -> io::Result<u64> {
    // Two links are the directory's own.
    Ok(fs::metadata("/proc/self/task")?.nlink().saturating_sub(2))
}

impl Forker {
    /// Finds out whether a copy of this process can be made whole; else says why not.
    pub(crate) fn new() -> Result<Forker, String> {
        // One that has ended may be counted for a moment.
        let settled = || {
            (0..20).find_map(|_| match threads() {
                Ok(2..) => {
                    std::thread::sleep(Duration::from_millis(1));
                    None
                }
                count => Some(count),
            })
        };
        if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")) {
            return Err("forks of this kind are not known on this architecture".to_string());
        }
        match settled().unwrap_or_else(threads) {
            Ok(1) => {}
            Ok(count) => return Err(format!("{count} threads run in it before init()")),
            Err(e) => return Err(format!("its threads could not be counted: {e}")),
        }
        let unknown =
            || "this C library or kernel doesn't say where the number of a thread is kept".to_string();
        let thread = thread_number().ok_or_else(unknown)?;
        Ok(Forker { thread, robust: robust_list() })
    }

    /// Forks. The kernel writes the copy's process id into `cell` in the same step, before the copy runs; whatever kills
    /// this process, there is no copy that `cell` doesn't name.
    ///
    /// # Safety
    ///
    /// This process has one thread, the one that found out whether it can.
    pub(crate) unsafe fn fork(&self, cell: &AtomicU32) -> io::Result<Side> {
        let flags = libc::CLONE_PARENT
            | libc::CLONE_PARENT_SETTID
            | libc::CLONE_CHILD_SETTID
            | libc::CLONE_CHILD_CLEARTID;
        let cell = std::ptr::from_ref(cell) as usize;
        // Stack 0: the copy goes on with its copy of this one.
        #[cfg(target_arch = "x86_64")]
        let arguments = [flags as usize, 0, cell, self.thread, 0];
        #[cfg(not(target_arch = "x86_64"))]
        let arguments = [flags as usize, 0, cell, 0, self.thread];
        let [flags, stack, parent, a, b] = arguments;
        // SAFETY: bounds: the kernel writes one word to `cell`, which is an atomic, and one to the copy's `thread`, which
        // is where the C library keeps it. Aliasing: the copy has memory of its own, except for what is shared on
        // purpose. Lifetime: one thread only (the caller), so that no lock is held in the copy by a thread it hasn't.
        match unsafe { libc::syscall(libc::SYS_clone, flags, stack, parent, a, b) } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                let (head, len) = self.robust;
                if head != 0 {
                    // SAFETY: bounds: what the C library had registered in the original. Aliasing: the kernel reads it
                    // at this thread's end only. Lifetime: as long as the thread.
                    unsafe { libc::syscall(libc::SYS_set_robust_list, head, len) };
                }
                Ok(Side::Copy)
            }
            pid => Ok(Side::Original(pid as u32)),
        }
    }
}

/// The address at which the C library keeps this thread's number, if it is what it told the kernel at the start.
fn thread_number() -> Option<usize> {
    const PR_GET_TID_ADDRESS: libc::c_int = 40;
    let mut address: usize = 0;
    // SAFETY: bounds: the kernel writes one word, which is ours. Aliasing: ours alone. Lifetime: for the call.
    let code = unsafe { libc::prctl(PR_GET_TID_ADDRESS, &raw mut address) };
    if code != 0 || address == 0 || address % align_of::<libc::pid_t>() != 0 {
        return None;
    }
    // SAFETY: bounds: the kernel clears the word at this address when the thread ends, so the C library keeps it mapped.
    // Aliasing: nobody writes it while the thread runs. Lifetime: as long as the thread.
    let number = unsafe { (address as *const libc::pid_t).read_volatile() };
    (number == rustix::thread::gettid().as_raw_nonzero().get()).then_some(address)
}

/// The list of robust mutexes that the C library registered for this thread; zeroes if it has none.
fn robust_list() -> (usize, usize) {
    let (mut head, mut len) = (0_usize, 0_usize);
    // SAFETY: bounds: the kernel writes two words, which are ours. Aliasing: ours alone. Lifetime: for the call.
    match unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) } {
        0 => (head, len),
        _ => (0, 0),
    }
}

/// Ends this process at once: nothing that the program wants to do at its exit is done.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: bounds, aliasing, lifetime: it takes a number and doesn't return.
    unsafe { libc::_exit(code) }
}
