//! `posix_spawn` of the running executable: fast whatever the size of the parent, and safe beside any threads.

use crate::sys::{clock::Deadline, environment::Environment};
use rustix::{
    fd::{AsRawFd, BorrowedFd, OwnedFd},
    io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd},
};
use std::{
    ffi::{CString, c_char},
    io,
    mem::MaybeUninit,
    ptr,
    sync::OnceLock,
    time::Duration,
};

/// What the new process is to be.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) arguments: &'a [CString],
    pub(crate) environment: &'a Environment,
    /// The directory that it starts in; `None` for this process's.
    pub(crate) directory: Option<BorrowedFd<'a>>,
    /// What becomes descriptors 0, 1 and 2.
    pub(crate) stdio: [Stream<'a>; 3],
    /// What becomes descriptors 3 and so on. It gets no other.
    pub(crate) inherit: &'a [BorrowedFd<'a>],
}

/// A standard stream of the new process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream<'a> {
    /// The same as here.
    Keep,
    Closed,
    From(BorrowedFd<'a>),
}

/// The number of the first inherited descriptor.
pub(crate) const FIRST: i32 = 3;

/// Starts the program and returns its process id, which is the caller's to reap.
pub(crate) fn spawn(program: &Program<'_>) -> io::Result<u32> {
    let mut actions = Actions::new()?;
    // A source that an earlier action could overwrite is moved out of its way first.
    let end = FIRST + program.inherit.len() as i32;
    let mut moved: Vec<OwnedFd> = Vec::new();
    let mut above = |fd: BorrowedFd<'_>| -> io::Result<i32> {
        if fd.as_raw_fd() >= end {
            return Ok(fd.as_raw_fd());
        }
        moved.push(fcntl_dupfd_cloexec(fd, end)?);
        Ok(moved.last().expect("just pushed").as_raw_fd())
    };
    // The directory first: it may be one that the later actions close.
    if let Some(directory) = program.directory {
        actions.fchdir(directory.as_raw_fd())?;
    }
    for (target, stream) in (0..).zip(program.stdio) {
        match stream {
            Stream::Keep => {}
            Stream::Closed => actions.close(target)?,
            Stream::From(fd) => actions.dup2(above(fd)?, target)?,
        }
    }
    for (target, fd) in (FIRST..).zip(program.inherit) {
        actions.dup2(above(*fd)?, target)?;
    }
    actions.close_from(end)?;
    let arguments = pointers(program.arguments.iter().map(|line| line.as_ptr()));
    let environment = pointers(program.environment.lines().map(|line| line.as_ptr()));
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

fn pointers(lines: impl Iterator<Item = *const c_char>) -> Vec<*mut c_char> {
    lines.map(|line| line.cast_mut()).chain([ptr::null_mut()]).collect()
}

/// Ends a child that cannot be watched. By its number, which nobody else can have as long as it isn't reaped; where SIGCHLD
/// is ignored it may have been, a moment ago.
pub(crate) fn abandon(pid: u32) {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
    if let Some(pid) = Pid::from_raw(pid as i32) {
        let _ = kill_process(pid, Signal::KILL);
        while matches!(waitpid(Some(pid), WaitOptions::empty()), Err(rustix::io::Errno::INTR)) {}
    }
}

/// Reaps a child that ends by itself, where there is no room for its descriptor: whether it had ended within `patience`.
pub(crate) fn reap_within(pid: u32, patience: Duration) -> bool {
    use rustix::process::{Pid, WaitOptions, waitpid};
    // None would be any child.
    let Some(pid) = Pid::from_raw(pid as i32) else { return true };
    let deadline = Deadline::after(patience);
    loop {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(None) if deadline.has_passed() => return false,
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(rustix::io::Errno::INTR) => {}
            // Or somebody else has reaped it.
            _ => return true,
        }
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

    fn close(&mut self, fd: i32) -> io::Result<()> {
        // SAFETY: as for `dup2`.
        check(unsafe { libc::posix_spawn_file_actions_addclose(self.0.as_mut_ptr(), fd) })
    }

    fn fchdir(&mut self, fd: i32) -> io::Result<()> {
        // SAFETY: as for `dup2`.
        check(unsafe { libc::posix_spawn_file_actions_addfchdir_np(self.0.as_mut_ptr(), fd) })
    }

    /// Closes every descriptor from `first` on.
    fn close_from(&mut self, first: i32) -> io::Result<()> {
        if let Some(close_from) = *CLOSE_FROM.get_or_init(find_close_from) {
            // SAFETY: as for `dup2`; the function is the C library's own.
            return check(unsafe { close_from(self.0.as_mut_ptr(), first) });
        }
        // An older C library: one by one those that would stay open. Another thread may open one meanwhile.
        for entry in std::fs::read_dir("/proc/self/fd")?.flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok());
            if let Some(fd) = number.filter(|fd| *fd >= first)
                && stays_open(fd)
            {
                self.close(fd)?;
            }
        }
        Ok(())
    }
}

type CloseFrom = unsafe extern "C" fn(*mut libc::posix_spawn_file_actions_t, libc::c_int) -> libc::c_int;

static CLOSE_FROM: OnceLock<Option<CloseFrom>> = OnceLock::new();

/// glibc has it since 2.34; asked for by name, so that the program also runs with older ones.
fn find_close_from() -> Option<CloseFrom> {
    let name = c"posix_spawn_file_actions_addclosefrom_np";
    // SAFETY: bounds: a C string. Aliasing: read only. Lifetime: a function of the C library, which stays loaded; its type
    // is the one that its documentation says.
    unsafe {
        let function = libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
        std::mem::transmute::<*mut libc::c_void, Option<CloseFrom>>(function)
    }
}

fn stays_open(fd: i32) -> bool {
    // SAFETY: bounds: any number may be asked about. Aliasing: only a flag is read. Lifetime: for the call.
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl_getfd(fd).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC))
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: bounds: an initialised record. Aliasing: ours alone. Lifetime: it is not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(self.0.as_mut_ptr()) };
    }
}
