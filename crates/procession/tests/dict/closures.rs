//! Closures that panic, and closures that use the dictionary that they are to change.

use crate::{common::assert_nothing_left, dict_of, items, owned};
use procession::{Dict, List, Process, TaskError, Value};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Panics, quietly.
fn fail<R>() -> R {
    resume_unwind(Box::new("on purpose"))
}

/// `f` panics, and that goes on.
fn panics<R: std::fmt::Debug>(f: impl FnOnce() -> R) {
    assert_eq!(catch_unwind(AssertUnwindSafe(f)).unwrap_err().downcast_ref(), Some(&"on purpose"));
}

/// As it was, and every entry can be changed, here and by another process.
fn assert_usable(dict: &Dict<String, u64>, is: &[(&str, u64)]) {
    let expected: Vec<_> = is.iter().map(|(key, value)| (key.to_string(), *value)).collect();
    assert_eq!(items(dict), expected);
    let use_it = |dict: Dict<String, u64>| {
        for key in dict.keys().unwrap() {
            dict.update(&key, |value| *value += 1).unwrap().unwrap();
        }
        dict.insert("more", &0).unwrap();
        let keys = dict.keys().unwrap();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let all = |view: &mut procession::View<String, u64>| {
            view.remove("more");
            keys.iter().filter(|key| **key != "more").for_each(|key| *view.get_mut(*key).unwrap() -= 1);
        };
        dict.transaction(&keys, all).unwrap();
        dict.retain(|_, _| true).unwrap();
    };
    use_it(dict.clone());
    Process::spawn(use_it, (dict.clone(),)).unwrap().join().unwrap();
    assert_eq!(items(dict), expected);
    assert!(dict.statistics().holders.is_empty());
}

pub(crate) fn a_panic_in_an_update() {
    let dict = dict_of([("a", 1), ("b", 2)]);
    panics(|| {
        dict.update("a", |value| {
            *value = 5;
            fail::<()>()
        })
    });
    panics(|| dict.update_or_insert("b", 0, |_| fail::<()>()));
    panics(|| dict.update_or_insert("new", 0, |_| fail::<()>()));
    assert_usable(&dict, &[("a", 1), ("b", 2)]);
    // With values that lie elsewhere.
    let lists = dict_of([("a", vec![List::<u8>::new().unwrap()])]);
    panics(|| {
        lists.update("a", |value| {
            value.push(List::new().unwrap());
            fail::<()>()
        })
    });
    assert_eq!(lists.get("a").unwrap().unwrap().len(), 1);
    drop((dict, lists));
    assert_nothing_left();
}

pub(crate) fn a_panic_in_a_transaction() {
    let dict = dict_of([("a", 1), ("b", 2), ("c", 3)]);
    panics(|| {
        dict.transaction(&["a", "b", "c", "d"], |view| {
            view.remove("a");
            view.insert("b", 7);
            view.insert("d", 9);
            fail::<()>()
        })
    });
    assert_usable(&dict, &[("a", 1), ("b", 2), ("c", 3)]);
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn a_panic_in_retain() {
    // Short values, and some that lie in blocks of their own; some of which are gone by then.
    let dict = Dict::<u32, Vec<u8>>::new().unwrap();
    dict.extend((0..200).map(|n| (n, vec![n as u8; if n % 4 == 0 { 3000 } else { 3 }]))).unwrap();
    let mut seen = Vec::new();
    panics(|| {
        dict.retain(|key, value| {
            if seen.len() == 100 {
                value.clear();
                fail::<()>();
            }
            seen.push(*key);
            value.push(7);
            key % 8 != 0
        })
    });
    for (key, value) in dict.items().unwrap() {
        let is_changed = value.last() == Some(&7) && value.len() % 10 != 0 && value.len() != 3;
        assert_eq!(is_changed, seen.contains(&key), "{key}");
        assert!(!is_changed || key % 8 != 0);
    }
    let gone = seen.iter().filter(|key| *key % 8 == 0).count();
    assert_eq!(dict.len().unwrap(), 200 - gone);
    dict.retain(|_, _| true).unwrap();
    Process::spawn(|dict: Dict<u32, Vec<u8>>| dict.clear().unwrap(), (dict.clone(),))
        .unwrap()
        .join()
        .unwrap();
    assert!(dict.is_empty().unwrap());
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn a_panic_while_something_is_made() {
    let dict = dict_of([("a", 1)]);
    panics(|| dict.get_or_insert_with("b", fail));
    assert_eq!(dict.get_or_insert_with("a", fail).unwrap(), 1);
    let nothing = std::iter::once(()).map(|()| fail::<(String, u64)>());
    panics(|| dict.extend(nothing));
    panics(|| dict.wait_for("a", |_| fail(), std::time::Duration::MAX));
    assert_usable(&dict, &[("a", 1)]);
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn a_panic_of_another_process() {
    let dict = dict_of([("a", 1), ("b", 2)]);
    let update = |dict: Dict<String, u64>| {
        dict.update("a", |value| {
            *value = 5;
            fail::<()>()
        })
        .unwrap()
        .unwrap();
    };
    let transaction = |dict: Dict<String, u64>| {
        dict.transaction(&["a", "b"], |view| {
            view.insert("a", 5);
            fail::<()>()
        })
        .unwrap();
    };
    let retain = |dict: Dict<String, u64>| dict.retain(|_, _| fail()).unwrap();
    let processes = [
        Process::spawn(update, (dict.clone(),)).unwrap(),
        Process::spawn(transaction, (dict.clone(),)).unwrap(),
        Process::spawn(retain, (dict.clone(),)).unwrap(),
    ];
    for process in processes {
        assert!(matches!(process.join(), Err(TaskError::Panicked(_))));
    }
    assert_usable(&dict, &[("a", 1), ("b", 2)]);
    drop(dict);
    assert_nothing_left();
}

/// Whatever would change the dictionary says that it would wait for itself.
fn assert_all_would_deadlock(dict: &Dict<String, u64>) {
    let never = |_: &mut u64| unreachable!("not called");
    let errors = [
        dict.insert("a", &9).map(drop),
        dict.insert("other", &9).map(drop),
        dict.swap("a", &9).map(drop),
        dict.remove("a").map(drop),
        dict.remove("none").map(drop),
        dict.update("a", never).map(drop),
        dict.update_or_insert("b", 0, never),
        dict.get_or_insert("new", 1).map(drop),
        dict.compare_exchange("a", &1, &2).map(drop),
        dict.fetch_add("b", 1).map(drop),
        dict.retain(|_, _| unreachable!("not called")),
        dict.extend([("a".to_string(), 1)]),
        dict.insert_many(&[("a", &1)]),
        dict.transaction(&["b"], |_| unreachable!("not called")),
        dict.clear(),
    ];
    for (number, error) in errors.into_iter().enumerate() {
        let error = error.expect_err(&number.to_string());
        assert!(error.is_deadlock() && error.to_string().contains("Dict"), "{number}: {error}");
    }
}

pub(crate) fn no_change_in_a_closure() {
    let dict = dict_of([("a", 1), ("b", 2)]);
    dict.update("a", |_| assert_all_would_deadlock(&dict)).unwrap().unwrap();
    dict.update_or_insert("b", 0, |_| assert_all_would_deadlock(&dict)).unwrap();
    dict.transaction(&["a"], |_| assert_all_would_deadlock(&dict)).unwrap();
    dict.transaction(&["b"], |view| {
        // By another handle too.
        assert_all_would_deadlock(&dict.clone());
        view.insert("b", 2);
    })
    .unwrap();
    dict.retain(|_, _| {
        assert_all_would_deadlock(&dict);
        true
    })
    .unwrap();
    let made = dict.get_or_insert_with("c", || {
        assert_all_would_deadlock(&dict);
        3
    });
    assert_eq!(made.unwrap(), 3);
    // And then it doesn't.
    assert_usable(&dict, &[("a", 1), ("b", 2), ("c", 3)]);
    // Who waits, or makes what it inserts, hasn't locked anything.
    dict.wait_for("a", |_| dict.insert("a", &5).is_ok(), std::time::Duration::MAX).unwrap();
    dict.extend((0..3).map(|n| (n.to_string(), dict.remove("a").unwrap().unwrap_or(n)))).unwrap();
    assert_usable(&dict, &[("b", 2), ("c", 3), ("0", 5), ("1", 1), ("2", 2)]);
    // Another thread may wait for this one, and does.
    let done = Value::new(0_u32).unwrap();
    std::thread::scope(|scope| {
        dict.update("b", |value| {
            scope.spawn(|| {
                assert_eq!(dict.insert("b", &8).unwrap(), Some(7));
                done.store(1).unwrap();
            });
            crate::common::until_waiting(1, || dict.statistics().waiters.len());
            assert_eq!(done.load(), 0);
            *value = 7;
        })
        .unwrap();
    });
    drop((dict, done));
    assert_nothing_left();
}

pub(crate) fn reading_in_a_closure() {
    let dict = dict_of([("a", 1), ("b", 2)]);
    let read = || {
        assert_eq!(
            (dict.get("a").unwrap(), dict.get("b").unwrap(), dict.get("c").unwrap()),
            (Some(1), Some(2), None)
        );
        assert!(dict.contains("a").unwrap() && !dict.contains("c").unwrap());
    };
    let change = |value: &mut u64| {
        *value = 9;
        read();
        *value = 1;
    };
    dict.update("a", change).unwrap().unwrap();
    dict.transaction(&["a", "b", "c"], |view| {
        view.insert("a", 7);
        view.remove("b");
        view.insert("c", 7);
        read();
        view.cancel();
    })
    .unwrap();
    dict.retain(|_, value| {
        let is = *value;
        *value = 7;
        read();
        *value = is;
        true
    })
    .unwrap();
    assert_eq!(items(&dict), owned([("a", 1), ("b", 2)]));
    // Values with handles can't be read there, nor all at once: that takes locks.
    dict.update("a", |_| {
        let errors = [
            dict.len().map(drop),
            dict.items().map(drop),
            dict.get_many(&["a"]).map(drop),
            dict.changes().map(drop),
        ];
        assert!(errors.into_iter().all(|error| error.unwrap_err().is_deadlock()));
    })
    .unwrap();
    let lists = dict_of([("a", List::<u8>::new().unwrap())]);
    lists.update("a", |_| assert!(lists.get("a").unwrap_err().is_deadlock())).unwrap().unwrap();
}

/// Changes all these at once, again and again.
fn raise_all(dict: Dict<u64, u64>, keys: Vec<u64>) {
    let keys: Vec<&u64> = keys.iter().collect();
    loop {
        let raise = |view: &mut procession::View<u64, u64>| {
            keys.iter().for_each(|key| *view.get_mut(*key).unwrap() += 1);
        };
        dict.transaction(&keys, raise).unwrap();
    }
}

pub(crate) fn reading_in_a_closure_while_others_change_it() {
    // Some of them have the three keys in three parts, which are locked each for itself.
    for _ in 0..6 {
        let dict = Dict::<u64, u64>::new().unwrap();
        dict.extend((0..3).map(|key| (key, 0))).unwrap();
        let other = Process::spawn(raise_all, (dict.clone(), vec![1, 2])).unwrap();
        dict.wait_for(&1, |value| value > Some(&0), std::time::Duration::MAX).unwrap();
        for round in 0..500 {
            dict.update(&0, |_| {
                let values =
                    [1, 2].map(|key| dict.get(&key).unwrap_or_else(|e| panic!("{round} {key}: {e}")));
                assert!(values.iter().all(|value| *value > Some(0)));
            })
            .unwrap()
            .unwrap();
        }
        other.kill().unwrap();
        other.join().unwrap_err();
        drop(dict);
        assert_nothing_left();
    }
}

pub(crate) fn one_dict_in_a_closure_of_another() {
    let (from, to) = (dict_of([("n", 100)]), dict_of([("n", 0)]));
    let take = |from: Dict<String, u64>, to: Dict<String, u64>| {
        for _ in 0..20 {
            from.update("n", |n| {
                *n -= 1;
                to.update("n", |other| *other += 1).unwrap().unwrap();
                assert!(from.insert("m", &1).unwrap_err().is_deadlock());
            })
            .unwrap()
            .unwrap();
        }
    };
    let processes = [(); 3].map(|()| Process::spawn(take, (from.clone(), to.clone())).unwrap());
    processes.into_iter().for_each(|process| process.join().unwrap());
    assert_eq!((from.get("n").unwrap(), to.get("n").unwrap()), (Some(40), Some(60)));
}
