//! How a thread is scheduled: `struct sched_attr` of `sched_getattr(2)`, in its first version.

use std::io;

/// Policy, nice value, priority and the numbers of the deadline policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Scheduling {
    size: u32,
    policy: u32,
    flags: u64,
    pub(crate) nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

impl Scheduling {
    /// The calling thread's.
    pub(crate) fn current() -> io::Result<Scheduling> {
        let mut attributes = Scheduling::default();
        let size = size_of::<Scheduling>();
        // SAFETY: bounds: the kernel writes at most the size that it's told. Aliasing: ours alone. Lifetime: for the call.
        match unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) } {
            0 => Ok(attributes),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Makes it the calling thread's.
    pub(crate) fn set(&self) -> io::Result<()> {
        // SAFETY: bounds: the kernel reads the size that the record says. Aliasing: read only. Lifetime: for the call.
        match unsafe { libc::syscall(libc::SYS_sched_setattr, 0, std::ptr::from_ref(self), 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(crate) fn to_words(self) -> [u64; 6] {
        let [size, policy, priority] = [self.size, self.policy, self.priority].map(u64::from);
        let nice = u64::from(self.nice as u32);
        [size | policy << 32, self.flags, nice | priority << 32, self.runtime, self.deadline, self.period]
    }

    pub(crate) fn from_words(words: [u64; 6]) -> Scheduling {
        let [first, flags, third, runtime, deadline, period] = words;
        Scheduling {
            // Never larger than the record, whatever the words say.
            size: (first as u32).min(size_of::<Scheduling>() as u32),
            policy: (first >> 32) as u32,
            flags,
            nice: third as i32,
            priority: (third >> 32) as u32,
            runtime,
            deadline,
            period,
        }
    }
}
