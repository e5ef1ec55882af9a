//! What each operation does.

use crate::{common::assert_nothing_left, dict_of, items, owned};
use procession::{Dict, Process};

pub(crate) fn entries_come_and_go() {
    let dict = Dict::<String, u64>::new().unwrap();
    assert!(dict.is_empty().unwrap() && dict.len().unwrap() == 0);
    assert_eq!((dict.get("a").unwrap(), dict.contains("a").unwrap()), (None, false));
    assert_eq!(dict.insert("a", &1).unwrap(), None);
    assert_eq!(dict.insert("b", &2).unwrap(), None);
    assert_eq!(dict.insert("a", &3).unwrap(), Some(1));
    assert_eq!((dict.get("a").unwrap(), dict.contains("a").unwrap()), (Some(3), true));
    assert!(!dict.is_empty().unwrap() && dict.len().unwrap() == 2);
    assert_eq!(dict.swap("a", &4).unwrap(), Some(3));
    assert_eq!(dict.swap("c", &5).unwrap(), None, "there is none");
    assert!(!dict.contains("c").unwrap(), "and it isn't made");
    assert_eq!(dict.remove("a").unwrap(), Some(4));
    assert_eq!(dict.remove("a").unwrap(), None);
    assert_eq!(items(&dict), owned([("b", 2)]));
    dict.clear().unwrap();
    assert!(dict.is_empty().unwrap() && dict.get("b").unwrap().is_none());
    dict.clear().unwrap();
    assert_eq!(dict.insert("b", &7).unwrap(), None, "it can be used as before");
    assert_eq!(items(&dict), owned([("b", 7)]));
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn one_entry_is_changed() {
    let dict = dict_of([("text", "a".to_string())]);
    let append = |value: &mut String| {
        value.push('b');
        value.len()
    };
    assert_eq!(dict.update("text", append).unwrap(), Some(2));
    assert_eq!(dict.update("none", append).unwrap(), None);
    assert_eq!(dict.update_or_insert("text", "x".into(), append).unwrap(), 3);
    assert_eq!(dict.update_or_insert("new", "x".into(), append).unwrap(), 2);
    assert_eq!(items(&dict), owned([("text", "abb".to_string()), ("new", "xb".into())]));

    let numbers = dict_of([("n", 250_u8)]);
    assert_eq!(numbers.fetch_add("n", 3).unwrap(), Some(250));
    assert_eq!(numbers.fetch_add("n", 4).unwrap(), Some(253));
    assert_eq!(numbers.fetch_add("m", 4).unwrap(), None);
    assert_eq!(items(&numbers), owned([("n", 1)]), "it wraps around");
    let signed = dict_of([("n", i64::MIN)]);
    assert_eq!(signed.fetch_add("n", -1).unwrap(), Some(i64::MIN));
    assert_eq!(signed.get("n").unwrap(), Some(i64::MAX));
}

pub(crate) fn what_is_there_is_taken_or_made() {
    let dict = dict_of([("a", 1)]);
    assert_eq!(dict.get_or_insert("a", 2).unwrap(), 1);
    assert_eq!(dict.get_or_insert("b", 2).unwrap(), 2);
    assert_eq!(dict.get_or_insert_with("a", || unreachable!("it's there")).unwrap(), 1);
    assert_eq!(dict.get_or_insert_with("c", || 3).unwrap(), 3);
    assert_eq!(items(&dict), owned([("a", 1), ("b", 2), ("c", 3)]));

    // Of all who try, one makes it.
    let calls = dict_of([("calls", 0_u32)]);
    let get = |dict: Dict<String, u32>, calls: Dict<String, u32>, me: u32| {
        let make = || {
            calls.fetch_add("calls", 1).unwrap();
            me
        };
        (0..50).map(|n| dict.get_or_insert_with(&n.to_string(), make).unwrap()).collect::<Vec<_>>()
    };
    let made = Dict::<String, u32>::new().unwrap();
    let all: Vec<_> =
        (0..4).map(|me| Process::spawn(get, (made.clone(), calls.clone(), me)).unwrap()).collect();
    let seen: Vec<Vec<u32>> = all.into_iter().map(|process| process.join().unwrap()).collect();
    assert!(seen.iter().all(|values| *values == seen[0]), "{seen:?}");
    assert_eq!(calls.get("calls").unwrap(), Some(50));
}

pub(crate) fn exchanged_if_it_is_as_expected() {
    let dict = dict_of([("a", "one".to_string())]);
    let [one, two, three] = ["one", "two", "three"].map(String::from);
    assert_eq!(dict.compare_exchange("a", &two, &three).unwrap(), Err(Some(one.clone())));
    assert_eq!(dict.compare_exchange("a", &one, &two).unwrap(), Ok(one.clone()));
    assert_eq!(dict.compare_exchange("b", &one, &two).unwrap(), Err(None));
    assert_eq!(items(&dict), owned([("a", two)]));

    // Of those who try at once, one succeeds each time.
    let race = dict_of([("n", 0_u32)]);
    let win = |dict: Dict<String, u32>| {
        (0..500).filter(|n| dict.compare_exchange("n", n, &(n + 1)).unwrap().is_ok()).count()
    };
    let both = [(); 2].map(|()| Process::spawn(win, (race.clone(),)).unwrap());
    let won: usize = both.into_iter().map(|process| process.join().unwrap()).sum();
    assert_eq!(race.get("n").unwrap(), Some(won as u32));
}

pub(crate) fn all_in_the_order_in_which_they_came() {
    let dict = Dict::<u32, u32>::new().unwrap();
    let order: Vec<u32> = (0..500).map(|n| n * 7919 % 500).collect();
    order.iter().for_each(|n| assert_eq!(dict.insert(n, &(n + 1)).unwrap(), None));
    assert_eq!(dict.keys().unwrap(), order);
    assert_eq!(dict.values().unwrap(), order.iter().map(|n| n + 1).collect::<Vec<_>>());
    assert_eq!(dict.items().unwrap(), order.iter().map(|n| (*n, n + 1)).collect::<Vec<_>>());
    // What is set again stays where it is, however that is done; what was removed is a new one.
    dict.insert(&order[0], &0).unwrap();
    dict.swap(&order[1], &0).unwrap();
    dict.update(&order[2], |value| *value = 0).unwrap();
    dict.retain(|_, value| {
        *value += 1;
        true
    })
    .unwrap();
    dict.transaction(&[&order[3], &order[4]], |view| {
        view.remove(&order[3]);
        view.insert(&order[3], 9);
        view.insert(&order[4], 9);
    })
    .unwrap();
    assert_eq!(dict.keys().unwrap(), order);
    dict.remove(&order[5]).unwrap();
    dict.insert(&order[5], &0).unwrap();
    let mut moved = order.clone();
    let sixth = moved.remove(5);
    moved.push(sixth);
    assert_eq!(dict.keys().unwrap(), moved);
}

pub(crate) fn many_at_once() {
    let dict = dict_of([("a", 1), ("b", 2)]);
    dict.insert_many(&[("b", &20), ("c", &30), ("c", &31)]).unwrap();
    assert_eq!(items(&dict), owned([("a", 1), ("b", 20), ("c", 31)]));
    assert_eq!(dict.get_many(&["c", "x", "a", "c"]).unwrap(), [Some(31), None, Some(1), Some(31)]);
    assert_eq!(dict.get_many::<str>(&[]).unwrap(), []);
    dict.extend(Vec::<(String, i32)>::new()).unwrap();
    dict.insert_many::<str>(&[]).unwrap();
    dict.extend((0..1000).map(|n| (n.to_string(), n))).unwrap();
    assert_eq!(dict.len().unwrap(), 1003);
    let keys: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(dict.get_many(&keys).unwrap(), (0..1000).map(Some).collect::<Vec<_>>());
}

pub(crate) fn retained() {
    let dict = Dict::<u32, String>::new().unwrap();
    dict.extend((0..300).map(|n| (n, n.to_string()))).unwrap();
    let mut seen = Vec::new();
    dict.retain(|key, value| {
        seen.push(*key);
        assert_eq!(*value, key.to_string());
        if key % 3 == 0 {
            value.push_str(&"x".repeat(*key as usize));
        }
        key % 2 == 0
    })
    .unwrap();
    seen.sort_unstable();
    assert_eq!(seen, (0..300).collect::<Vec<_>>(), "each once");
    let long = |n: u32| if n % 3 == 0 { n.to_string() + &"x".repeat(n as usize) } else { n.to_string() };
    let left: Vec<_> = (0..300).step_by(2).map(|n| (n, long(n))).collect();
    assert_eq!(dict.items().unwrap(), left);
    let before = dict.changes().unwrap();
    dict.retain(|_, _| true).unwrap();
    assert_eq!(dict.changes().unwrap(), before, "nothing was changed");
    dict.retain(|_, _| false).unwrap();
    assert!(dict.is_empty().unwrap());
    dict.retain(|_, _| unreachable!("there is nothing")).unwrap();
}

pub(crate) fn a_transaction() {
    let dict = dict_of([("a", 1), ("b", 2), ("c", 3)]);
    let given = dict
        .transaction(&["a", "b", "c", "d", "e"], |view| {
            assert_eq!((view.get("a"), view.get("d")), (Some(&1), None));
            *view.get_mut("a").unwrap() += 10;
            assert_eq!(view.get("a"), Some(&11), "its own changes are seen");
            assert_eq!(dict.get("a").unwrap(), Some(1), "by nobody else");
            assert_eq!(view.remove("b"), Some(2));
            assert!(view.get("b").is_none() && view.get_mut("b").is_none() && view.remove("b").is_none());
            assert_eq!(view.insert("d", 4), None);
            assert_eq!(view.insert("d", 5), Some(4));
            assert_eq!((view.insert("e", 6), view.remove("e")), (None, Some(6)));
            "done"
        })
        .unwrap();
    assert_eq!(given, "done");
    assert_eq!(items(&dict), owned([("a", 11), ("c", 3), ("d", 5)]));
    // Entries in all shards, and in one.
    let many = Dict::<u32, u32>::new().unwrap();
    let keys: Vec<u32> = (0..500).collect();
    let keys: Vec<&u32> = keys.iter().collect();
    many.transaction(&keys, |view| keys.iter().for_each(|key| assert_eq!(view.insert(*key, **key), None)))
        .unwrap();
    assert_eq!(many.items().unwrap(), (0..500).map(|n| (n, n)).collect::<Vec<_>>());
    many.transaction(&keys, |view| {
        for key in &keys {
            view.remove(*key);
        }
    })
    .unwrap();
    assert_eq!((many.len().unwrap(), many.keys().unwrap()), (0, vec![]));
    drop((dict, many));
    assert_nothing_left();
}

pub(crate) fn a_transaction_that_does_nothing() {
    let dict = dict_of([("a", 1), ("b", 2)]);
    let before = dict.changes().unwrap();
    dict.transaction(&["a", "b"], |view| {
        view.insert("a", 5);
        view.remove("b");
        view.cancel();
        view.insert("a", 6);
    })
    .unwrap();
    dict.transaction(&["a", "x"], |view| assert_eq!((view.get("a"), view.get("x")), (Some(&1), None)))
        .unwrap();
    assert_eq!(dict.transaction::<str, _>(&[], |_| 7).unwrap(), 7);
    let twice = dict.transaction(&["a", "b", "a"], |_| unreachable!("not called")).unwrap_err();
    assert!(twice.is_invalid_argument() && twice.to_string().contains("number 2"), "{twice}");
    let other = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        dict.transaction(&["a"], |view| {
            view.insert("a", 9);
            view.get("b").copied()
        })
    }));
    let text = *other.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("only the keys that it was given"), "{text}");
    assert_eq!(items(&dict), owned([("a", 1), ("b", 2)]));
    assert_eq!(dict.changes().unwrap(), before);
}

#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Colour {
    Red,
    Mixed { red: u8, green: u8 },
    Named(String),
}

pub(crate) fn keys_of_other_types() {
    let colours = Dict::<Colour, u8>::new().unwrap();
    let keys = [Colour::Red, Colour::Mixed { red: 1, green: 2 }, Colour::Named("teal".into())];
    keys.iter().zip(0..).for_each(|(key, n)| assert_eq!(colours.insert(key, &n).unwrap(), None));
    keys.iter().zip(0..).for_each(|(key, n)| assert_eq!(colours.get(key).unwrap(), Some(n)));
    assert_eq!(colours.get(&Colour::Mixed { red: 1, green: 3 }).unwrap(), None);
    assert_eq!(colours.keys().unwrap(), keys);

    let unit = Dict::<(), String>::new().unwrap();
    assert_eq!(unit.insert(&(), &"only one".into()).unwrap(), None);
    assert_eq!(unit.remove(&()).unwrap().as_deref(), Some("only one"));

    // Looked up by what they borrow as.
    let lists = Dict::<Vec<u16>, Option<bool>>::new().unwrap();
    lists.insert(&[1, 2, 3][..], &None).unwrap();
    assert_eq!(lists.get(&[1, 2, 3][..]).unwrap(), Some(None));
    assert_eq!(lists.get(&vec![1, 2, 3]).unwrap(), Some(None));
    assert_eq!(lists.get(&[1, 2][..]).unwrap(), None);
    let boxed = Dict::<Box<str>, u8>::new().unwrap();
    boxed.insert("x", &1).unwrap();
    assert_eq!(boxed.update("x", |value| *value += 1).unwrap(), Some(()));
    assert_eq!(boxed.get_many(&["x", "y"]).unwrap(), [Some(2), None]);
}

pub(crate) fn as_seen_by_another_process() {
    let dict = dict_of([("a", vec![1_u8]), ("b", vec![])]);
    let change = |dict: Dict<String, Vec<u8>>| {
        assert_eq!(dict.get("a").unwrap(), Some(vec![1]));
        assert_eq!(dict.insert("c", &vec![3; 5000]).unwrap(), None);
        assert_eq!(dict.remove("a").unwrap(), Some(vec![1]));
        dict.update("b", |value| value.push(2)).unwrap().unwrap();
        dict
    };
    // It comes back, and is the same one.
    let again = Process::spawn(change, (dict.clone(),)).unwrap().join().unwrap();
    assert_eq!(items(&dict), owned([("b", vec![2]), ("c", vec![3; 5000])]));
    again.insert("d", &vec![4]).unwrap();
    assert_eq!(dict.get("d").unwrap(), Some(vec![4]));
    drop(dict);
    assert_eq!(again.len().unwrap(), 3, "it ends with the last handle");
    drop(again);
    assert_nothing_left();
}
