//! What is given back when a manager ends, and what ends it.

use crate::{assert_shut_down, common::assert_nothing_left, reason};
use procession::{Dict, Event, List, Manager, Process, Queue, audit};

/// Raw blocks, objects and references that there are.
fn left() -> (usize, usize, usize) {
    procession_core::sweep().unwrap();
    let audit = audit().unwrap();
    (audit.blocks, audit.objects.values().sum(), audit.references)
}

pub(crate) fn what_is_in_it_is_freed() {
    let manager = Manager::new().unwrap();
    let (dict, list) = (manager.dict::<u64, Vec<u8>>().unwrap(), manager.list().unwrap());
    let (queue, jobs) = (manager.queue().unwrap(), manager.joinable_queue().unwrap());
    let (sender, receiver) = manager.channel().unwrap();
    let before = left();
    for n in 0..300 {
        let value = vec![1_u8; n * 20];
        dict.insert(&(n as u64), &value).unwrap();
        list.push(&value).unwrap();
        if n < 250 {
            queue.put(&value).unwrap();
            jobs.put(&value).unwrap();
        }
        sender.send(&vec![1_u8; 100]).unwrap();
    }
    let used = audit().unwrap();
    assert!(used.blocks > before.0 + 500, "{used:?}");
    manager.shutdown().unwrap();
    let after = left();
    // The queue of jobs has room for what consumers take; a shard of the dictionary can be missing.
    assert_eq!((after.1, after.2), (before.1, before.2));
    assert!(after.0 <= before.0 + 4, "{before:?} and then {after:?}");
    assert!(audit().unwrap().used_bytes < used.used_bytes);
    drop((manager, dict, list, queue, jobs, sender, receiver));
    assert_nothing_left();
}

pub(crate) fn handles_in_values_go() {
    let manager = Manager::new().unwrap();
    let dict = manager.dict::<String, (Queue<u8>, List<Event>)>().unwrap();
    let list = List::new().unwrap();
    list.push(&Event::new().unwrap()).unwrap();
    dict.insert("a", &(Queue::unbounded().unwrap(), list)).unwrap();
    let queue = manager.queue::<Dict<String, Event>>().unwrap();
    let sent = manager.dict().unwrap();
    sent.insert("b", &manager.event().unwrap()).unwrap();
    queue.put(&sent).unwrap();
    drop(sent);
    assert_eq!(audit().unwrap().objects["Event"], 2);
    manager.shutdown().unwrap();
    let audit = audit().unwrap();
    assert_eq!(audit.objects.get("Event"), None, "{audit:?}");
    assert_eq!((audit.objects["Queue"], audit.objects["Dict"]), (1, 1), "{audit:?}");
    drop((manager, dict, queue));
    assert_nothing_left();
}

pub(crate) fn each_with_its_last_handle() {
    let manager = Manager::new().unwrap();
    // Before, and after.
    for n in 0..20 {
        drop((manager.mutex(n).unwrap(), manager.list::<u8>().unwrap()));
    }
    assert_eq!(audit().unwrap().objects.values().sum::<usize>(), 1);
    let list = manager.list::<u8>().unwrap();
    drop(manager);
    assert_shut_down("List", list.len());
    assert_eq!(audit().unwrap().objects.values().sum::<usize>(), 1);
    drop(list);
    assert_nothing_left();
}

pub(crate) fn the_last_handle_of_a_manager_ends_it() {
    let manager = Manager::new().unwrap();
    let event = manager.event().unwrap();
    let other = manager.clone();
    drop(manager);
    event.set().unwrap();
    // In another process now.
    let (received, go) = (Event::new().unwrap(), Event::new().unwrap());
    let keep = |_manager: Manager, received: Event, go: Event| {
        received.set().unwrap();
        go.wait().unwrap();
    };
    let process = Process::spawn(keep, (other, received.clone(), go.clone())).unwrap();
    received.wait().unwrap();
    event.clear().unwrap();
    go.set().unwrap();
    assert_shut_down("Event", event.wait());
    process.join().unwrap();
}

pub(crate) fn a_manager_in_a_message() {
    let queue = Queue::unbounded().unwrap();
    let manager = Manager::new().unwrap();
    let event = manager.event().unwrap();
    queue.put(&manager).unwrap();
    drop(manager);
    procession_core::sweep().unwrap();
    event.set().unwrap();
    let manager: Manager = queue.get().unwrap();
    manager.event().unwrap().set().unwrap();
    queue.put(&manager).unwrap();
    drop(manager);
    event.clear().unwrap();
    // The message goes with the queue, and with it the manager.
    drop(queue);
    assert_shut_down("Event", event.wait());
    drop(event);
    assert_nothing_left();
}

pub(crate) fn a_manager_in_what_it_made() {
    let manager = Manager::new().unwrap();
    let (list, event) = (manager.list().unwrap(), manager.event().unwrap());
    list.push(&manager).unwrap();
    drop(manager);
    event.set().unwrap();
    list.get(0).unwrap().unwrap().shutdown().unwrap();
    assert_shut_down("Event", event.set());
    drop((list, event));
    assert_nothing_left();
    // Nobody can get it any more.
    let manager = Manager::new().unwrap();
    let (list, event) = (manager.list().unwrap(), manager.event().unwrap());
    list.push(&manager).unwrap();
    drop((manager, list));
    procession_core::sweep().unwrap();
    assert_shut_down("Event", event.set());
    drop(event);
    assert_nothing_left();
}

/// Has locks of both until it's killed.
fn hold(dict: Dict<u8, Event>, list: List<Event>, started: Event) {
    let _ = dict.update(&1, |_| {
        let _ = list.update(0, |_| {
            started.set().unwrap();
            crate::common::park();
        });
    });
}

pub(crate) fn although_somebody_has_a_lock() {
    let manager = Manager::new().unwrap();
    let (dict, list) = (manager.dict().unwrap(), manager.list().unwrap());
    dict.insert(&1, &Event::new().unwrap()).unwrap();
    list.push(&Event::new().unwrap()).unwrap();
    let started = Event::new().unwrap();
    let process = Process::spawn(hold, (dict.clone(), list.clone(), started.clone())).unwrap();
    started.wait().unwrap();
    // It doesn't wait for that one.
    manager.shutdown().unwrap();
    assert_shut_down("Dict", dict.get(&1));
    assert_shut_down("List", list.push(&started));
    process.kill().unwrap();
    process.join().unwrap_err();
    procession_core::sweep().unwrap();
    assert_eq!(audit().unwrap().objects["Event"], 1, "what was in them has gone");
    drop((manager, dict, list, started));
    assert_nothing_left();
}

/// A chain of managers, each of which lies in a list that the one before made: in whatever order they end, it's one after the other.
pub(crate) fn a_long_chain_of_managers() {
    let first = Manager::new().unwrap();
    let mut last = first.clone();
    let mut lists = Vec::new();
    for _ in 0..300 {
        let list = last.list::<Manager>().unwrap();
        last = Manager::new().unwrap();
        list.push(&last).unwrap();
        lists.push(list);
    }
    let event = last.event().unwrap();
    drop(last);
    // With little stack.
    let thread = std::thread::Builder::new().stack_size(128 << 10).spawn(move || first.shutdown().unwrap());
    thread.unwrap().join().unwrap();
    assert_shut_down("Event", event.wait());
    assert!(lists.iter().all(|list| list.len().unwrap_err().is_closed()));
    drop((lists, event));
    assert_nothing_left();
}

/// Somebody puts something into a full queue, and is about to be told that there's room, when the manager ends: what he has put is freed
/// once, and is nobody else's.
pub(crate) fn what_is_put_at_that_moment() {
    let other = Queue::<Vec<u8>>::unbounded().unwrap();
    for round in 0..200 {
        let manager = Manager::new().unwrap();
        let full = manager.bounded_queue::<Vec<u8>>(1).unwrap();
        full.put(&vec![1; 5000]).unwrap();
        std::thread::scope(|scope| {
            let putting = scope.spawn(|| full.put(&vec![2; 5000]));
            crate::common::until_waiting(1, || full.statistics().waiters.len());
            full.get().unwrap();
            (0..round % 50).for_each(|_| std::hint::spin_loop());
            manager.shutdown().unwrap();
            (0..3).for_each(|_| other.put(&vec![7; 5000]).unwrap());
            let put = putting.join().unwrap();
            assert!(put.is_ok() || reason(put.unwrap_err()).contains("shut down"));
        });
        (0..3).for_each(|_| other.put(&vec![9; 5000]).unwrap());
        for byte in [7, 7, 7, 9, 9, 9] {
            assert_eq!(other.get().unwrap(), vec![byte; 5000]);
        }
    }
    drop(other);
    assert_nothing_left();
}
