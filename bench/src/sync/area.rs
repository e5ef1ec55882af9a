//! Memory that two processes map, with the peers' locks in it, and a second process of theirs. It's a copy of this program that
//! was executed, not forked, since this one has threads.

use super::{
    locks::{Counted, RawSync},
    pthread::{Flag, RobustMutex, Semaphore},
};
use crate::measure::{Result, same};
use raw_sync::locks::{LockInit, Mutex as RawSyncMutex};
use rustix_futex_sync::shm;
use std::{
    cell::UnsafeCell,
    env,
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    process::{Child, Command},
    ptr::{self, NonNull},
    sync::atomic::{
        AtomicBool, AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Release},
    },
    thread,
    time::{Duration, Instant},
};

/// Whoever hasn't come by then won't.
const PATIENCE: Duration = Duration::from_secs(10);

/// In a cache line that it shares with nothing else, nor with what is fetched along with it.
#[repr(C, align(128))]
struct Apart<T>(T);

/// What lies in the memory. All of it may be changed by the other process at any time, so nothing is plain data. Both processes
/// are the same program, so that they agree on the layout.
#[repr(C)]
struct Shared {
    control: Apart<Control>,
    robust: Apart<Counted<RobustMutex>>,
    futex_sync: Apart<shm::Mutex<u64>>,
    raw_sync: Apart<Counted<UnsafeCell<[u64; 8]>>>,
    flags: [Apart<Flag>; 2],
    semaphores: [Apart<Semaphore>; 2],
    words: [Apart<AtomicU32>; 2],
}

/// Messages: how many, and the sum of their numbers, which wraps.
pub(crate) struct Tally {
    count: AtomicU64,
    sum: AtomicU64,
}

impl Tally {
    /// One of those who count adds what it has.
    pub(crate) fn add(&self, count: u64, sum: u64) {
        self.count.fetch_add(count, Release);
        self.sum.fetch_add(sum, Release);
    }

    pub(crate) fn total(&self) -> (u64, u64) {
        (self.count.load(Acquire), self.sum.load(Acquire))
    }
}

/// How two or more processes start and stop together.
pub(crate) struct Control {
    ready: AtomicU32,
    pub(crate) stop: AtomicBool,
    /// What the second one counted or measured, when the first one may look.
    pub(crate) counted: AtomicU64,
    /// What all of them gave away, and what all of them got.
    pub(crate) given: Tally,
    pub(crate) got: Tally,
}

impl Control {
    /// Says that one more is there; gives how many are.
    pub(crate) fn come(&self) -> u32 {
        self.ready.fetch_add(1, AcqRel) + 1
    }

    /// Waits until so many are there, without leaving the processor, so that all of them go on at the same time.
    pub(crate) fn spin_until(&self, count: u32) -> Result<()> {
        self.until(count, std::hint::spin_loop)
    }

    /// Waits until so many are there, out of their way.
    pub(crate) fn sleep_until(&self, count: u32) -> Result<()> {
        self.until(count, || thread::sleep(Duration::from_micros(100)))
    }

    fn until(&self, count: u32, pause: fn()) -> Result<()> {
        let start = Instant::now();
        while self.ready.load(Acquire) < count {
            if start.elapsed() > PATIENCE {
                return Err("the other process didn't come".into());
            }
            pause();
        }
        Ok(())
    }
}

/// A mapping of the memory.
pub(crate) struct Area {
    shared: NonNull<Shared>,
    file: File,
}

// SAFETY: bounds, lifetime: as for one thread, and the mapping is removed by the last owner. Aliasing: what lies there is made for
// several processes, so also for several threads, and only shared references to it are given.
unsafe impl Send for Area {}
// SAFETY: as above.
unsafe impl Sync for Area {}

impl Area {
    /// New memory, with all locks free.
    pub(crate) fn new() -> Result<Area> {
        // SAFETY: bounds: the name ends with a zero. Aliasing: nothing is written. Lifetime: of the name: for ever.
        let fd = unsafe { libc::memfd_create(c"sync".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: bounds: a descriptor that was just made. Aliasing: nobody else knows it. Lifetime: owned from here on.
        let file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        file.set_len(size_of::<Shared>() as u64)?;
        let area = Area::map(file)?;
        // SAFETY: bounds: a field of what is mapped. Aliasing: nobody else knows the memory yet. Lifetime: mapped until the
        // area is dropped.
        unsafe { (&raw mut (*area.shared.as_ptr()).futex_sync).write(Apart(shm::Mutex::new(0))) };
        let shared = area.shared();
        shared.robust.0.lock.init();
        // SAFETY: bounds: 64 bytes, of which it takes 40. Aliasing: nobody else knows the memory yet. Lifetime: mapped until
        // the area is dropped.
        unsafe { RawSyncMutex::new(shared.raw_sync.0.lock.get().cast(), ptr::null_mut()) }?;
        shared.flags.iter().for_each(|flag| flag.0.init());
        shared.semaphores.iter().for_each(|semaphore| semaphore.0.init());
        Ok(area)
    }

    /// The memory that this process was given as its standard input.
    pub(crate) fn of_stdin() -> Result<Area> {
        // SAFETY: bounds: descriptor 0 is the memory that this process was started with. Aliasing: nobody else uses it.
        // Lifetime: owned from here on.
        Area::map(File::from(unsafe { OwnedFd::from_raw_fd(0) }))
    }

    fn map(file: File) -> Result<Area> {
        same(file.metadata()?.len(), size_of::<Shared>() as u64)?;
        // SAFETY: bounds: the kernel chooses an address where nothing is; the file is as long as that. Aliasing: others map
        // it, and all that lies there is made for it. Lifetime: until the area is dropped.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<Shared>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_POPULATE,
                file.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(address.cast()) {
            Some(shared) if address != libc::MAP_FAILED => Ok(Area { shared, file }),
            _ => Err(io::Error::last_os_error().into()),
        }
    }

    fn shared(&self) -> &Shared {
        // SAFETY: bounds: so much is mapped, and zeroes are valid for all of it. Aliasing: atomics, and cells that only
        // their locks' functions look into. Lifetime: mapped until the area is dropped, which is borrowed.
        unsafe { self.shared.as_ref() }
    }

    pub(crate) fn control(&self) -> &Control {
        &self.shared().control.0
    }

    pub(super) fn robust(&self) -> &Counted<RobustMutex> {
        &self.shared().robust.0
    }

    pub(super) fn futex_sync(&self) -> &shm::Mutex<u64> {
        &self.shared().futex_sync.0
    }

    pub(super) fn raw_sync(&self) -> Result<RawSync<'_>> {
        let place = &self.shared().raw_sync.0;
        // SAFETY: bounds: 64 bytes, of which it takes 40. Aliasing: `new` has made the lock, and only such locks use the bytes.
        // Lifetime: the result borrows the area.
        let (lock, _) = unsafe { RawSyncMutex::from_existing(place.lock.get().cast(), ptr::null_mut()) }?;
        Ok(RawSync { lock, count: &place.count })
    }

    pub(super) fn flags(&self) -> [&Flag; 2] {
        self.shared().flags.each_ref().map(|apart| &apart.0)
    }

    pub(super) fn semaphores(&self) -> [&Semaphore; 2] {
        self.shared().semaphores.each_ref().map(|apart| &apart.0)
    }

    pub(crate) fn words(&self) -> [&AtomicU32; 2] {
        self.shared().words.each_ref().map(|apart| &apart.0)
    }

    /// What a process gets as its standard input, to map the same memory.
    pub(crate) fn to_stdin(&self) -> Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: bounds: what `map` mapped. Aliasing: no reference outlives the area. Lifetime: ends here.
        unsafe { libc::munmap(self.shared.as_ptr().cast(), size_of::<Shared>()) };
    }
}

/// A peer's second process.
pub(crate) struct Other(Child);

impl Other {
    /// By the arguments that tell it what it is.
    pub(crate) fn start(area: &Area, arguments: &[&str]) -> Result<Other> {
        let program = env::current_exe()?;
        Ok(Other(Command::new(program).args(arguments).stdin(area.to_stdin()?).spawn()?))
    }

    pub(super) fn kill(&mut self) -> Result<()> {
        Ok(self.0.kill()?)
    }

    /// Waits until it has done its work.
    pub(crate) fn join(mut self) -> Result<()> {
        same(self.0.wait()?.success(), true)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
