//! The register: one page that the root shares with its forkserver and with nobody else. It has a cell for each slot of
//! the process table; in it the kernel itself answers who was forked for that slot.

use crate::{
    members::SLOTS,
    sys::{clock::Deadline, futex::Futex},
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{MemfdFlags, ftruncate, memfd_create},
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap},
};
use std::{
    io,
    ptr::{self, NonNull},
    sync::atomic::Ordering::{Acquire, Release},
};

/// The page as mapped by this process.
#[derive(Debug)]
pub(crate) struct Register {
    cells: NonNull<[Futex; SLOTS]>,
    /// In the root only, until the server has it.
    file: Option<OwnedFd>,
}

/// What a cell says.
///
/// | word | meaning |
/// |---|---|
/// | 0 | never asked |
/// | `ASKED` | the root has asked, or is about to |
/// | more than 0 | the process id of the copy, written by the kernel |
/// | other, less than 0 | there is no copy; the error's number, negated |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    None,
    Forked(u32),
    Refused(i32),
}

const ASKED: u32 = i32::MIN as u32;

const LEN: usize = SLOTS * size_of::<Futex>();

// SAFETY: bounds: the pointer spans a page that stays mapped while the value lives. Aliasing: the cells are atomics.
// Lifetime: it's unmapped when the value is dropped, which nothing can outlive.
unsafe impl Send for Register {}
// SAFETY: as for Send.
unsafe impl Sync for Register {}

impl Register {
    /// Makes one.
    pub(crate) fn create() -> io::Result<Register> {
        let file = memfd_create(c"procession-register", MemfdFlags::CLOEXEC)?;
        let file = rustix::io::fcntl_dupfd_cloexec(&file, 3)?;
        ftruncate(&file, LEN as u64)?;
        let mut register = Register::map(&file)?;
        register.file = Some(file);
        Ok(register)
    }

    /// Maps the one that the root made, into this process only: no copy of it has the page.
    pub(crate) fn attach(file: OwnedFd) -> io::Result<Register> {
        if (rustix::fs::fstat(&file)?.st_size as usize) < LEN {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let register = Register::map(&file)?;
        // SAFETY: bounds: exactly our mapping. Aliasing: advice doesn't touch contents; a copy of this process gets no
        // page there, and never uses the value. Lifetime: as above.
        unsafe { madvise(register.cells.as_ptr().cast(), LEN, Advice::LinuxDontFork)? };
        Ok(register)
    }

    fn map(file: &OwnedFd) -> io::Result<Register> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: bounds: a new mapping at an address of the kernel's choice, as long as the cells. Aliasing: nothing
        // else is there. Lifetime: until the value is dropped.
        let page = unsafe { mmap(ptr::null_mut(), LEN, protection, MapFlags::SHARED, file, 0)? };
        let cells = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Register { cells, file: None })
    }

    /// What the server is to attach.
    pub(crate) fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(|file| file.as_fd())
    }

    /// Once it has.
    pub(crate) fn close_file(&mut self) {
        self.file = None;
    }

    pub(crate) fn cell(&self, slot: usize) -> &Futex {
        // SAFETY: bounds: the array is as long as the mapping, and indexing is checked. Aliasing: atomics, valid for any
        // bits. Lifetime: the borrow ends before the mapping does.
        unsafe { &self.cells.as_ref()[slot] }
    }

    /// The root's part, before it asks.
    pub(crate) fn ask(&self, slot: usize) {
        self.cell(slot).store(ASKED, Release);
    }

    pub(crate) fn answer(&self, slot: usize) -> Answer {
        match self.cell(slot).load(Acquire) {
            0 | ASKED => Answer::None,
            word if word as i32 > 0 => Answer::Forked(word),
            word => Answer::Refused((word as i32).wrapping_neg()),
        }
    }

    /// Sleeps until there may be an answer.
    pub(crate) fn sleep(&self, slot: usize, deadline: Deadline) {
        self.cell(slot).wait(ASKED, deadline);
    }

    /// The server's part: there is an answer.
    pub(crate) fn wake(&self, slot: usize) {
        self.cell(slot).wake(crate::sys::futex::ALL);
    }

    /// The server's part: there is no copy, for this reason.
    pub(crate) fn refuse(&self, slot: usize, error: &io::Error) {
        let number = error.raw_os_error().unwrap_or(libc::EIO);
        self.cell(slot).store(number.wrapping_neg() as u32, Release);
    }

    /// Wakes all who still wait for an answer.
    pub(crate) fn wake_all(&self) {
        for slot in 0..SLOTS {
            if self.cell(slot).load(Acquire) == ASKED {
                self.wake(slot);
            }
        }
    }
}

impl Drop for Register {
    fn drop(&mut self) {
        // SAFETY: bounds: exactly our mapping. Aliasing: no borrow of a cell outlives the value. Lifetime: it ends here.
        let _ = unsafe { munmap(self.cells.as_ptr().cast(), LEN) };
    }
}
