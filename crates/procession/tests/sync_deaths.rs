//! Random deaths among processes that share one of everything; and the lock beside glibc's robust mutex.

#[path = "common/begin.rs"]
mod begin;
mod workload;

use procession::{Event, Mutex, Process, TaskError, Value};
use procession_testing::{Census, Rng, tests};
use std::{process::ExitCode, thread, time::Duration};
use workload::Everything;

fn main() -> ExitCode {
    begin::begin();
    let mut tests = tests![a_lock_does_as_the_robust_mutex_of_the_c_library_does];
    for run in 1..=10_000 / KILLS {
        tests.push((format!("random_kills::{run}"), Box::new(random_kills)));
    }
    procession_testing::run(tests)
}

/// Works until it's killed.
fn work(everything: Everything, seed: u64, started: Value<u64>) {
    started.fetch_add(1).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| everything.work(seed, usize::MAX));
        everything.work(seed + 1, usize::MAX);
    });
}

/// How many processes a run kills.
const KILLS: u64 = 2000;

/// How many processes work at once.
const WORKERS: usize = 4;

fn random_kills() {
    let mut rng = Rng::new("random kills");
    // With the family, and its forkserver.
    Process::spawn(|| (), ()).unwrap().join().unwrap();
    let before = Census::take_at_rest();
    let everything = Everything::new();
    let started = Value::new(0_u64).unwrap();
    let start =
        |rng: &mut Rng| Process::spawn(work, (everything.clone(), rng.seed(), started.clone())).unwrap();
    let mut workers: Vec<_> = (0..WORKERS).map(|_| start(&mut rng)).collect();
    for kill in 0..KILLS {
        let seen = started.load();
        let victim = workers.swap_remove(rng.below(WORKERS));
        // Anywhere between its start and a few milliseconds later.
        thread::sleep(Duration::from_micros(rng.below(3000) as u64));
        victim.kill().unwrap();
        match victim.join() {
            Err(TaskError::Died(status)) => assert_eq!(status.signal(), Some(9), "after {kill} kills"),
            other => panic!("after {kill} kills: {other:?}"),
        }
        workers.push(start(&mut rng));
        // Now and then all that others left must have been mended by those who go on.
        if rng.below(50) == 0 {
            while started.load() == seen {
                thread::yield_now();
            }
            everything.work(rng.seed(), 20);
        }
    }
    for worker in workers {
        worker.kill().unwrap();
        worker.join().unwrap_err();
    }
    everything.check(KILLS + WORKERS as u64);
    println!("{KILLS} kills, {} starts came to work, {}", started.load(), everything.summary());
    drop((everything, started));
    procession_core::sweep().unwrap();
    let audit = procession::audit().unwrap();
    let left =
        (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible, audit.members);
    assert_eq!(left, (0, 0, 0, 0, 0, 1), "{audit:?}");
    before.wait_until_back();
}

/// A robust, process-shared mutex of the C library in memory that forks share, and the same calls as of ours.
mod robust {
    use std::ptr;

    pub(super) struct Robust(*mut libc::pthread_mutex_t);

    // SAFETY: a process-shared mutex, which is made for several threads.
    unsafe impl Sync for Robust {}

    impl Robust {
        pub(super) fn new() -> Robust {
            // SAFETY: bounds: a mapping of one page for one mutex, whose attributes live on the stack meanwhile. Aliasing: nobody else
            // knows it yet. Lifetime: never unmapped.
            unsafe {
                let (read_write, shared) =
                    (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
                let page = libc::mmap(ptr::null_mut(), 4096, read_write, shared, -1, 0);
                assert_ne!(page, libc::MAP_FAILED);
                let mutex = page.cast::<libc::pthread_mutex_t>();
                let mut attributes = std::mem::zeroed();
                assert_eq!(libc::pthread_mutexattr_init(&raw mut attributes), 0);
                assert_eq!(
                    libc::pthread_mutexattr_setpshared(&raw mut attributes, libc::PTHREAD_PROCESS_SHARED),
                    0
                );
                assert_eq!(
                    libc::pthread_mutexattr_setrobust(&raw mut attributes, libc::PTHREAD_MUTEX_ROBUST),
                    0
                );
                assert_eq!(
                    libc::pthread_mutexattr_settype(&raw mut attributes, libc::PTHREAD_MUTEX_ERRORCHECK),
                    0
                );
                assert_eq!(libc::pthread_mutex_init(mutex, &raw const attributes), 0);
                Robust(mutex)
            }
        }

        pub(super) fn try_lock(&self) -> i32 {
            // SAFETY: bounds, lifetime: see `new`. Aliasing: a mutex.
            unsafe { libc::pthread_mutex_trylock(self.0) }
        }

        pub(super) fn lock_checked(&self) -> i32 {
            // SAFETY: as for `try_lock`.
            unsafe { libc::pthread_mutex_lock(self.0) }
        }

        pub(super) fn make_consistent(&self) {
            // SAFETY: as for `try_lock`.
            assert_eq!(unsafe { libc::pthread_mutex_consistent(self.0) }, 0);
        }

        pub(super) fn unlock(&self) {
            // SAFETY: as for `try_lock`.
            assert_eq!(unsafe { libc::pthread_mutex_unlock(self.0) }, 0);
        }
    }
}

/// What taking a lock came to.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Clean,
    FromTheDead,
    Busy,
    Deadlock,
}

/// The same history of both locks: this process and another take and release them at random, and the other one dies now and then,
/// with the lock or without.
fn a_lock_does_as_the_robust_mutex_of_the_c_library_does() {
    let mut rng = Rng::new("beside the robust mutex");
    let ours = Mutex::new(()).unwrap();
    let theirs = robust::Robust::new();
    let mut deaths = 0;
    for _ in 0..40 {
        // The other side of ours is a process of the family, of theirs a fork, which knows the mapping.
        let (go, done, taken) = (Event::new().unwrap(), Event::new().unwrap(), Value::new(0_u8).unwrap());
        let other =
            Process::spawn(other_side, (ours.clone(), go.clone(), done.clone(), taken.clone())).unwrap();
        let fork = Fork::new(&theirs);
        let mut guard = None;
        let mut other_has = false;
        for _ in 0..rng.below(30) {
            match rng.below(4) {
                // This side tries.
                0 | 1 => {
                    let (ours, theirs) = match &guard {
                        None => {
                            let theirs = match theirs.try_lock() {
                                0 => Taken::Clean,
                                libc::EOWNERDEAD => {
                                    theirs.make_consistent();
                                    Taken::FromTheDead
                                }
                                libc::EBUSY => Taken::Busy,
                                e => panic!("{e}"),
                            };
                            let taken = match ours.try_lock() {
                                Ok(Some(taken)) => {
                                    guard = Some(taken);
                                    Taken::Clean
                                }
                                Ok(None) => Taken::Busy,
                                Err(e) => {
                                    assert!(e.is_poisoned());
                                    ours.clear_poison();
                                    guard = Some(e.into_inner());
                                    Taken::FromTheDead
                                }
                            };
                            (taken, theirs)
                        }
                        Some(_) => {
                            assert_eq!(theirs.lock_checked(), libc::EDEADLK);
                            assert!(ours.lock().unwrap_err().error().is_deadlock());
                            (Taken::Deadlock, Taken::Deadlock)
                        }
                    };
                    assert_eq!(ours, theirs);
                }
                // This side releases.
                2 => {
                    if guard.take().is_some() {
                        theirs.unlock();
                    }
                }
                // The other side tries, or releases.
                _ => {
                    go.set().unwrap();
                    done.wait().unwrap();
                    done.clear().unwrap();
                    other_has = taken.load() == 1;
                    assert_eq!(fork.step(), other_has, "one of the others got it, and one did not");
                }
            }
        }
        // The other side dies.
        deaths += u32::from(other_has);
        other.kill().unwrap();
        other.join().unwrap_err();
        fork.kill();
        if guard.take().is_some() {
            theirs.unlock();
        }
        // What it had goes to the next, as from the dead; what it had not is clean.
        let from_the_dead = other_has;
        assert_eq!(theirs.try_lock() == libc::EOWNERDEAD, from_the_dead);
        if from_the_dead {
            theirs.make_consistent();
        }
        theirs.unlock();
        assert_eq!(ours.lock().is_err(), from_the_dead);
        ours.clear_poison();
    }
    println!("{deaths} of 40 died with the lock");
}

/// A step each time it's told: takes the lock if that's possible, or releases it if it has it.
fn other_side(lock: Mutex<()>, go: Event, done: Event, taken: Value<u8>) {
    let mut guard = None;
    loop {
        go.wait().unwrap();
        go.clear().unwrap();
        guard = match guard {
            None => lock.try_lock().unwrap_or_else(|e| {
                lock.clear_poison();
                Some(e.into_inner())
            }),
            Some(_) => None,
        };
        taken.store(u8::from(guard.is_some())).unwrap();
        done.set().unwrap();
    }
}

/// The same in a plain fork, with their lock: told and asked through pipes.
struct Fork {
    pid: i32,
    go: std::io::PipeWriter,
    taken: std::io::PipeReader,
}

impl Fork {
    fn new(lock: &robust::Robust) -> Fork {
        use std::io::{Read, Write};
        let (mut told, go) = std::io::pipe().unwrap();
        let (taken, mut answer) = std::io::pipe().unwrap();
        // SAFETY: the child reads, writes and uses its mutex, and ends by being killed, or when its pipe ends.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            drop(go);
            let mut has = false;
            while told.read_exact(&mut [0]).is_ok() {
                if has {
                    lock.unlock();
                    has = false;
                } else {
                    has = match lock.try_lock() {
                        0 => true,
                        libc::EOWNERDEAD => {
                            lock.make_consistent();
                            true
                        }
                        _ => false,
                    };
                }
                let _ = answer.write_all(&[u8::from(has)]);
            }
            // SAFETY: ends the child, and runs nothing of the parent's.
            unsafe { libc::_exit(0) };
        }
        Fork { pid, go, taken }
    }

    /// Has it do a step: whether it has the lock then.
    fn step(&self) -> bool {
        use std::io::{Read, Write};
        (&self.go).write_all(&[1]).unwrap();
        let mut taken = [0];
        (&self.taken).read_exact(&mut taken).unwrap();
        taken[0] == 1
    }

    fn kill(self) {
        let mut status = 0;
        // SAFETY: bounds: a child of ours that nobody else waits for, one status word. Aliasing: ours. Lifetime: for the calls.
        unsafe {
            assert_eq!(libc::kill(self.pid, libc::SIGKILL), 0);
            assert_eq!(libc::waitpid(self.pid, &raw mut status, 0), self.pid);
        }
    }
}
