//! Of managers.

use super::{Death, die_in};
use procession::{Dict, Event, List, Manager, Mutex, Queue, kill_point::KillPoint};
use std::thread;

/// How often a manager's end passes each: once for itself and once for the inner one, or once for each object.
const POINTS: [(KillPoint, usize); 6] = [
    (KillPoint::ManagerAfterEnd, 2),
    (KillPoint::ManagerAfterPin, 2),
    (KillPoint::ManagerAfterWake, 7),
    (KillPoint::ManagerAfterClear, 7),
    (KillPoint::ManagerAfterMark, 7),
    (KillPoint::ManagerBeforeClosed, 2),
];

/// Of a manager, with something in them.
struct Made {
    event: Event,
    mutex: Mutex<u8>,
    dict: Dict<u8, Event>,
    list: List<Vec<u8>>,
    queue: Queue<Event>,
    inner: Manager,
    of_inner: Event,
}

impl Made {
    fn new(manager: &Manager) -> Made {
        let made = || -> procession::Result<Made> {
            let inner = manager.manager()?;
            Ok(Made {
                event: manager.event()?,
                mutex: manager.mutex(1)?,
                dict: manager.dict()?,
                list: manager.list()?,
                queue: manager.queue()?,
                of_inner: inner.event()?,
                inner,
            })
        };
        let made = made().unwrap();
        made.dict.insert(&1, &Event::new().unwrap()).unwrap();
        made.list.push(&vec![7; 5000]).unwrap();
        made.queue.put(&Event::new().unwrap()).unwrap();
        made
    }

    /// While threads wait for some of it, `die` has another process die that ends the manager.
    fn survive(self, die: impl FnOnce()) {
        let guard = self.mutex.lock().unwrap();
        thread::scope(|scope| {
            let waits = [
                scope.spawn(|| assert!(self.event.wait().unwrap_err().is_closed())),
                scope.spawn(|| assert!(self.of_inner.wait().unwrap_err().is_closed())),
            ];
            for event in [&self.event, &self.of_inner] {
                while event.statistics().waiters.is_empty() {
                    thread::yield_now();
                }
            }
            die();
            waits.into_iter().for_each(|wait| wait.join().unwrap());
        });
        drop(guard);
        assert!(self.mutex.lock().unwrap_err().error().is_closed());
        assert!(self.dict.get(&1).unwrap_err().is_closed());
        assert!(self.list.len().unwrap_err().is_closed());
        assert!(procession::Error::from(self.queue.get().unwrap_err()).is_closed());
        assert!(self.inner.is_shut_down());
        procession_core::sweep().unwrap();
        // What was in it has gone, though it's still there.
        let audit = procession_core::audit().unwrap();
        assert_eq!(audit.objects["Event"], 2, "{audit:?}");
        drop(self);
        assert_nothing_left();
    }
}

fn assert_nothing_left() {
    procession_core::sweep().unwrap();
    let audit = procession_core::audit().unwrap();
    assert_eq!((audit.objects.len(), audit.references, audit.blocks), (0, 0, 0), "{audit:?}");
}

pub(crate) fn a_manager_is_shut_down_although_who_does_it_dies() {
    let shut_down = |manager: Manager, death: Death| {
        death.arm();
        manager.shutdown().unwrap();
    };
    for (point, times) in POINTS {
        for passes in 0..times {
            let manager = Manager::new().unwrap();
            let made = Made::new(&manager);
            made.survive(move || die_in(shut_down, manager, point, passes));
        }
    }
}

pub(crate) fn a_manager_ends_although_its_last_holder_dies_in_that() {
    let end = |manager: Manager, death: Death| {
        death.arm();
        drop(manager);
    };
    let others = [KillPoint::ReferenceBeforeUncount, KillPoint::ReferenceAfterUncount];
    for point in POINTS.map(|(point, _)| point).into_iter().chain(others) {
        let manager = Manager::new().unwrap();
        let made = Made::new(&manager);
        made.survive(move || die_in(end, manager, point, 0));
    }
}

pub(crate) fn what_a_dead_one_was_making_is_nobodys() {
    let make = |manager: Manager, death: Death| {
        death.arm();
        let _made = Made::new(&manager);
    };
    for passes in 0..7 {
        let manager = Manager::new().unwrap();
        let event = manager.event().unwrap();
        die_in(make, manager.clone(), KillPoint::ManagerBeforeCheck, passes);
        event.set().unwrap();
        manager.shutdown().unwrap();
        assert!(event.set().unwrap_err().is_closed());
        drop((manager, event));
        assert_nothing_left();
    }
}
