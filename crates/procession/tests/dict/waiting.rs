//! Waiting for a change, and who waits for whom.

use crate::{
    common::{assert_nothing_left, park, until_waiting},
    dict_of,
};
use procession::{Dict, Event, Process};
use std::time::Duration;

pub(crate) fn for_a_value() {
    let dict = dict_of([("n", 0_u64)]);
    let wait = |dict: Dict<String, u64>, until: u64| {
        let mut last = None;
        let found = dict.wait_for(
            "n",
            |value| {
                last = value.copied();
                last >= Some(until)
            },
            Duration::MAX,
        );
        assert!(found.unwrap());
        last.unwrap()
    };
    let waiting = [10, 20, 30].map(|until| Process::spawn(wait, (dict.clone(), until)).unwrap());
    until_waiting(3, || dict.statistics().waiters.len());
    // By every way there is to change one.
    dict.insert("n", &10).unwrap();
    let mut waiting = waiting.into_iter();
    assert_eq!(waiting.next().unwrap().join().unwrap(), 10);
    until_waiting(2, || dict.statistics().waiters.len());
    dict.update("n", |n| *n = 20).unwrap().unwrap();
    assert_eq!(waiting.next().unwrap().join().unwrap(), 20);
    until_waiting(1, || dict.statistics().waiters.len());
    dict.transaction(&["n", "m"], |view| {
        view.insert("m", 1);
        view.insert("n", 30);
    })
    .unwrap();
    assert_eq!(waiting.next().unwrap().join().unwrap(), 30);
    for change in [
        |dict: &Dict<String, u64>| assert_eq!(dict.swap("n", &40).unwrap(), Some(30)),
        |dict: &Dict<String, u64>| assert_eq!(dict.fetch_add("n", 10).unwrap(), Some(40)),
        |dict: &Dict<String, u64>| assert_eq!(dict.compare_exchange("n", &50, &60).unwrap(), Ok(50)),
        |dict: &Dict<String, u64>| {
            dict.retain(|_, n| {
                *n += 10;
                true
            })
            .unwrap()
        },
        |dict: &Dict<String, u64>| dict.insert_many(&[("x", &1), ("n", &80)]).unwrap(),
    ] {
        let until = dict.get("n").unwrap().unwrap() + 10;
        let waiting = Process::spawn(wait, (dict.clone(), until)).unwrap();
        until_waiting(1, || dict.statistics().waiters.len());
        change(&dict);
        assert_eq!(waiting.join().unwrap(), until);
    }
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn for_a_value_that_comes_and_goes() {
    let dict = Dict::<String, String>::new().unwrap();
    let wait = |dict: Dict<String, String>| {
        assert!(
            dict.wait_for("it", |value| value.is_some_and(|text| text == "here"), Duration::MAX).unwrap()
        );
        dict.insert("seen", &"yes".into()).unwrap();
        assert!(dict.wait_for("it", |value| value.is_none(), Duration::MAX).unwrap());
        dict.insert("seen", &"twice".into()).unwrap();
    };
    // While the dictionary grows, so that the key may move; and everything goes at once.
    for remove in [
        |dict: &Dict<String, String>| drop(dict.remove("it").unwrap()),
        |dict: &Dict<String, String>| dict.clear().unwrap(),
    ] {
        dict.clear().unwrap();
        let waiting = Process::spawn(wait, (dict.clone(),)).unwrap();
        until_waiting(1, || dict.statistics().waiters.len());
        dict.extend((0..3000).map(|n| (n.to_string(), "other".to_string()))).unwrap();
        dict.insert("it", &"there".into()).unwrap();
        dict.insert("it", &"here".into()).unwrap();
        assert!(dict.wait_for("seen", |seen| seen.is_some_and(|seen| seen == "yes"), Duration::MAX).unwrap());
        until_waiting(1, || dict.statistics().waiters.len());
        dict.retain(|key, _| key.len() < 3 || key == "seen" || key == "it").unwrap();
        remove(&dict);
        waiting.join().unwrap();
        assert_eq!(dict.get("seen").unwrap().as_deref(), Some("twice"));
    }
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn for_any_change() {
    let dict = Dict::<String, u64>::new().unwrap();
    let mut last = dict.changes().unwrap();
    assert_eq!(dict.changes().unwrap(), last);
    let count = |dict: &Dict<String, u64>, last: &mut u64| {
        let now = dict.changes().unwrap();
        assert!(now > *last, "{now} after {last}");
        *last = now;
    };
    dict.insert("a", &1).unwrap();
    count(&dict, &mut last);
    dict.extend((0..2000).map(|n| (n.to_string(), n))).unwrap();
    count(&dict, &mut last);
    dict.update("a", |n| *n += 1).unwrap();
    count(&dict, &mut last);
    dict.transaction(&["a", "b"], |view| view.insert("b", 1)).unwrap();
    count(&dict, &mut last);
    dict.retain(|key, _| key.len() < 3).unwrap();
    count(&dict, &mut last);
    dict.clear().unwrap();
    count(&dict, &mut last);
    dict.insert("a", &1).unwrap();
    count(&dict, &mut last);
    dict.remove("a").unwrap();
    count(&dict, &mut last);
    assert_eq!(dict.get("a").unwrap(), None);
    assert_eq!((dict.remove("a").unwrap(), dict.swap("a", &1).unwrap()), (None, None));
    assert_eq!(dict.changes().unwrap(), last, "nothing was changed");

    let wait = |dict: Dict<String, u64>, since: u64| dict.wait_for_change(since, Duration::MAX).unwrap();
    let waiting = Process::spawn(wait, (dict.clone(), last)).unwrap();
    until_waiting(1, || dict.statistics().waiters.len());
    dict.insert("z", &1).unwrap();
    assert!(waiting.join().unwrap().unwrap() > last);
    assert!(dict.wait_for_change(last, Duration::ZERO).unwrap() > Some(last), "there was one");
}

pub(crate) fn for_nothing() {
    let dict = dict_of([("n", 1_u64)]);
    let moment = Duration::from_millis(5);
    assert!(!dict.wait_for("n", |_| false, moment).unwrap());
    assert!(!dict.wait_for("m", |value| value.is_some(), Duration::ZERO).unwrap());
    assert!(dict.wait_for("m", |value| value.is_none(), Duration::ZERO).unwrap(), "it's true already");
    assert_eq!(dict.wait_for_change(dict.changes().unwrap(), moment).unwrap(), None);
    assert!(dict.statistics().waiters.is_empty());
    drop(dict);
    assert_nothing_left();
}

/// Is in the middle of a change for ever.
fn hold(dict: Dict<String, u64>, inside: Event) {
    dict.update("n", |n| {
        *n = 9;
        inside.set().unwrap();
        park();
    })
    .unwrap();
}

pub(crate) fn nobody_waits_for_a_stopped_process_to_read() {
    let dict = dict_of([("n", 1_u64), ("m", 2)]);
    let inside = Event::new().unwrap();
    let holder = Process::spawn(hold, (dict.clone(), inside.clone())).unwrap();
    inside.wait().unwrap();
    procession_testing::stop(holder.pid()).unwrap();
    assert_eq!((dict.get("n").unwrap(), dict.get("m").unwrap()), (Some(1), Some(2)));
    assert!(dict.contains("n").unwrap() && !dict.contains("x").unwrap());
    assert!(dict.wait_for("n", |value| value == Some(&1), Duration::MAX).unwrap());
    // Who wants to change it waits until it goes on, or dies.
    let add = |dict: Dict<String, u64>| dict.fetch_add("n", 1).unwrap();
    let other = Process::spawn(add, (dict.clone(),)).unwrap();
    until_waiting(1, || dict.statistics().waiters.len());
    holder.kill().unwrap();
    holder.join().unwrap_err();
    assert_eq!(other.join().unwrap(), Some(1));
    assert_eq!(crate::items(&dict), crate::owned([("n", 2), ("m", 2)]));
    drop((dict, inside));
    assert_nothing_left();
}

pub(crate) fn who_waits_for_a_closure_is_told() {
    let dict = dict_of([("n", 1_u64)]);
    let hold = |dict: Dict<String, u64>, go: Event| {
        dict.update("n", |n| {
            go.wait().unwrap();
            *n += 1;
        })
        .unwrap();
    };
    let go = Event::new().unwrap();
    let holder = Process::builder().name("holder").spawn(hold, (dict.clone(), go.clone())).unwrap();
    until_waiting(1, || go.statistics().waiters.len());
    let add = |dict: Dict<String, u64>| dict.fetch_add("n", 10).unwrap();
    let waiter = Process::builder().name("waiter").spawn(add, (dict.clone(),)).unwrap();
    until_waiting(1, || dict.statistics().waiters.len());
    let statistics = dict.statistics();
    let names = |parties: &[_]| format!("{parties:?}");
    assert!(names(&statistics.holders).contains("holder"), "{statistics:?}");
    assert!(names(&statistics.waiters).contains("waiter"), "{statistics:?}");
    assert_eq!(dict.get("n").unwrap(), Some(1), "reading needs no lock");
    let waits = procession::family::waits().unwrap().to_string();
    assert!(waits.contains("holder") && waits.contains("waiter"), "{waits}");
    // If who has it dies, the next one gets it, and nothing has been changed.
    holder.kill().unwrap();
    holder.join().unwrap_err();
    assert_eq!(waiter.join().unwrap(), Some(1));
    assert_eq!(dict.get("n").unwrap(), Some(11));
    drop((dict, go));
    assert_nothing_left();
}
