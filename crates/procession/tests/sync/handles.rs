//! Handles: how they travel, and how the objects end.

use super::*;

#[derive(Clone, Serialize, Deserialize)]
struct Shared {
    name: String,
    events: Vec<Option<Event>>,
    more: (Mutex<u64>, Semaphore, BoundedSemaphore, Barrier, Condition),
    locks: Box<(RwLock<u8>, ReentrantMutex<i16>)>,
    still_more: (Once, OnceValue<f64>, Value<u32>, Array<u16>),
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
        locks: Box::new((RwLock::new(0).unwrap(), ReentrantMutex::new(0).unwrap())),
        still_more: (
            Once::new().unwrap(),
            OnceValue::new().unwrap(),
            Value::new(5).unwrap(),
            Array::new(3).unwrap(),
        ),
    };
    let use_all = |shared: Shared| {
        shared.events[0].as_ref().unwrap().set().unwrap();
        *shared.more.0.lock().unwrap() += 1;
        shared.more.1.acquire().unwrap().forget();
        shared.more.2.acquire().unwrap().forget();
        shared.more.4.notify_all().unwrap();
        *shared.locks.0.write().unwrap() = 7;
        shared.locks.1.lock().unwrap().set(8);
        shared.still_more.0.call_once(|| ()).unwrap();
        shared.still_more.1.get_or_init(|| 0.5).unwrap();
        shared.still_more.2.fetch_add(1).unwrap();
        shared.still_more.3.lock().unwrap()[2] = 9;
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
        assert_eq!((*shared.locks.0.read().unwrap(), shared.locks.1.lock().unwrap().get()), (7, 8));
        assert!(shared.still_more.0.is_completed());
        assert_eq!((shared.still_more.1.get(), shared.still_more.2.load()), (Some(&0.5), 6));
        assert_eq!(shared.still_more.3.to_vec().unwrap(), [0, 0, 9]);
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
    let queued: Vec<_> = (0..50).map(|_| pool.apply_async(|e: Event| e.is_set(), event()).unwrap()).collect();
    pool.terminate();
    assert!(queued.iter().all(|result| matches!(result.get(), Err(TaskError::Cancelled))));
    drop((pool, queued, blocked, running));
    let pool = Pool::new(1).unwrap();
    for _ in 0..50 {
        drop(pool.apply_async(|| Event::new().unwrap(), ()).unwrap());
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
    let queued: Vec<_> = (0..5).map(|_| pool.apply_async(set, (Event::new().unwrap(),)).unwrap()).collect();
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
        let process = Process::spawn(|mutex: Mutex<[u64; 100]>| mutex.lock().unwrap()[7], (mutex,)).unwrap();
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

/// A busy pool whose results are handles, while others start and end, and sweep: each task is run once, and none loses its handle.
pub(super) fn of_results_on_their_way_are_nobody_elses_business() {
    let (pool, ran, done) = (Pool::new(2).unwrap(), Value::new(0_u64).unwrap(), AtomicUsize::new(0));
    let make = |ran: Value<u64>, bytes: Vec<u8>| {
        ran.fetch_add(1).unwrap();
        let event = Event::new().unwrap();
        event.set().unwrap();
        (event, bytes.len())
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            while done.load(Ordering::Relaxed) == 0 {
                Process::spawn(|| (), ()).unwrap().join().unwrap();
                procession_core::sweep().unwrap();
            }
        });
        let work = || {
            for _ in 0..20 {
                let submit = |i: usize| pool.apply_async(make, (ran.clone(), vec![0; i * 70])).unwrap();
                let results: Vec<_> = (0..100).map(submit).collect();
                for (i, result) in results.iter().enumerate() {
                    let (event, len) = result.get().unwrap();
                    assert!(event.is_set() && len == i * 70);
                }
            }
        };
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        done.store(1, Ordering::Relaxed);
        worked.unwrap();
    });
    assert_eq!(ran.load(), 2000);
    pool.join().unwrap();
    drop(ran);
    assert_nothing_left();
}
