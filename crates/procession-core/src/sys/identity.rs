//! What a process can't hand on to a fork of another process: who it acts for, what it may, and where it lives.

use crate::sys::status::Status;
use std::{io, os::unix::fs::MetadataExt};

/// Two processes with the same identity may stand for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Users, groups, capabilities and filters, as the kernel reports them.
    rights: Vec<String>,
    /// The root directory: device and inode.
    root: (u64, u64),
    /// The session and the process group: where signals of a terminal reach it.
    session: libc::pid_t,
    process_group: libc::pid_t,
}

const RIGHTS: [&str; 11] = [
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
];

impl Identity {
    /// Of the calling thread, which the report is about.
    pub(crate) fn of_thread(status: &Status) -> io::Result<Identity> {
        Identity::new(status, "/", 0)
    }

    /// Of a process: of its first thread.
    pub(crate) fn of_process(pid: u32) -> io::Result<Identity> {
        Identity::new(&Status::of_process(pid)?, &format!("/proc/{pid}/root"), pid as libc::pid_t)
    }

    fn new(status: &Status, root: &str, pid: libc::pid_t) -> io::Result<Identity> {
        let root = std::fs::metadata(root)?;
        // SAFETY: bounds: numbers only. Aliasing, lifetime: no memory is passed. (0 is the answer in a namespace that the
        // leader isn't in, for which rustix has no type.)
        let (session, process_group) = unsafe { (libc::getsid(pid), libc::getpgid(pid)) };
        Ok(Identity {
            rights: RIGHTS.iter().map(|name| status.field(name).unwrap_or_default().to_string()).collect(),
            root: (root.dev(), root.ino()),
            session,
            process_group,
        })
    }

    /// Whether both act for the same users and groups, under the same restrictions.
    pub(crate) fn has_the_rights_of(&self, other: &Identity) -> bool {
        (&self.rights, self.root) == (&other.rights, other.root)
    }
}
