//! The register: one page that the root shares with its forkserver and with nobody else. The kernel itself enters in it
//! whom the server forked.

use crate::sys::stdio::above_stdio;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{MemfdFlags, ftruncate, memfd_create},
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap},
};
use std::{
    io,
    ptr::{self, NonNull},
    sync::atomic::{
        AtomicU32,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

/// How many forks can be entered at a time; more than there ever are.
pub(crate) const CELLS: usize = 64;

/// The page as mapped by this process. A cell holds the process id of a fork that nobody has claimed yet, or 0.
#[derive(Debug)]
pub(crate) struct Register {
    cells: NonNull<[AtomicU32; CELLS]>,
    /// In the root only, until the server has it.
    file: Option<OwnedFd>,
}

const LEN: usize = CELLS * size_of::<AtomicU32>();

// SAFETY: bounds: the pointer spans a page that stays mapped while the value lives. Aliasing: the cells are atomics.
// Lifetime: it's unmapped when the value is dropped, which nothing can outlive.
unsafe impl Send for Register {}
// SAFETY: as for Send.
unsafe impl Sync for Register {}

impl Register {
    /// Makes one.
    pub(crate) fn create() -> io::Result<Register> {
        let file = above_stdio(memfd_create(c"procession-register", MemfdFlags::CLOEXEC)?)?;
        ftruncate(&file, LEN as u64)?;
        let mut register = Register::map(&file)?;
        register.file = Some(file);
        Ok(register)
    }

    /// Maps the one that the root made, into this process only: no fork of it has the page.
    pub(crate) fn attach(file: OwnedFd) -> io::Result<Register> {
        if (rustix::fs::fstat(&file)?.st_size as usize) < LEN {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let register = Register::map(&file)?;
        // SAFETY: bounds: exactly our mapping. Aliasing: advice doesn't touch contents; a fork of this process gets no page
        // there, and never uses the value. Lifetime: as above.
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

    fn cells(&self) -> &[AtomicU32; CELLS] {
        // SAFETY: bounds: the array is as long as the mapping. Aliasing: atomics, valid for any bits. Lifetime: the borrow
        // ends before the mapping does.
        unsafe { self.cells.as_ref() }
    }

    /// The cell for the server's `number`th fork.
    pub(crate) fn cell(&self, number: usize) -> &AtomicU32 {
        &self.cells()[number % CELLS]
    }

    /// The root's part: the fork in that cell is the caller's from now on, unless somebody else was faster.
    pub(crate) fn claim(&self, cell: usize, pid: u32) -> bool {
        let cell = self.cells().get(cell);
        cell.is_some_and(|cell| cell.compare_exchange(pid, 0, AcqRel, Relaxed).is_ok())
    }

    /// What the caller claimed is nobody's again; unless another fork has been entered there meanwhile.
    pub(crate) fn put_back(&self, cell: usize, pid: u32) {
        if let Some(cell) = self.cells().get(cell) {
            let _ = cell.compare_exchange(0, pid, Release, Relaxed);
        }
    }

    /// All that nobody has claimed.
    pub(crate) fn unclaimed(&self) -> impl Iterator<Item = (usize, u32)> {
        self.cells().iter().map(|cell| cell.load(Acquire)).enumerate().filter(|(_, pid)| *pid != 0)
    }
}

impl Drop for Register {
    fn drop(&mut self) {
        // SAFETY: bounds: exactly our mapping. Aliasing: no borrow of a cell outlives the value. Lifetime: it ends here.
        let _ = unsafe { munmap(self.cells.as_ptr().cast(), LEN) };
    }
}
