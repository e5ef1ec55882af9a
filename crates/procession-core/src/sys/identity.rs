//! What a process can't hand on to a copy of another process: who it acts for, and where signals of a terminal reach it.

use std::io;

/// Two processes with the same identity may stand for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Real, effective and saved user and group: who it acts for.
    users: [libc::uid_t; 3],
    groups: [libc::gid_t; 3],
    /// The session and the process group.
    session: i32,
    process_group: i32,
    /// Restrictions of the calling thread: no new privileges, and the mode of system call filters.
    restrictions: [i32; 2],
}

impl Identity {
    /// Of the calling thread.
    pub(crate) fn current() -> io::Result<Identity> {
        let (mut users, mut groups) = ([0; 3], [0; 3]);
        let [user, effective_user, saved_user] = &mut users;
        let [group, effective_group, saved_group] = &mut groups;
        // SAFETY: bounds: each writes three words, which are ours. Aliasing: ours alone. Lifetime: for the calls.
        let failed = unsafe {
            libc::getresuid(user, effective_user, saved_user) != 0
                || libc::getresgid(group, effective_group, saved_group) != 0
        };
        if failed {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: bounds: the commands take no memory. Aliasing, lifetime: none is passed.
        let ask = |command| unsafe { libc::prctl(command, 0, 0, 0, 0) };
        Ok(Identity {
            users,
            groups,
            session: rustix::process::getsid(None)?.as_raw_nonzero().get(),
            process_group: rustix::process::getpgrp().as_raw_nonzero().get(),
            restrictions: [ask(libc::PR_GET_NO_NEW_PRIVS), ask(libc::PR_GET_SECCOMP)],
        })
    }

    /// Whether both act for the same users and groups.
    pub(crate) fn acts_for_the_same(&self, other: &Identity) -> bool {
        (self.users, self.groups) == (other.users, other.groups)
    }
}
