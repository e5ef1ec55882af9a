//! Which objects are a manager's.

use crate::{assert_shut_down, common::assert_nothing_left};
use procession::{Dict, Event, List, Manager, Mutex, Process, Queue, channel};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) fn own_owns_what_it_makes_and_nothing_else() {
    let manager = Manager::new().unwrap();
    let before = Event::new().unwrap();
    let (mutex, (sender, receiver), elsewhere) = manager
        .own(|| {
            // Another thread makes its own.
            let elsewhere = std::thread::spawn(Event::new).join().unwrap()?;
            Ok::<_, procession::Error>((Mutex::new(1)?, channel::<u8>()?, elsewhere))
        })
        .unwrap();
    let after = Event::new().unwrap();
    let clone = mutex.clone();
    manager.shutdown().unwrap();
    assert_shut_down("Mutex", mutex.lock());
    assert_shut_down("Mutex", clone.lock());
    assert_shut_down("Sender", sender.send(&1));
    assert_shut_down("Receiver", receiver.recv());
    [before, elsewhere, after].iter().for_each(|event| event.set().unwrap());
    // What isn't an error of this library's is given on.
    let error = Manager::new().unwrap().own(|| Err::<(), _>(Box::<dyn std::error::Error>::from("no")));
    assert_eq!(error.unwrap_err().to_string(), "no");
}

pub(crate) fn the_inner_one_owns() {
    let (outer, inner) = (Manager::new().unwrap(), Manager::new().unwrap());
    let events = outer
        .own(|| Ok::<_, procession::Error>([Event::new()?, inner.own(Event::new)?, Event::new()?]))
        .unwrap();
    inner.shutdown().unwrap();
    events[0].set().unwrap();
    assert_shut_down("Event", events[1].set());
    events[2].set().unwrap();
    outer.shutdown().unwrap();
    assert_shut_down("Event", events[0].set());
    assert_shut_down("Event", events[2].set());
}

pub(crate) fn a_panic_in_own() {
    let manager = Manager::new().unwrap();
    let mut made = None;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        manager.own(|| {
            made = Some(Event::new()?);
            std::panic::resume_unwind(Box::new("on purpose"));
            #[allow(unreachable_code)]
            Ok::<(), procession::Error>(())
        })
    }));
    assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"on purpose"));
    let after = Event::new().unwrap();
    manager.shutdown().unwrap();
    assert_shut_down("Event", made.unwrap().set());
    after.set().unwrap();
}

pub(crate) fn managers_of_managers() {
    let outer = Manager::new().unwrap();
    let middle = outer.manager().unwrap();
    let inner = middle.own(Manager::new).unwrap();
    let events = [&outer, &middle, &inner].map(|manager| manager.event().unwrap());
    let sibling = outer.manager().unwrap();
    sibling.shutdown().unwrap();
    events.iter().for_each(|event| event.set().unwrap());
    // Who waits for what the inner one made wakes as well.
    let wait = |event: Event| crate::reason(event.wait().unwrap_err());
    events[2].clear().unwrap();
    let process = Process::spawn(wait, (events[2].clone(),)).unwrap();
    crate::common::until_waiting(1, || events[2].statistics().waiters.len());
    outer.shutdown().unwrap();
    process.join().unwrap();
    assert!(middle.is_shut_down() && inner.is_shut_down());
    events.iter().for_each(|event| assert_shut_down("Event", event.set()));
    assert_shut_down("Manager", inner.event());
    drop((outer, middle, inner, sibling, events));
    assert_nothing_left();
}

pub(crate) fn in_another_process() {
    let manager = Manager::new().unwrap();
    let make = |manager: Manager, found: Queue<(Dict<String, u8>, List<Manager>)>| {
        let dict = manager.dict::<String, u8>().unwrap();
        dict.insert("made", &1).unwrap();
        let list = manager.list().unwrap();
        list.push(&manager).unwrap();
        found.put(&(dict, list)).unwrap();
    };
    let found = Queue::unbounded().unwrap();
    Process::spawn(make, (manager.clone(), found.clone())).unwrap().join().unwrap();
    let (dict, list) = found.get().unwrap();
    assert_eq!(dict.get("made").unwrap(), Some(1));
    let again: Manager = list.get(0).unwrap().unwrap();
    // A handle that was sent works there, until it's shut down here.
    let (turn, back) = (Event::new().unwrap(), Event::new().unwrap());
    let work = |dict: Dict<String, u8>, turn: Event, back: Event| {
        dict.insert("other", &2).unwrap();
        back.set().unwrap();
        turn.wait().unwrap();
        crate::reason(dict.insert("other", &3).unwrap_err())
    };
    let process = Process::spawn(work, (dict.clone(), turn.clone(), back.clone())).unwrap();
    back.wait().unwrap();
    assert_eq!(dict.get("other").unwrap(), Some(2));
    again.shutdown().unwrap();
    turn.set().unwrap();
    assert!(process.join().unwrap().contains("Dict"));
    assert!(manager.is_shut_down());
    // A handle that arrives afterwards is no error of the message.
    let late = |dict: Dict<String, u8>| crate::reason(dict.get("made").unwrap_err());
    assert!(Process::spawn(late, (dict.clone(),)).unwrap().join().unwrap().contains("shut down"));
    drop((manager, again, dict, list, found, turn, back));
    assert_nothing_left();
}

/// Makes objects and fills them until that is an error.
fn make(manager: Manager, started: Event) {
    for n in 0_u64.. {
        if n == 1 {
            started.set().unwrap();
        }
        let made = (|| {
            let (dict, list) = (manager.dict::<u64, Event>()?, manager.list::<Vec<u8>>()?);
            let queue = manager.queue::<Event>()?;
            dict.insert(&n, &manager.event()?)?;
            list.push(&vec![1; 3000])?;
            queue.put(&manager.event()?)?;
            Ok::<_, procession::Error>((dict, list, queue))
        })();
        match made {
            Ok((dict, ..)) => drop(dict.remove(&n)),
            Err(error) => {
                crate::reason(error);
                return;
            }
        }
    }
}

pub(crate) fn while_it_is_shut_down() {
    for _ in 0..10 {
        let manager = Manager::new().unwrap();
        let started = [Event::new().unwrap(), Event::new().unwrap()];
        let processes = [0, 1].map(|n| Process::spawn(make, (manager.clone(), started[n].clone())).unwrap());
        started.iter().for_each(|event| event.wait().unwrap());
        manager.shutdown().unwrap();
        processes.into_iter().for_each(|process| process.join().unwrap());
    }
    assert_nothing_left();
}
