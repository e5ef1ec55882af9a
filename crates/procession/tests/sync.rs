//! Locks, semaphores, conditions, events, barriers and shared values: what each does, also as Python documents it of its own.

use procession::{
    Array, Barrier, BoundedSemaphore, Condition, Event, Mutex, Once, OnceValue, Pool, Process,
    ReentrantMutex, RwLock, Semaphore, TaskError, Value, family,
};
use procession_testing::tests;
use serde::{Deserialize, Serialize};
use std::{
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

const SOON: Duration = Duration::from_millis(20);

fn main() -> ExitCode {
    procession::init();
    procession_testing::run(tests![
        handles::travel_in_arguments_results_and_structures,
        handles::travel_through_a_pool,
        handles::that_are_not_received_are_given_back,
        handles::of_tasks_that_run_elsewhere_go_with_them,
        handles::are_received_while_others_sweep,
        handles::end_with_the_last_of_them,
        handles::are_of_one_type,
        handles::do_not_leave_the_family,
        handles::are_refused_in_a_plain_fork,
        mutex::excludes,
        mutex::is_not_taken_twice,
        mutex::is_poisoned_by_a_panic_and_by_a_death,
        mutex::timeouts,
        mutex::is_not_taken_from_the_stopped,
        reentrant::counts_per_thread_and_process,
        reentrant::is_poisoned_at_whatever_depth,
        rw_lock::readers_together_writers_alone,
        rw_lock::deaths,
        semaphore::two_at_a_time,
        semaphore::unowned_style,
        semaphore::bounded_release,
        semaphore::permits_of_the_dead_come_back,
        condition::wakes_one_or_all,
        condition::timeouts,
        condition::producer_and_consumer,
        event::wait_result,
        event::set_and_cleared_at_once_wakes_who_waited,
        barrier::passes_and_tells_apart,
        barrier::abort_and_reset,
        barrier::a_timeout_breaks_it,
        barrier::a_death_breaks_it,
        barrier::an_orderly_end_does_not_break_it,
        once::once,
        once::a_death_or_panic_before_the_end_leaves_it_undone,
        value::integers,
        value::of_any_size_are_never_torn,
        value::a_panic_or_death_leaves_it,
        array::parts,
        array::bad_ranges,
        array::poison,
        array::large,
        diagnosis::says_who_holds_and_who_waits,
        diagnosis::names_a_deadlock_between_processes,
        diagnosis::names_no_deadlock_where_there_is_none,
        diagnosis::a_semaphore_can_be_part_of_a_deadlock,
    ])
}

/// Everything has gone: objects, references, blocks.
fn assert_nothing_left() {
    procession_core::sweep().unwrap();
    let audit = procession::audit().unwrap();
    let left = (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible);
    assert_eq!(left, (0, 0, 0, 0, 0), "{audit:?}");
}

/// Waits until so many sleep for the object.
fn until_waiting(count: usize, waiters: impl Fn() -> usize) {
    while waiters() != count {
        thread::yield_now();
    }
}

/// A process that dies while it has what `take` takes.
fn killed_with<H: Serialize + serde::de::DeserializeOwned, F: procession::Task<(H, Event), Output = ()>>(
    f: F,
    handle: H,
) {
    let ready = Event::new().unwrap();
    let victim = Process::spawn(f, (handle, ready.clone())).unwrap();
    ready.wait().unwrap();
    victim.kill().unwrap();
    assert!(matches!(victim.join(), Err(TaskError::Died(status)) if status.signal() == Some(9)));
}

/// A panic that prints nothing.
fn blow<T>() -> T {
    std::panic::resume_unwind(Box::new("on purpose"))
}

fn park() {
    loop {
        thread::park();
    }
}

mod handles {
    use super::*;

    #[derive(Clone, Serialize, Deserialize)]
    struct Shared {
        name: String,
        events: Vec<Option<Event>>,
        more: (Mutex<u64>, Semaphore, BoundedSemaphore, Barrier, Condition),
        still_more: Box<(RwLock<u8>, ReentrantMutex<i16>, Once, OnceValue<f64>, Value<u32>, Array<u16>)>,
    }

    pub(super) fn travel_in_arguments_results_and_structures() {
        let shared = Shared {
            name: "all".into(),
            events: vec![Some(Event::new().unwrap()), None],
            more: (
                Mutex::new(1).unwrap(),
                Semaphore::new(2).unwrap(),
                BoundedSemaphore::new(1).unwrap(),
                Barrier::new(2).unwrap(),
                Condition::new().unwrap(),
            ),
            still_more: Box::new((
                RwLock::new(0).unwrap(),
                ReentrantMutex::new(0).unwrap(),
                Once::new().unwrap(),
                OnceValue::new().unwrap(),
                Value::new(5).unwrap(),
                Array::new(3).unwrap(),
            )),
        };
        let use_all = |shared: Shared| {
            shared.events[0].as_ref().unwrap().set().unwrap();
            *shared.more.0.lock().unwrap() += 1;
            shared.more.1.acquire().unwrap().forget();
            shared.more.2.acquire().unwrap().forget();
            shared.more.4.notify_all().unwrap();
            *shared.still_more.0.write().unwrap() = 7;
            shared.still_more.1.lock().unwrap().set(8);
            shared.still_more.2.call_once(|| ()).unwrap();
            shared.still_more.3.get_or_init(|| 0.5).unwrap();
            shared.still_more.4.fetch_add(1).unwrap();
            shared.still_more.5.lock().unwrap()[2] = 9;
            shared
        };
        let back = Process::spawn(use_all, (shared.clone(),)).unwrap().join().unwrap();
        for shared in [&shared, &back] {
            assert!(shared.name == "all" && shared.events[0].as_ref().unwrap().is_set());
            assert_eq!(*shared.more.0.lock().unwrap(), 2);
            assert_eq!(
                (shared.more.1.available(), shared.more.2.available(), shared.more.3.parties()),
                (1, 0, 2)
            );
            assert_eq!(
                (*shared.still_more.0.read().unwrap(), shared.still_more.1.lock().unwrap().get()),
                (7, 8)
            );
            assert!(shared.still_more.2.is_completed());
            assert_eq!((shared.still_more.3.get(), shared.still_more.4.load()), (Some(&0.5), 6));
            assert_eq!(shared.still_more.5.to_vec().unwrap(), [0, 0, 9]);
        }
        drop((shared, back));
        assert_nothing_left();
    }

    pub(super) fn travel_through_a_pool() {
        let pool = Pool::new(2).unwrap();
        let make = |i: u64| {
            let event = Event::new().unwrap();
            if i % 2 == 0 {
                event.set().unwrap();
            }
            (event, vec![i as u8; i as usize * 200])
        };
        let events = pool.map(make, 0..100).unwrap();
        for (i, (event, bytes)) in events.iter().enumerate() {
            assert!(event.is_set() == (i % 2 == 0) && bytes.len() == i * 200);
        }
        let set = |event: Event, _: Vec<u8>| {
            let was = event.is_set();
            event.set().unwrap();
            was
        };
        let was_set = pool.starmap(set, events.clone()).unwrap();
        assert_eq!(was_set.iter().filter(|set| **set).count(), 50);
        assert!(events.iter().all(|(event, _)| event.is_set()));
        // A result can be looked at more than once.
        let result = pool.apply_async(|event: Event| event, (events[0].0.clone(),)).unwrap();
        assert!(result.get().unwrap().is_set() && result.get().unwrap().is_set());
        drop((result, events));
        pool.join().unwrap();
        assert_nothing_left();
    }

    pub(super) fn that_are_not_received_are_given_back() {
        let event = || (Event::new().unwrap(),);
        // Of a process that dies before it could have received it, one that can't decode it, one whose value nobody takes.
        Process::spawn(|_: Event| -> () { std::process::abort() }, event()).unwrap().join().unwrap_err();
        let e = Process::spawn(
            |_: Event, _: procession_testing::OneWay| (),
            (event().0, procession_testing::OneWay(1)),
        );
        assert!(matches!(e.unwrap().join(), Err(TaskError::Codec(_))));
        let process = Process::spawn(|| vec![Event::new().unwrap(); 3], ()).unwrap();
        while process.is_alive() {
            thread::yield_now();
        }
        drop(process);
        assert_nothing_left();
        // Of tasks that never run, and results that nobody takes.
        let pool = Pool::new(1).unwrap();
        let running = Event::new().unwrap();
        let block = |running: Event| -> () {
            running.set().unwrap();
            park()
        };
        let blocked = pool.apply_async(block, (running.clone(),)).unwrap();
        running.wait().unwrap();
        let queued: Vec<_> =
            (0..50).map(|_| pool.apply_async(|e: Event| e.is_set(), event()).unwrap()).collect();
        pool.terminate();
        assert!(queued.iter().all(|result| matches!(result.get(), Err(TaskError::Cancelled))));
        drop((pool, queued, blocked, running));
        let pool = Pool::new(1).unwrap();
        for _ in 0..50 {
            let _ = pool.apply_async(|| Event::new().unwrap(), ()).unwrap();
        }
        pool.join().unwrap();
        assert_nothing_left();
    }

    pub(super) fn of_tasks_that_run_elsewhere_go_with_them() {
        let pool = Pool::new(1).unwrap();
        let go = Event::new().unwrap();
        let die = |go: Event| -> bool {
            go.wait().unwrap();
            std::process::abort()
        };
        let died = pool.apply_async(die, (go.clone(),)).unwrap();
        let set = |event: Event| event.set().is_ok();
        let queued: Vec<_> =
            (0..5).map(|_| pool.apply_async(set, (Event::new().unwrap(),)).unwrap()).collect();
        go.set().unwrap();
        assert!(matches!(died.get(), Err(TaskError::Died(_))));
        assert!(queued.iter().all(|result| result.get().unwrap()));
        drop((died, queued, go));
        pool.join().unwrap();
        assert_nothing_left();
    }

    pub(super) fn are_received_while_others_sweep() {
        let make = || {
            let events: Vec<Event> = (0..20).map(|_| Event::new().unwrap()).collect();
            events.iter().for_each(|event| event.set().unwrap());
            events
        };
        let done = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) == 0 {
                    procession_core::sweep().unwrap();
                }
            });
            let make_and_look = || {
                for _ in 0..300 {
                    let events = Process::spawn(make, ()).unwrap().join().unwrap();
                    assert!(events.iter().all(Event::is_set));
                    let there = procession::audit().unwrap().objects.get("Event").copied();
                    assert!(there >= Some(20), "{there:?} of 20");
                }
            };
            let made = std::panic::catch_unwind(make_and_look);
            done.store(1, Ordering::Relaxed);
            made.unwrap();
        });
        assert_nothing_left();
    }

    pub(super) fn end_with_the_last_of_them() {
        for _ in 0..50 {
            let mutex = Mutex::new([1_u64; 100]).unwrap();
            let more: Vec<_> = (0..20).map(|_| mutex.clone()).collect();
            let process =
                Process::spawn(|mutex: Mutex<[u64; 100]>| mutex.lock().unwrap()[7], (mutex,)).unwrap();
            drop(more);
            assert_eq!(process.join().unwrap(), 1);
        }
        assert_nothing_left();
    }

    pub(super) fn are_of_one_type() {
        // One that is encoded as another, by hand.
        #[derive(Serialize, Deserialize)]
        struct Disguised<A, B>(A, Option<B>);
        let send = |disguised: Disguised<Mutex<u64>, ()>| disguised;
        let sent = Process::spawn(send, (Disguised(Mutex::new(1).unwrap(), None),)).unwrap().join().unwrap();
        assert_eq!(*sent.0.lock().unwrap(), 1);
        drop(sent);
        struct As<T>(Mutex<u64>, std::marker::PhantomData<T>);
        impl<T> Serialize for As<T> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }
        impl<'de, T: Deserialize<'de>> Deserialize<'de> for As<T> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<As<T>, D::Error> {
                T::deserialize(deserializer).map(|_| unreachable!("it isn't one"))
            }
        }
        fn refused<T: serde::de::DeserializeOwned + 'static>() -> String {
            let sent = As::<T>(Mutex::new(1).unwrap(), std::marker::PhantomData);
            match Process::spawn(|_: As<T>| (), (sent,)).unwrap().join() {
                Err(TaskError::Codec(e)) => e.to_string(),
                other => panic!("{other:?}"),
            }
        }
        assert!(refused::<Event>().contains("As"), "{}", refused::<Event>());
        refused::<Mutex<u32>>();
        refused::<Semaphore>();
        refused::<Array<u64>>();
        assert_nothing_left();
    }

    pub(super) fn do_not_leave_the_family() {
        let event = Event::new().unwrap();
        let e = postcard::to_stdvec(&event).unwrap_err();
        assert!(matches!(e, postcard::Error::SerdeSerCustom), "{e}");
        assert!(postcard::from_bytes::<Event>(&[0]).is_err());
    }

    pub(super) fn are_refused_in_a_plain_fork() {
        let (mutex, event, semaphore) =
            (Mutex::new(1_u8).unwrap(), Event::new().unwrap(), Semaphore::new(1).unwrap());
        let (guard, permit) = (mutex.lock().unwrap(), semaphore.acquire().unwrap());
        // SAFETY: the child only uses handles, which refuse, and leaves.
        match unsafe { libc::fork() } {
            0 => {
                let refused = |result: procession::Result<()>| result.is_err_and(|e| e.is_forked());
                let all = refused(event.set())
                    && refused(mutex.lock().map(|_| ()).map_err(Into::into))
                    && refused(semaphore.acquire().map(|_| ()))
                    && refused(Event::new().map(|_| ()));
                drop((guard, permit, event));
                // SAFETY: ends the child, and runs nothing of the parent's.
                unsafe { libc::_exit(if all { 0 } else { 1 }) }
            }
            child => {
                let mut status = 0;
                // SAFETY: one status word, ours.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                assert_eq!(status, 0);
            }
        }
        assert!(mutex.try_lock().unwrap_err().error().is_deadlock(), "still held");
        assert_eq!(semaphore.available(), 0);
        drop((guard, permit));
        assert!(!mutex.is_poisoned() && semaphore.available() == 1);
    }
}

mod mutex {
    use super::*;

    fn count(mutex: Mutex<[u64; 2]>, times: usize) {
        for _ in 0..times {
            let mut pair = mutex.lock().unwrap();
            assert_eq!(pair[0], pair[1]);
            pair[0] += 1;
            std::hint::spin_loop();
            pair[1] += 1;
        }
    }

    pub(super) fn excludes() {
        let mutex = Mutex::new([0; 2]).unwrap();
        let others: Vec<_> =
            (0..3).map(|_| Process::spawn(count, (mutex.clone(), 20_000)).unwrap()).collect();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| count(mutex.clone(), 20_000));
            }
        });
        others.into_iter().for_each(|other| other.join().unwrap());
        assert_eq!(*mutex.lock().unwrap(), [100_000; 2]);
    }

    pub(super) fn is_not_taken_twice() {
        let mutex = Mutex::new(()).unwrap();
        let guard = mutex.lock().unwrap();
        for result in [mutex.lock().map(Some), mutex.try_lock(), mutex.lock_timeout(SOON)] {
            let e = result.unwrap_err();
            assert!(!e.is_poisoned() && e.error().is_deadlock(), "{e}");
        }
        // Another thread waits as it should, another process too.
        thread::scope(|scope| assert!(scope.spawn(|| mutex.try_lock().unwrap().is_none()).join().unwrap()));
        let try_it = |mutex: Mutex<()>| mutex.try_lock().unwrap().is_none();
        assert!(Process::spawn(try_it, (mutex.clone(),)).unwrap().join().unwrap());
        drop(guard);
        assert!(mutex.try_lock().unwrap().is_some());
    }

    pub(super) fn is_poisoned_by_a_panic_and_by_a_death() {
        let mutex = Mutex::new(1_u64).unwrap();
        let panicked = thread::scope(|scope| {
            let mutex = &mutex;
            scope
                .spawn(move || {
                    let _guard = mutex.lock().unwrap();
                    blow::<()>();
                })
                .join()
        });
        assert!(panicked.is_err() && mutex.is_poisoned());
        let e = mutex.lock().unwrap_err();
        assert!(e.is_poisoned());
        *e.into_inner() += 1;
        assert!(procession::Error::from(mutex.lock().unwrap_err()).is_poisoned());
        mutex.clear_poison();
        assert_eq!(*mutex.lock().unwrap(), 2);

        let die = |mutex: Mutex<u64>, ready: Event| {
            let mut guard = mutex.lock().unwrap();
            *guard = 7;
            ready.set().unwrap();
            park();
        };
        killed_with(die, mutex.clone());
        assert_eq!(*mutex.lock().unwrap_err().into_inner(), 7);
        mutex.clear_poison();
        assert!(mutex.lock().is_ok());
        // One that waits gets it as well.
        let ready = Event::new().unwrap();
        let victim = Process::spawn(die, (mutex.clone(), ready.clone())).unwrap();
        ready.wait().unwrap();
        let waiter = Process::spawn(
            |mutex: Mutex<u64>| mutex.lock().is_err_and(|e| e.is_poisoned()),
            (mutex.clone(),),
        );
        until_waiting(1, || mutex.statistics().waiters.len());
        victim.kill().unwrap();
        assert!(waiter.unwrap().join().unwrap());
    }

    pub(super) fn timeouts() {
        let mutex = Mutex::new(0_u8).unwrap();
        let guard = mutex.lock().unwrap();
        thread::scope(|scope| {
            let wait = || mutex.lock_timeout(SOON).unwrap().is_none();
            assert!(scope.spawn(wait).join().unwrap());
            let patient = scope.spawn(|| mutex.lock_timeout(Duration::MAX).unwrap().is_some());
            until_waiting(1, || mutex.statistics().waiters.len());
            drop(guard);
            assert!(patient.join().unwrap());
        });
    }

    pub(super) fn is_not_taken_from_the_stopped() {
        let (mutex, ready) = (Mutex::new(0_u8).unwrap(), Event::new().unwrap());
        let hold = |mutex: Mutex<u8>, ready: Event| {
            let guard = mutex.lock().unwrap();
            ready.set().unwrap();
            while !ready.is_set() {}
            let _ = guard;
            park();
        };
        let holder = Process::spawn(hold, (mutex.clone(), ready.clone())).unwrap();
        ready.wait().unwrap();
        procession_testing::stop(holder.pid()).unwrap();
        // Longer than a slice of waiting, after which the kernel is asked.
        assert!(mutex.lock_timeout(Duration::from_millis(1200)).unwrap().is_none());
        holder.kill().unwrap();
        assert!(mutex.lock().unwrap_err().is_poisoned());
        holder.join().unwrap_err();
    }
}

mod reentrant {
    use super::*;

    pub(super) fn counts_per_thread_and_process() {
        let lock = ReentrantMutex::new(1_u32).unwrap();
        let outer = lock.lock().unwrap();
        let inner = lock.try_lock().unwrap().unwrap();
        let innermost = lock.lock_timeout(SOON).unwrap().unwrap();
        innermost.set(outer.get() + inner.get());
        drop(outer);
        let is_busy = |lock: ReentrantMutex<u32>| lock.try_lock().unwrap().is_none();
        let from_elsewhere = || {
            let other = Process::spawn(is_busy, (lock.clone(),)).unwrap();
            let thread = thread::scope(|scope| scope.spawn(|| is_busy(lock.clone())).join().unwrap());
            (other.join().unwrap(), thread)
        };
        assert_eq!(from_elsewhere(), (true, true));
        drop(inner);
        assert_eq!(from_elsewhere(), (true, true));
        drop(innermost);
        assert_eq!(from_elsewhere(), (false, false));
        assert_eq!(lock.lock().unwrap().get(), 2);
    }

    pub(super) fn is_poisoned_at_whatever_depth() {
        let lock = ReentrantMutex::new(0_u8).unwrap();
        let die = |lock: ReentrantMutex<u8>, ready: Event| {
            let _guards = (lock.lock().unwrap(), lock.lock().unwrap(), lock.lock().unwrap());
            ready.set().unwrap();
            park();
        };
        killed_with(die, lock.clone());
        drop(lock.lock().unwrap_err().into_inner());
        lock.clear_poison();
        // Free after as many releases as this thread took it.
        drop(lock.lock().unwrap());
        assert!(thread::scope(|scope| scope.spawn(|| lock.try_lock().unwrap().is_some()).join().unwrap()));
    }
}

mod rw_lock {
    use super::*;

    fn write(lock: RwLock<[u64; 2]>, times: usize) {
        for _ in 0..times {
            let mut pair = lock.write().unwrap();
            pair[0] += 1;
            std::hint::spin_loop();
            pair[1] += 1;
        }
    }

    fn read(lock: RwLock<[u64; 2]>, times: usize) {
        for _ in 0..times {
            let pair = lock.read().unwrap();
            assert_eq!(pair[0], pair[1]);
        }
    }

    pub(super) fn readers_together_writers_alone() {
        let lock = RwLock::new([0_u64; 2]).unwrap();
        let first = lock.read().unwrap();
        // Together, also in one thread, also while a writer waits.
        thread::scope(|scope| {
            assert!(scope.spawn(|| lock.try_read().unwrap().is_some()).join().unwrap());
            let writer = scope.spawn(|| lock.write().unwrap()[0]);
            until_waiting(1, || lock.statistics().waiters.len());
            drop(lock.read().unwrap());
            assert!(scope.spawn(|| lock.try_read().unwrap().is_none()).join().unwrap(), "a writer waits");
            assert!(scope.spawn(|| lock.read_timeout(SOON).unwrap().is_none()).join().unwrap());
            assert!(lock.write().unwrap_err().error().is_deadlock());
            drop(first);
            writer.join().unwrap();
        });
        let writer = lock.write().unwrap();
        assert!(
            lock.read().unwrap_err().error().is_deadlock() && lock.write().unwrap_err().error().is_deadlock()
        );
        thread::scope(|scope| {
            assert!(scope.spawn(|| lock.write_timeout(SOON).unwrap().is_none()).join().unwrap());
            assert!(scope.spawn(|| lock.try_write().unwrap().is_none()).join().unwrap());
        });
        drop(writer);
        let processes = [
            Process::spawn(write, (lock.clone(), 5000)).unwrap(),
            Process::spawn(read, (lock.clone(), 5000)).unwrap(),
            Process::spawn(write, (lock.clone(), 5000)).unwrap(),
            Process::spawn(read, (lock.clone(), 5000)).unwrap(),
        ];
        processes.into_iter().for_each(|process| process.join().unwrap());
        assert_eq!(*lock.read().unwrap(), [10_000; 2]);
    }

    pub(super) fn deaths() {
        let lock = RwLock::new(0_u32).unwrap();
        let read = |lock: RwLock<u32>, ready: Event| {
            let _guards = (lock.read().unwrap(), lock.read().unwrap());
            ready.set().unwrap();
            park();
        };
        killed_with(read, lock.clone());
        *lock.write().unwrap() += 1;
        // A writer that sleeps for a reader that dies; and a reader that was leaked.
        let leak = |lock: RwLock<u32>, ready: Event| {
            std::mem::forget(lock.read().unwrap());
            drop(lock);
            ready.set().unwrap();
            park();
        };
        let ready = Event::new().unwrap();
        let reader = Process::spawn(leak, (lock.clone(), ready.clone())).unwrap();
        ready.wait().unwrap();
        thread::scope(|scope| {
            let writer = scope.spawn(|| *lock.write().unwrap() += 1);
            until_waiting(1, || lock.statistics().waiters.len());
            reader.kill().unwrap();
            writer.join().unwrap();
        });
        assert!(!lock.is_poisoned());
        let write = |lock: RwLock<u32>, ready: Event| {
            let _guard = lock.write().unwrap();
            ready.set().unwrap();
            park();
        };
        killed_with(write, lock.clone());
        assert!(lock.read().unwrap_err().is_poisoned());
        lock.clear_poison();
        killed_with(write, lock.clone());
        assert_eq!(*lock.write().unwrap_err().into_inner(), 2);
    }
}

mod semaphore {
    use super::*;

    fn enter(semaphore: Semaphore, inside: Value<i32>, most: Value<i32>) {
        for _ in 0..200 {
            let _permit = semaphore.acquire().unwrap();
            most.fetch_max(inside.fetch_add(1).unwrap() + 1).unwrap();
            thread::yield_now();
            inside.fetch_sub(1).unwrap();
        }
    }

    pub(super) fn two_at_a_time() {
        let (semaphore, inside, most) =
            (Semaphore::new(2).unwrap(), Value::new(0).unwrap(), Value::new(0).unwrap());
        let arguments = || (semaphore.clone(), inside.clone(), most.clone());
        let processes: Vec<_> = (0..5).map(|_| Process::spawn(enter, arguments()).unwrap()).collect();
        processes.into_iter().for_each(|process| process.join().unwrap());
        assert_eq!((inside.load(), semaphore.available()), (0, 2));
        assert!(most.load() <= 2, "{most:?}");
    }

    pub(super) fn unowned_style() {
        let items = Semaphore::new(0).unwrap();
        assert!(items.try_acquire().unwrap().is_none() && items.acquire_timeout(SOON).unwrap().is_none());
        let produce = |items: Semaphore| (0..100).for_each(|_| items.release().unwrap());
        let producer = Process::spawn(produce, (items.clone(),)).unwrap();
        for _ in 0..100 {
            items.acquire().unwrap().forget();
        }
        producer.join().unwrap();
        assert_eq!(items.available(), 0);
        // Of a permit that is held, the other half comes back.
        let permit = {
            items.release().unwrap();
            items.acquire().unwrap()
        };
        thread::spawn(move || drop(permit)).join().unwrap();
        assert_eq!(items.available(), 1);
        assert!(Semaphore::new(u32::MAX).unwrap_err().is_invalid_argument());
    }

    pub(super) fn bounded_release() {
        let semaphore = BoundedSemaphore::new(2).unwrap();
        assert!(semaphore.release().unwrap_err().is_not_held());
        let permit = semaphore.acquire().unwrap();
        let e = semaphore.release().unwrap_err();
        assert!(e.is_not_held() && e.to_string().contains('2'), "{e}");
        permit.forget();
        semaphore.release().unwrap();
        assert!(semaphore.release().unwrap_err().is_not_held());
        assert_eq!(semaphore.available(), 2);
    }

    pub(super) fn permits_of_the_dead_come_back() {
        let semaphore = Semaphore::new(3).unwrap();
        let hold = |semaphore: Semaphore, ready: Event| {
            let _permits = (semaphore.acquire().unwrap(), semaphore.acquire().unwrap());
            std::mem::forget(semaphore.acquire().unwrap());
            drop(semaphore);
            ready.set().unwrap();
            park();
        };
        let ready = Event::new().unwrap();
        let victim = Process::spawn(hold, (semaphore.clone(), ready.clone())).unwrap();
        ready.wait().unwrap();
        assert!(semaphore.try_acquire().unwrap().is_none());
        assert_eq!(semaphore.statistics().holders[0].pid, victim.pid());
        let waiter =
            Process::spawn(|semaphore: Semaphore| semaphore.acquire().is_ok(), (semaphore.clone(),)).unwrap();
        until_waiting(1, || semaphore.statistics().waiters.len());
        victim.kill().unwrap();
        assert!(waiter.join().unwrap());
        victim.join().unwrap_err();
        procession_core::sweep().unwrap();
        assert_eq!(semaphore.available(), 3);
        // Forgotten ones don't.
        let forget = |semaphore: Semaphore, ready: Event| {
            semaphore.acquire().unwrap().forget();
            ready.set().unwrap();
            park();
        };
        killed_with(forget, semaphore.clone());
        procession_core::sweep().unwrap();
        assert_eq!(semaphore.available(), 2);
    }
}

mod condition {
    use super::*;

    fn wait(state: Mutex<[u32; 2]>, condition: Condition) {
        let mut guard = state.lock().unwrap();
        guard[0] += 1;
        let mut guard = condition.wait_for(guard, |state| state[1] > 0).unwrap();
        guard[1] -= 1;
        guard[0] -= 1;
    }

    pub(super) fn wakes_one_or_all() {
        let (state, condition) = (Mutex::new([0; 2]).unwrap(), Condition::new().unwrap());
        condition.notify_all().unwrap();
        let waiters: Vec<_> =
            (0..4).map(|_| Process::spawn(wait, (state.clone(), condition.clone())).unwrap()).collect();
        until_waiting(4, || condition.statistics().waiters.len());
        // One notification, one change: one of them goes.
        state.lock().unwrap()[1] += 1;
        condition.notify_one().unwrap();
        while state.lock().unwrap()[0] != 3 {
            thread::yield_now();
        }
        state.lock().unwrap()[1] += 3;
        condition.notify_all().unwrap();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*state.lock().unwrap(), [0, 0]);
    }

    pub(super) fn timeouts() {
        let (state, condition) = (Mutex::new(0_u32).unwrap(), Condition::new().unwrap());
        let (guard, notified) = condition.wait_timeout(state.lock().unwrap(), SOON).unwrap();
        assert!(!notified);
        let (guard, is_so) = condition.wait_for_timeout(guard, SOON, |state| *state > 0).unwrap();
        assert!(!is_so);
        drop(guard);
        let notify = |state: Mutex<u32>, condition: Condition| {
            *state.lock().unwrap() = 1;
            condition.notify_one().unwrap();
        };
        let guard = state.lock().unwrap();
        let notifier = Process::spawn(notify, (state.clone(), condition.clone())).unwrap();
        let (guard, is_so) = condition.wait_for_timeout(guard, Duration::MAX, |state| *state > 0).unwrap();
        assert!(is_so && *guard == 1);
        drop(guard);
        notifier.join().unwrap();
        // The lock's holder dies while one waits for the condition.
        let die = |state: Mutex<u32>, condition: Condition| -> () {
            let _guard = state.lock().unwrap();
            condition.notify_all().unwrap();
            std::process::abort();
        };
        let guard = state.lock().unwrap();
        let victim = Process::spawn(die, (state.clone(), condition.clone())).unwrap();
        assert!(condition.wait_for(guard, |_| false).unwrap_err().is_poisoned());
        victim.join().unwrap_err();
    }

    fn consume(buffer: Mutex<[i64; 3]>, changed: Condition) -> i64 {
        let mut sum = 0;
        loop {
            let mut buffer = changed.wait_for(buffer.lock().unwrap(), |buffer| buffer[0] != 0).unwrap();
            if buffer[0] < 0 {
                return sum;
            }
            sum += std::mem::take(&mut buffer[0]);
            changed.notify_all().unwrap();
        }
    }

    pub(super) fn producer_and_consumer() {
        let (buffer, changed) = (Mutex::new([0; 3]).unwrap(), Condition::new().unwrap());
        let consumers: Vec<_> =
            (0..3).map(|_| Process::spawn(consume, (buffer.clone(), changed.clone())).unwrap()).collect();
        for i in (1..=300).chain([-1]) {
            changed.wait_for(buffer.lock().unwrap(), |buffer| buffer[0] == 0).unwrap()[0] = i;
            changed.notify_all().unwrap();
        }
        let sums: i64 = consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum();
        assert_eq!(sums, 300 * 301 / 2);
    }
}

mod event {
    use super::*;

    pub(super) fn wait_result() {
        let event = Event::new().unwrap();
        assert!(
            !event.is_set()
                && !event.wait_timeout(Duration::ZERO).unwrap()
                && !event.wait_timeout(SOON).unwrap()
        );
        event.set().unwrap();
        event.set().unwrap();
        event.wait().unwrap();
        assert!(event.is_set() && event.wait_timeout(Duration::ZERO).unwrap());
        event.clear().unwrap();
        assert!(!event.is_set() && !event.wait_timeout(SOON).unwrap());
    }

    pub(super) fn set_and_cleared_at_once_wakes_who_waited() {
        let event = Event::new().unwrap();
        for _ in 0..20 {
            let waiters: Vec<_> = (0..3)
                .map(|_| Process::spawn(|event: Event| event.wait().unwrap(), (event.clone(),)).unwrap())
                .collect();
            until_waiting(3, || event.statistics().waiters.len());
            event.set().unwrap();
            event.clear().unwrap();
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        }
    }
}

mod barrier {
    use super::*;

    fn phases(barrier: Barrier, arrived: Value<u32>, phases: u32) -> Vec<u32> {
        (1..=phases)
            .map(|phase| {
                arrived.fetch_add(1).unwrap();
                let index = barrier.wait().unwrap();
                assert!(arrived.load() >= phase * barrier.parties(), "somebody was left behind");
                assert_eq!(index.is_leader(), index.index() == 0);
                index.index()
            })
            .collect()
    }

    pub(super) fn passes_and_tells_apart() {
        let (barrier, arrived) = (Barrier::new(4).unwrap(), Value::new(0).unwrap());
        let processes: Vec<_> = (0..3)
            .map(|_| Process::spawn(phases, (barrier.clone(), arrived.clone(), 100)).unwrap())
            .collect();
        let mut all = vec![phases(barrier.clone(), arrived, 100)];
        all.extend(processes.into_iter().map(|process| process.join().unwrap()));
        for phase in 0..100 {
            let mut indexes: Vec<_> = all.iter().map(|one| one[phase]).collect();
            indexes.sort();
            assert_eq!(indexes, [0, 1, 2, 3]);
        }
        assert!(!barrier.is_broken() && barrier.waiting() == 0);
        let alone = Barrier::new(1).unwrap();
        assert!(alone.wait().unwrap().is_leader() && alone.wait().unwrap().is_leader());
        assert!(Barrier::new(0).unwrap_err().is_invalid_argument());
    }

    fn is_broken(barrier: Barrier) -> bool {
        barrier.wait().is_err_and(|e| e.is_broken_barrier())
    }

    pub(super) fn abort_and_reset() {
        let barrier = Barrier::new(3).unwrap();
        let wait_for_two = |barrier: &Barrier| {
            let two = [0, 1].map(|_| Process::spawn(is_broken, (barrier.clone(),)).unwrap());
            until_waiting(2, || barrier.waiting() as usize);
            two
        };
        let waiting = wait_for_two(&barrier);
        barrier.abort().unwrap();
        waiting.into_iter().for_each(|process| assert!(process.join().unwrap()));
        assert!(barrier.is_broken() && barrier.wait().unwrap_err().is_broken_barrier());
        barrier.reset().unwrap();
        assert!(!barrier.is_broken() && barrier.waiting() == 0);
        let waiting = wait_for_two(&barrier);
        barrier.reset().unwrap();
        waiting.into_iter().for_each(|process| assert!(process.join().unwrap()));
        assert!(!barrier.is_broken());
        // As good as new.
        let waiting =
            [0, 1].map(|_| Process::spawn(|b: Barrier| b.wait().is_ok(), (barrier.clone(),)).unwrap());
        barrier.wait().unwrap();
        waiting.into_iter().for_each(|process| assert!(process.join().unwrap()));
    }

    pub(super) fn a_timeout_breaks_it() {
        let barrier = Barrier::new(2).unwrap();
        assert!(barrier.wait_timeout(SOON).unwrap_err().is_broken_barrier());
        assert!(barrier.is_broken() && barrier.wait().unwrap_err().is_broken_barrier());
        barrier.reset().unwrap();
        let other =
            Process::spawn(|b: Barrier| b.wait_timeout(Duration::MAX).is_ok(), (barrier.clone(),)).unwrap();
        barrier.wait_timeout(Duration::MAX).unwrap();
        assert!(other.join().unwrap());
    }

    pub(super) fn a_death_breaks_it() {
        // Of one that waits there; and of one that would have come.
        let barrier = Barrier::new(3).unwrap();
        for comes in [true, false] {
            let come = |barrier: Barrier, comes: bool| {
                if comes {
                    let _ = barrier.wait();
                }
                park();
            };
            let victim = Process::spawn(come, (barrier.clone(), comes)).unwrap();
            let other = Process::spawn(is_broken, (barrier.clone(),)).unwrap();
            until_waiting(1 + usize::from(comes), || barrier.waiting() as usize);
            victim.kill().unwrap();
            assert!(other.join().unwrap());
            assert!(barrier.wait().unwrap_err().is_broken_barrier());
            victim.join().unwrap_err();
            barrier.reset().unwrap();
        }
    }

    pub(super) fn an_orderly_end_does_not_break_it() {
        let barrier = Barrier::new(2).unwrap();
        for _ in 0..10 {
            let other =
                Process::spawn(|barrier: Barrier| barrier.wait().is_ok(), (barrier.clone(),)).unwrap();
            barrier.wait().unwrap();
            assert!(other.join().unwrap());
            procession_core::sweep().unwrap();
            assert!(!barrier.is_broken());
        }
    }
}

mod once {
    use super::*;

    pub(super) fn once() {
        let (once, value, count) =
            (Once::new().unwrap(), OnceValue::new().unwrap(), Value::new(0_u32).unwrap());
        let try_it = |once: Once, value: OnceValue<u64>, count: Value<u32>| {
            once.call_once(|| assert_eq!(count.fetch_add(1).unwrap(), 0)).unwrap();
            *value.get_or_init(|| std::process::id().into()).unwrap()
        };
        let processes: Vec<_> = (0..6)
            .map(|_| Process::spawn(try_it, (once.clone(), value.clone(), count.clone())).unwrap())
            .collect();
        let found: Vec<u64> = processes.into_iter().map(|process| process.join().unwrap()).collect();
        assert!(found.iter().all(|one| Some(one) == value.get()), "{found:?}");
        assert_eq!((count.load(), once.is_completed()), (1, true));
        let e = OnceValue::<u8>::new().map(|value| {
            let inner = value.clone();
            value
                .get_or_init(move || {
                    *inner.get_or_init(|| 1).unwrap_err().is_deadlock().then_some(&5).unwrap()
                })
                .copied()
        });
        assert_eq!(e.unwrap().unwrap(), 5);
        let fails = OnceValue::<u8>::new().unwrap();
        let error = || Err(procession::Error::from(TaskError::Cancelled));
        assert!(fails.get_or_try_init(error).is_err() && fails.get().is_none());
        assert_eq!(fails.get_or_init_timeout(SOON, || 3).unwrap(), Some(&3));
        let other = Once::new().unwrap();
        let entered = AtomicUsize::new(0);
        thread::scope(|scope| {
            let (other, entered) = (&other, &entered);
            scope.spawn(move || {
                other
                    .call_once(|| {
                        entered.store(1, Ordering::Release);
                        while entered.load(Ordering::Acquire) < 2 {
                            thread::yield_now();
                        }
                    })
                    .unwrap()
            });
            while entered.load(Ordering::Acquire) == 0 {
                thread::yield_now();
            }
            assert!(!other.call_once_timeout(SOON, || unreachable!()).unwrap());
            entered.store(2, Ordering::Release);
            assert!(other.call_once_timeout(Duration::MAX, || unreachable!()).unwrap());
        });
    }

    pub(super) fn a_death_or_panic_before_the_end_leaves_it_undone() {
        let value = OnceValue::<u64>::new().unwrap();
        let die = |value: OnceValue<u64>, ready: Event| {
            value
                .get_or_init(|| {
                    ready.set().unwrap();
                    park();
                    1
                })
                .unwrap();
        };
        killed_with(die, value.clone());
        let panicked = thread::scope(|scope| {
            let raise = || value.get_or_init(|| blow()).copied();
            scope.spawn(raise).join()
        });
        assert!(panicked.is_err() && value.get().is_none());
        assert_eq!(value.get_or_init(|| 9).unwrap(), &9);
    }
}

mod value {
    use super::*;

    pub(super) fn integers() {
        let value = Value::new(250_u8).unwrap();
        assert_eq!((value.fetch_add(10).unwrap(), value.load()), (250, 4));
        assert_eq!((value.fetch_sub(5).unwrap(), value.load()), (4, 255));
        value.store(7).unwrap();
        assert_eq!((value.swap(9).unwrap(), value.load()), (7, 9));
        assert_eq!(value.compare_exchange(9, 1).unwrap(), Ok(9));
        assert_eq!(value.compare_exchange(9, 2).unwrap(), Err(1));
        assert_eq!((value.fetch_max(100).unwrap(), value.fetch_min(50).unwrap(), value.load()), (1, 100, 50));
        let signed = Value::new(-1_i64).unwrap();
        assert_eq!(
            (signed.fetch_add(-5).unwrap(), signed.fetch_sub(-7).unwrap(), signed.load()),
            (-1, -6, 1)
        );
        assert_eq!(signed.fetch_update(|_| None).unwrap(), Err(1));
        let (small, large) = (Value::new(0_i16).unwrap(), Value::new(0_u64).unwrap());
        let add = |small: Value<i16>, large: Value<u64>| {
            for _ in 0..5000 {
                small.fetch_add(1).unwrap();
                large.fetch_add(1).unwrap();
            }
        };
        let processes: Vec<_> =
            (0..3).map(|_| Process::spawn(add, (small.clone(), large.clone())).unwrap()).collect();
        processes.into_iter().for_each(|process| process.join().unwrap());
        assert_eq!((small.load(), large.load()), (15_000, 15_000));
    }

    pub(super) fn of_any_size_are_never_torn() {
        fn torn_or_lost<const N: usize>(add: fn(Value<[u32; N]>)) {
            let value = Value::new([0_u32; N]).unwrap();
            let processes: Vec<_> = [0, 1].map(|_| value.clone()).into_iter().collect();
            let threads: Vec<_> =
                processes.into_iter().map(|value| thread::spawn(move || add(value))).collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                let seen = value.get();
                assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
            }
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(value.get(), [4000; N]);
        }
        fn add<const N: usize>(value: Value<[u32; N]>) {
            for _ in 0..2000 {
                value.update(|all| all.iter_mut().for_each(|one| *one += 1)).unwrap();
            }
        }
        torn_or_lost::<1>(add);
        torn_or_lost::<2>(add);
        torn_or_lost::<3>(add);
        torn_or_lost::<33>(add);
        let nothing = Value::new(()).unwrap();
        nothing.set(()).unwrap();
        nothing.get();
    }

    pub(super) fn a_panic_or_death_leaves_it() {
        let value = Value::new([1_u64; 3]).unwrap();
        let die = |value: Value<[u64; 3]>, ready: Event| {
            let mut guard = value.lock().unwrap();
            guard[0] = 5;
            ready.set().unwrap();
            park();
        };
        killed_with(die, value.clone());
        let panicked = thread::scope(|scope| {
            let raise = || {
                value.update(|value| {
                    value[1] = 7;
                    blow::<()>()
                })
            };
            scope.spawn(raise).join()
        });
        assert!(panicked.is_err());
        assert_eq!(value.get(), [1; 3]);
        let guard = value.lock().unwrap();
        assert!(value.set([2; 3]).unwrap_err().is_deadlock() && value.try_lock().unwrap_err().is_deadlock());
        thread::scope(|scope| {
            assert!(scope.spawn(|| value.lock_timeout(SOON).unwrap().is_none()).join().unwrap());
            assert!(scope.spawn(|| value.try_lock().unwrap().is_none()).join().unwrap());
        });
        drop(guard);
        value.set([2; 3]).unwrap();
        assert_eq!(value.get(), [2; 3]);
    }
}

mod array {
    use super::*;

    pub(super) fn parts() {
        let array = Array::<u32>::new(100).unwrap();
        let (first, second) = (array.lock_range(..50).unwrap(), array.lock_range(60..=79).unwrap());
        assert_eq!((first.range(), second.len()), (0..50, 20));
        let other = |array: Array<u32>| {
            let free = array.try_lock_range(50..60).unwrap().is_some()
                && array.try_lock_range(80..).unwrap().is_some();
            let taken =
                array.try_lock_range(49..51).unwrap().is_none() && array.try_lock().unwrap().is_none();
            free && taken && array.lock_range_timeout(79..100, SOON).unwrap().is_none()
        };
        assert!(Process::spawn(other, (array.clone(),)).unwrap().join().unwrap());
        assert!(array.lock().unwrap_err().error().is_deadlock(), "some of it is this thread's");
        drop((first, second));
        assert!(array.lock_timeout(SOON).unwrap().is_some());
        let fill = |array: Array<u32>, i: usize| {
            for _ in 0..100 {
                let mut part = array.lock_range(i * 10..i * 10 + 10).unwrap();
                part.iter_mut().for_each(|one| *one += i as u32);
            }
        };
        let processes: Vec<_> = (0..10).map(|i| Process::spawn(fill, (array.clone(), i)).unwrap()).collect();
        processes.into_iter().for_each(|process| process.join().unwrap());
        assert!(array.lock().unwrap().iter().enumerate().all(|(i, one)| *one as usize == i / 10 * 100));
        assert_eq!(Array::from_slice(&[1.5, 2.5]).unwrap().to_vec().unwrap(), [1.5, 2.5]);
    }

    pub(super) fn bad_ranges() {
        assert!(Array::<u8>::new(0).unwrap_err().is_invalid_argument());
        assert!(Array::<u8>::from_slice(&[]).unwrap_err().is_invalid_argument());
        assert!(Array::<u64>::new(usize::MAX).unwrap_err().is_out_of_memory());
        let array = Array::<u8>::new(10).unwrap();
        #[allow(clippy::reversed_empty_ranges, reason = "that's what it's about")]
        for range in [0..11, 5..3, 11..11, 0..usize::MAX] {
            let e = array.lock_range(range.clone()).unwrap_err();
            assert!(e.error().is_invalid_argument(), "{range:?}: {e}");
        }
        assert!(array.lock_range(..=usize::MAX).unwrap_err().error().is_invalid_argument());
        assert_eq!(array.lock_range(10..).unwrap().len(), 0);
    }

    pub(super) fn poison() {
        let array = Array::<u64>::new(100).unwrap();
        let die = |array: Array<u64>, ready: Event| {
            let mut part = array.lock_range(10..20).unwrap();
            part.fill(1);
            ready.set().unwrap();
            park();
        };
        killed_with(die, array.clone());
        let guard = array.lock().unwrap_err().into_inner();
        assert_eq!(guard.iter().sum::<u64>(), 10);
        drop(guard);
        array.clear_poison();
        assert!(array.lock().is_ok());
        let panicked = thread::scope(|scope| {
            let raise = || {
                let _part = array.lock_range(..3).unwrap();
                blow::<()>()
            };
            scope.spawn(raise).join()
        });
        assert!(panicked.is_err() && array.is_poisoned());
        array.clear_poison();
        // One who waits for a part gets it when its holder dies.
        let ready = Event::new().unwrap();
        let victim = Process::spawn(die, (array.clone(), ready.clone())).unwrap();
        ready.wait().unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| array.lock_range(19..).is_err_and(|e| e.is_poisoned()));
            until_waiting(1, || array.statistics().waiters.len());
            victim.kill().unwrap();
            assert!(waiter.join().unwrap());
        });
        victim.join().unwrap_err();
    }

    pub(super) fn large() {
        const LEN: usize = 8 << 20;
        let array = Array::<u64>::new(LEN).unwrap();
        let fill = |array: Array<u64>, half: usize| {
            let mut part = array.lock_range(half * LEN / 2..(half + 1) * LEN / 2).unwrap();
            part.iter_mut().enumerate().for_each(|(i, one)| *one = (half * LEN / 2 + i) as u64);
        };
        let halves = [0, 1].map(|half| Process::spawn(fill, (array.clone(), half)).unwrap());
        halves.into_iter().for_each(|half| half.join().unwrap());
        assert!(array.lock().unwrap().iter().enumerate().all(|(i, one)| *one == i as u64));
        drop(array);
        assert_nothing_left();
    }
}

mod diagnosis {
    use super::*;

    pub(super) fn says_who_holds_and_who_waits() {
        let (mutex, ready) = (Mutex::new(0_u8).unwrap(), Event::new().unwrap());
        assert_eq!(mutex.statistics(), procession::Statistics::default());
        let hold = |mutex: Mutex<u8>, ready: Event| {
            let _guard = mutex.lock().unwrap();
            ready.set().unwrap();
            park();
        };
        let holder = Process::builder().name("holder").spawn(hold, (mutex.clone(), ready.clone())).unwrap();
        ready.wait().unwrap();
        let wait = |mutex: Mutex<u8>| drop(mutex.lock());
        let waiter = Process::builder().name("waiter").spawn(wait, (mutex.clone(),)).unwrap();
        until_waiting(1, || mutex.statistics().waiters.len());
        let statistics = mutex.statistics();
        let (holds, waits) = (&statistics.holders[0], &statistics.waiters[0]);
        assert_eq!(
            (holds.pid, holds.name.as_str(), holds.thread),
            (holder.pid(), "holder", Some(holder.pid()))
        );
        assert_eq!((waits.pid, waits.name.as_str()), (waiter.pid(), "waiter"));
        let text = format!("{mutex:?}");
        assert!(text.contains("holder") && text.contains(&waiter.pid().to_string()), "{text}");
        let waits = family::waits().unwrap();
        let lines = waits.to_string();
        assert!(lines.contains("(waiter) waits for Mutex") && lines.contains("(holder)"), "{lines}");
        assert!(waits.cycle().is_none());
        holder.kill().unwrap();
        waiter.join().unwrap();
        holder.join().unwrap_err();
        assert_eq!(family::waits().unwrap().iter().count(), 0);
    }

    fn take_two(first: Mutex<()>, second: Mutex<()>, both: Barrier) {
        let _first = first.lock();
        let _ = both.wait();
        let _second = second.lock();
    }

    pub(super) fn names_a_deadlock_between_processes() {
        let locks = [0, 1, 2].map(|_| Mutex::new(()).unwrap());
        let all = Barrier::new(3).unwrap();
        let processes = [0, 1, 2].map(|i| {
            let arguments = (locks[i].clone(), locks[(i + 1) % 3].clone(), all.clone());
            Process::builder().name(format!("number {i}")).spawn(take_two, arguments).unwrap()
        });
        let cycle = loop {
            if let Some(cycle) = family::waits().unwrap().cycle() {
                break cycle;
            }
            thread::yield_now();
        };
        let mut names: Vec<_> = cycle.iter().map(|wait| wait.who.name.clone()).collect();
        for (wait, next) in cycle.iter().zip(cycle.iter().cycle().skip(1)) {
            assert_eq!(wait.held_by[0], next.who);
        }
        names.sort();
        assert_eq!(names, ["number 0", "number 1", "number 2"]);
        assert!(family::waits().unwrap().to_string().contains("deadlock"));
        processes[0].kill().unwrap();
        let ended = processes.map(|process| process.join().is_ok());
        assert_eq!(ended, [false, true, true], "the death of one lets the others go on");
    }

    pub(super) fn names_no_deadlock_where_there_is_none() {
        let (mutex, event) = (Mutex::new(()).unwrap(), Event::new().unwrap());
        let hold = |mutex: Mutex<()>, event: Event| {
            let _guard = mutex.lock();
            event.wait().unwrap();
        };
        let holder = Process::spawn(hold, (mutex.clone(), event.clone())).unwrap();
        until_waiting(1, || event.statistics().waiters.len());
        let waiter = Process::spawn(|mutex: Mutex<()>| drop(mutex.lock()), (mutex.clone(),)).unwrap();
        until_waiting(1, || mutex.statistics().waiters.len());
        let waits = family::waits().unwrap();
        assert!(waits.iter().count() == 2 && waits.cycle().is_none(), "{waits}");
        event.set().unwrap();
        holder.join().unwrap();
        waiter.join().unwrap();
    }

    pub(super) fn a_semaphore_can_be_part_of_a_deadlock() {
        let (semaphore, mutex, both) =
            (Semaphore::new(1).unwrap(), Mutex::new(()).unwrap(), Barrier::new(2).unwrap());
        let first = |semaphore: Semaphore, mutex: Mutex<()>, both: Barrier| {
            let _permit = semaphore.acquire();
            let _ = both.wait();
            let _guard = mutex.lock();
        };
        let second = |semaphore: Semaphore, mutex: Mutex<()>, both: Barrier| {
            let _guard = mutex.lock();
            let _ = both.wait();
            let _permit = semaphore.acquire();
        };
        let arguments = || (semaphore.clone(), mutex.clone(), both.clone());
        let first = Process::spawn(first, arguments()).unwrap();
        let second = Process::spawn(second, arguments()).unwrap();
        while family::waits().unwrap().cycle().is_none_or(|cycle| cycle.len() != 2) {
            thread::yield_now();
        }
        first.kill().unwrap();
        second.join().unwrap();
        first.join().unwrap_err();
    }
}
