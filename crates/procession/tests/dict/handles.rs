//! Values with handles in them.

use crate::{common::assert_nothing_left, dict_of};
use procession::{Dict, Event, List, Process, Queue, Value};
use serde::{Deserialize, Serialize};

fn count(kind: &str) -> usize {
    procession_core::sweep().unwrap();
    procession::audit().unwrap().objects.get(kind).copied().unwrap_or(0)
}

pub(crate) fn lists_in_a_dict() {
    let dict = Dict::<String, List<u64>>::new().unwrap();
    let add = |dict: Dict<String, List<u64>>, me: u64| {
        for n in 0..50 {
            let list = dict.get_or_insert_with(&format!("list {}", n % 5), || List::new().unwrap()).unwrap();
            list.push(&(me * 100 + n)).unwrap();
        }
    };
    let processes = [0, 1, 2].map(|me| Process::spawn(add, (dict.clone(), me)).unwrap());
    processes.into_iter().for_each(|process| process.join().unwrap());
    assert_eq!((dict.len().unwrap(), count("List")), (5, 5), "each was made once");
    let mut all: Vec<u64> =
        dict.values().unwrap().iter().flat_map(|list| list.iter().unwrap().collect::<Vec<_>>()).collect();
    all.sort_unstable();
    assert_eq!(all, (0..3).flat_map(|me| (0..50).map(move |n| me * 100 + n)).collect::<Vec<_>>());
    dict.remove("list 0").unwrap().unwrap();
    assert_eq!(count("List"), 4);
    dict.clear().unwrap();
    assert_eq!(count("List"), 0);
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn dicts_in_a_list() {
    let list = List::<Dict<String, String>>::new().unwrap();
    for n in 0..20 {
        list.push(&dict_of([("name", format!("number {n}"))])).unwrap();
    }
    let rename = |list: List<Dict<String, String>>| {
        for dict in list.iter().unwrap() {
            dict.update("name", |name| name.push('!')).unwrap().unwrap();
        }
        list.pop().unwrap().unwrap()
    };
    let last = Process::spawn(rename, (list.clone(),)).unwrap().join().unwrap();
    assert_eq!(last.get("name").unwrap().as_deref(), Some("number 19!"));
    assert_eq!(list.get(7).unwrap().unwrap().get("name").unwrap().as_deref(), Some("number 7!"));
    drop(list);
    assert_eq!(count("Dict"), 1);
    drop(last);
    assert_nothing_left();
}

pub(crate) fn a_queue_of_which_the_dict_has_the_last_handle() {
    let dict = Dict::<u32, Queue<String>>::new().unwrap();
    dict.insert(&7, &Queue::unbounded().unwrap()).unwrap();
    let fill = |dict: Dict<u32, Queue<String>>| {
        let queue = dict.get(&7).unwrap().unwrap();
        (0..10).for_each(|n| queue.put(&n.to_string()).unwrap());
    };
    // It's nobody's but the dictionary's in between.
    Process::spawn(fill, (dict.clone(),)).unwrap().join().unwrap();
    let queue = dict.get(&7).unwrap().unwrap();
    let got: Vec<String> = (0..10).map(|_| queue.get().unwrap()).collect();
    assert_eq!(got, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    let waiting = Process::spawn(|queue: Queue<String>| queue.get().unwrap(), (queue.clone(),)).unwrap();
    dict.update(&7, |queue| queue.put(&"told".to_string()).unwrap()).unwrap().unwrap();
    assert_eq!(waiting.join().unwrap(), "told");
    drop((dict, queue));
    assert_nothing_left();
}

/// A dictionary that has dictionaries like itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Node(Dict<String, Node>);

pub(crate) fn a_dict_that_holds_itself() {
    let node = Node(Dict::new().unwrap());
    node.0.insert("self", &node).unwrap();
    let walk = |node: Node| {
        let mut at = node;
        for _ in 0..50 {
            at = at.0.get("self").unwrap().unwrap();
        }
        at.0.insert("leaf", &Node(Dict::new().unwrap())).unwrap();
        at.0.len().unwrap()
    };
    assert_eq!(Process::spawn(walk, (node.clone(),)).unwrap().join().unwrap(), 2);
    assert!(node.0.contains("leaf").unwrap());
    // It's told that it would wait for itself, by whichever handle.
    let inner = node.0.get("self").unwrap().unwrap();
    node.0.update("leaf", |_| assert!(inner.0.remove("self").unwrap_err().is_deadlock())).unwrap().unwrap();
    inner.0.remove("self").unwrap().unwrap();
    drop((node, inner));
    assert_nothing_left();

    // Two of which each has the other; nobody else has them in the end.
    let [one, other] = [0, 1].map(|_| Node(Dict::new().unwrap()));
    one.0.insert("other", &other).unwrap();
    other.0.insert("other", &one).unwrap();
    one.0.clear().unwrap();
    drop((one, other));
    assert_nothing_left();
}

pub(crate) fn in_every_operation() {
    let number = |n: u64| Value::new(n).unwrap();
    let dict = dict_of([("a", (1, number(1))), ("b", (2, number(2)))]);
    assert_eq!(dict.insert("a", &(10, number(10))).unwrap().unwrap().1.load(), 1);
    assert_eq!(dict.swap("b", &(20, number(20))).unwrap().unwrap().1.load(), 2);
    assert_eq!(count("Value"), 2, "what was replaced is gone");
    assert_eq!(dict.get_or_insert("c", (30, number(30))).unwrap().1.load(), 30);
    assert_eq!(dict.get_or_insert("c", (31, number(31))).unwrap().1.load(), 30);
    dict.update("a", |value| value.1.fetch_add(1).unwrap()).unwrap().unwrap();
    dict.update("b", |value| *value = (21, number(21))).unwrap().unwrap();
    dict.update_or_insert("d", (40, number(40)), |value| value.0 += 1).unwrap();
    assert_eq!(count("Value"), 4);
    let loads = || -> Vec<(u64, u64)> {
        dict.values().unwrap().iter().map(|(n, value)| (*n, value.load())).collect()
    };
    assert_eq!(loads(), [(10, 11), (21, 21), (30, 30), (41, 40)]);
    // One that goes from one key to another, and one that both have.
    dict.transaction(&["a", "b", "e"], |view| {
        let moved = view.remove("a").unwrap();
        let shared = view.get("b").unwrap().clone();
        view.insert("e", shared);
        view.insert("b", moved);
    })
    .unwrap();
    assert_eq!(loads(), [(10, 11), (30, 30), (41, 40), (21, 21)]);
    dict.transaction(&["b", "e"], |view| {
        view.remove("b");
        view.insert("e", (0, number(0)));
        view.cancel();
    })
    .unwrap();
    assert_eq!(count("Value"), 4);
    dict.retain(|key, value| {
        value.1.fetch_add(100).unwrap();
        key != "c"
    })
    .unwrap();
    assert_eq!(loads(), [(10, 111), (41, 140), (21, 121)]);
    let some = dict.get_many(&["d", "x", "e"]).unwrap();
    assert_eq!(some.iter().flatten().map(|(_, value)| value.load()).collect::<Vec<_>>(), [140, 121]);
    assert!(
        dict.wait_for("e", |value| value.is_some_and(|(_, v)| v.load() == 121), std::time::Duration::MAX)
            .unwrap()
    );
    drop(some);
    dict.clear().unwrap();
    assert_eq!(count("Value"), 0);
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn not_in_keys() {
    let dict = Dict::<Event, u8>::new().unwrap();
    let event = Event::new().unwrap();
    let error = dict.insert(&event, &1).unwrap_err();
    assert!(error.is_codec() && error.to_string().contains("Event"), "{error}");
    assert!(dict.get(&event).unwrap_err().is_codec() && dict.contains(&event).unwrap_err().is_codec());
    drop((dict, event));
    assert_nothing_left();
}
