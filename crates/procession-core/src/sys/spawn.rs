//! `posix_spawn` of the running executable: fast whatever the size of the parent, and safe beside any threads.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::{
    ffi::{CStr, CString},
    io,
    mem::MaybeUninit,
    ptr,
};

/// What the new process is to be.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) arguments: &'a [CString],
    pub(crate) environment: &'a [CString],
    pub(crate) current_dir: Option<&'a CStr>,
    /// What becomes descriptors 0, 1 and 2; `None` leaves them as they are here.
    pub(crate) stdio: [Option<BorrowedFd<'a>>; 3],
    /// Descriptors that stay open at their numbers. Everything else that is close-on-exec closes.
    pub(crate) inherit: &'a [BorrowedFd<'a>],
}

/// Starts the program and returns its process id, which is the caller's to reap.
pub(crate) fn spawn(program: &Program<'_>) -> io::Result<u32> {
    let mut actions = Actions::new()?;
    // A source among 0..=2 could be overwritten before it is copied, so such a source is moved up first.
    let mut moved: Vec<OwnedFd> = Vec::new();
    for (target, source) in program.stdio.iter().enumerate() {
        if let Some(source) = source {
            let source = if source.as_raw_fd() <= 2 && source.as_raw_fd() != target as i32 {
                moved.push(rustix::io::fcntl_dupfd_cloexec(source, 3)?);
                moved.last().expect("just pushed").as_fd()
            } else {
                *source
            };
            actions.dup2(source.as_raw_fd(), target as i32)?;
        }
    }
    for fd in program.inherit {
        // Onto itself: this clears close-on-exec in the child alone.
        actions.dup2(fd.as_raw_fd(), fd.as_raw_fd())?;
    }
    if let Some(dir) = program.current_dir {
        actions.chdir(dir)?;
    }
    let pointers = |strings: &[CString]| -> Vec<*mut libc::c_char> {
        strings.iter().map(|s| s.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
    };
    let (arguments, environment) = (pointers(program.arguments), pointers(program.environment));
    let mut pid = 0;
    // The link names the running file itself, even after it was replaced or unlinked.
    let path = c"/proc/self/exe";
    // SAFETY: bounds: both arrays end in null, and every string in a nul. Aliasing: the call only reads them.
    // Lifetime: `program`, `actions`, `moved` and both arrays live until it returns, when the child has its copies.
    let code = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            actions.0.as_ptr(),
            ptr::null(),
            arguments.as_ptr(),
            environment.as_ptr(),
        )
    };
    if code == 0 { Ok(pid as u32) } else { Err(io::Error::from_raw_os_error(code)) }
}

/// Ends a child that cannot be watched. By its number, which nobody else can have: it's ours, and not yet reaped.
pub(crate) fn abandon(pid: u32) {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
    if let Some(pid) = Pid::from_raw(pid as i32) {
        let _ = kill_process(pid, Signal::KILL);
        while matches!(waitpid(Some(pid), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
    }
}

/// `posix_spawn_file_actions_t`, destroyed when it goes out of scope.
struct Actions(Box<MaybeUninit<libc::posix_spawn_file_actions_t>>);

fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

impl Actions {
    fn new() -> io::Result<Actions> {
        let mut actions = Box::new(MaybeUninit::uninit());
        // SAFETY: bounds: it initialises the one record it is given. Aliasing: ours alone. Lifetime: boxed.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        Ok(Actions(actions))
    }

    fn dup2(&mut self, from: i32, to: i32) -> io::Result<()> {
        // SAFETY: bounds: an initialised record. Aliasing: ours alone. Lifetime: integers are copied into it.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(self.0.as_mut_ptr(), from, to) })
    }

    fn chdir(&mut self, dir: &CStr) -> io::Result<()> {
        // SAFETY: bounds: an initialised record and a C string. Aliasing: ours alone. Lifetime: the path is copied.
        check(unsafe { libc::posix_spawn_file_actions_addchdir_np(self.0.as_mut_ptr(), dir.as_ptr()) })
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: bounds: an initialised record. Aliasing: ours alone. Lifetime: it is not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(self.0.as_mut_ptr()) };
    }
}
