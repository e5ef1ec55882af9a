//! Anonymous shared memory: a memfd, and one large mapping of it that is never moved and never unmapped.

use crate::{
    error::{Error, ErrorKind, Result},
    sys::stdio::above_stdio,
};
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fstat, ftruncate, memfd_create},
    io::Errno,
    mm::{Advice, MapFlags, ProtFlags, madvise, mmap},
};
use std::ptr::{self, NonNull};

/// A shared mapping of a whole memfd, for the life of the process.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    file: OwnedFd,
}

// SAFETY: bounds: the pointer spans `len` bytes mapped for good. Aliasing: what may be accessed how is the business of
// the protocols above; this type hands out a raw pointer only. Lifetime: never unmapped, so it is valid in any thread.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Creates a memfd of `len` bytes that can neither shrink nor grow. It has no pages yet: `commit` gives it some.
    ///
    /// Fails with `Errno::NOMEM` or `FBIG` where this length cannot be reserved (`RLIMIT_AS`, `RLIMIT_FSIZE`); a smaller one may work.
    pub(crate) fn create(len: usize) -> rustix::io::Result<Mapping> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Kernels before 6.3 answer EINVAL to NOEXEC_SEAL.
        let file = memfd_create(c"procession", flags | MemfdFlags::NOEXEC_SEAL)
            .or_else(|_| memfd_create(c"procession", flags))?;
        let file = above_stdio(file)?;
        // Past RLIMIT_FSIZE the kernel would send SIGXFSZ as well as the error.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize).current;
        if limit.is_some_and(|limit| limit < len as u64) {
            return Err(Errno::FBIG);
        }
        ftruncate(&file, len as u64)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Mapping::map(file, len)
    }

    /// Maps a memfd that came from another member, after checking that nobody can shrink it under us.
    pub(crate) fn attach(file: OwnedFd) -> Result<Mapping> {
        let attempt = "could not attach to the family's shared memory";
        let stat = fstat(&file).map_err(|e| Error::system(attempt, e))?;
        let seals = rustix::fs::fcntl_get_seals(&file).map_err(|e| Error::system(attempt, e))?;
        if !seals.contains(SealFlags::SHRINK) || stat.st_size <= 0 {
            return Err(Error::corrupted("the inherited descriptor is not a sealed arena"));
        }
        Mapping::map(file, stat.st_size as usize).map_err(|e| match e {
            Errno::NOMEM => Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "{attempt}: {} bytes of address space; is RLIMIT_AS lower than in the root?",
                    stat.st_size
                ),
            ),
            e => Error::system(attempt, e),
        })
    }

    fn map(file: OwnedFd, len: usize) -> rustix::io::Result<Mapping> {
        let (protection, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::NORESERVE);
        // SAFETY: bounds: a new mapping at an address of the kernel's choice. Aliasing: nothing else is there.
        // Lifetime: never unmapped by us.
        let base = unsafe { mmap(ptr::null_mut(), len, protection, flags, &file, 0)? };
        let base = NonNull::new(base.cast::<u8>()).ok_or(Errno::FAULT)?;
        // Keep gigabytes of reservation out of core files. A hint: its failure changes nothing.
        // SAFETY: bounds: exactly our mapping. Aliasing: advice does not touch contents. Lifetime: as above.
        let _ = unsafe { madvise(base.as_ptr().cast(), len, Advice::LinuxDontDump) };
        Ok(Mapping { base, len, file })
    }

    /// The first byte.
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Gives the range pages of its own, so that touching them cannot raise SIGBUS. Idempotent.
    ///
    /// # Errors
    ///
    /// Out of memory when the machine or the control group has none left.
    pub(crate) fn commit(&self, offset: usize, len: usize) -> Result<()> {
        // In pieces, because a signal undoes one that isn't finished: a program with a fast timer would get nowhere.
        const PIECE: usize = 2 << 20;
        let mut done = 0;
        while done < len {
            let piece = PIECE.min(len - done);
            match fallocate(&self.file, FallocateFlags::empty(), (offset + done) as u64, piece as u64) {
                Ok(()) => done += piece,
                Err(Errno::INTR) => {}
                Err(e) => {
                    return Err(Error::new(
                        ErrorKind::OutOfMemory,
                        format!("the arena could not grow by {len} bytes: {}", std::io::Error::from(e)),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Gives the pages of the range back to the machine; they read as zero afterwards, and need a new `commit`.
    pub(crate) fn release(&self, offset: usize, len: usize) {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        // Where it fails the memory merely stays allocated.
        let _ = fallocate(&self.file, flags, offset as u64, len as u64);
    }
}
