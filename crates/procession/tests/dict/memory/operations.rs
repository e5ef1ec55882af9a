//! Every operation, at random, with more or less memory left.

use super::{Ballast, Item, LIMIT, Shape, Tally};
use crate::common::assert_nothing_left;
use procession::{Dict, Event, List};
use procession_testing::Rng;
use std::collections::BTreeMap;

struct World {
    event: Event,
    dict: Dict<u32, Item>,
    entries: BTreeMap<u32, Shape>,
    list: List<Item>,
    values: Vec<Shape>,
    tally: Tally,
}

const KEYS: usize = 100;

pub(super) fn run() {
    let mut rng = Rng::new("memory");
    let event = Event::new().unwrap();
    event.set().unwrap();
    let mut world = World {
        event,
        dict: Dict::new().unwrap(),
        entries: BTreeMap::new(),
        list: List::new().unwrap(),
        values: Vec::new(),
        tally: Tally::default(),
    };
    for _ in 0..40 {
        let mut ballast = Ballast::new();
        for _ in 0..4 {
            ballast.leave(&mut rng);
            (0..10).for_each(|_| world.step(&mut rng));
            assert_eq!(world.dict.len().unwrap(), world.entries.len());
            assert_eq!(world.list.len().unwrap(), world.values.len());
        }
        drop(ballast);
        world.check();
        // With memory: of what it is that the next ones are tried.
        (0..rng.below(20)).for_each(|_| world.step(&mut rng));
        world.check();
    }
    for (what, [done, failed]) in &world.tally.0 {
        println!("{what}: {done} times, {failed} times without memory");
        assert!(*done > 0, "{what}");
        let takes_memory = !["clear", "truncate to nothing", "keys", "contains"].contains(what);
        assert!(takes_memory || *failed == 0, "{what}: {failed}");
    }
    assert!(world.tally.0.values().map(|[_, failed]| failed).sum::<usize>() > 100);
    drop(world);
    assert_nothing_left();
}

impl World {
    /// One operation, of which the model knows what it does if it's done.
    fn step(&mut self, rng: &mut Rng) {
        if rng.below(2) == 0 { self.step_of_dict(rng) } else { self.step_of_list(rng) }
    }

    fn step_of_dict(&mut self, rng: &mut Rng) {
        let World { dict, entries, tally, event, .. } = self;
        let (key, item) = (rng.below(KEYS) as u32, Item::any(rng, event));
        let shape = item.shape();
        let was = entries.get(&key).copied();
        let of = |item: Option<Item>| item.map(|item| item.shape());
        match rng.below(15) {
            0..=2 => {
                if let Some(before) = tally.count("insert", dict.insert(&key, &item)) {
                    assert_eq!(of(before), was);
                    entries.insert(key, shape);
                }
            }
            3 => {
                if let Some(before) = tally.count("swap", dict.swap(&key, &item)) {
                    assert_eq!(of(before), was);
                    entries.entry(key).and_modify(|entry| *entry = shape);
                }
            }
            4 => {
                if let Some(before) = tally.count("remove", dict.remove(&key)) {
                    assert_eq!(of(before), was);
                    entries.remove(&key);
                }
            }
            5 => {
                let update = dict.update(&key, |value| std::mem::replace(value, item.clone()).shape());
                if let Some(before) = tally.count("update", update) {
                    assert_eq!(before, was);
                    entries.entry(key).and_modify(|entry| *entry = shape);
                }
            }
            6 => {
                if let Some(value) = tally.count("get_or_insert", dict.get_or_insert(&key, item)) {
                    assert_eq!(value.shape(), was.unwrap_or(shape));
                    entries.insert(key, value.shape());
                }
            }
            7 => {
                let keys: Vec<u32> = (key..key + 1 + rng.below(40) as u32).collect();
                let borrowed: Vec<&u32> = keys.iter().collect();
                let result = dict.transaction(&borrowed, |view| {
                    for key in &keys {
                        if key % 3 == 0 {
                            view.remove(key);
                        } else {
                            view.insert(key, item.clone());
                        }
                    }
                });
                if tally.count("transaction", result).is_some() {
                    for key in keys {
                        let _ = if key % 3 == 0 { entries.remove(&key) } else { entries.insert(key, shape) };
                    }
                }
            }
            8 => {
                let mut seen = Vec::new();
                let rest = rng.below(5) as u32;
                let result = dict.retain(|key, value| {
                    let is_kept = key % 5 != rest;
                    if is_kept && key % 7 == rest {
                        *value = item.clone();
                    }
                    seen.push((*key, is_kept.then(|| value.shape())));
                    is_kept
                });
                let last = if tally.count("retain", result).is_none() { seen.pop() } else { None };
                for (key, now) in seen {
                    let _ = match now {
                        Some(shape) => entries.insert(key, shape),
                        None => entries.remove(&key),
                    };
                }
                // Perhaps there was no memory for that one, perhaps for the next.
                if let Some((key, now)) = last {
                    self.unsure(key, now);
                }
            }
            9 if rng.below(8) == 0 => {
                tally.count("clear", dict.clear()).unwrap();
                entries.clear();
            }
            10 => {
                if let Some(items) = tally.count("items", dict.items()) {
                    let items: BTreeMap<u32, Shape> =
                        items.iter().map(|(key, item)| (*key, item.shape())).collect();
                    assert_eq!(&items, entries);
                }
            }
            11 => {
                let mut keys = tally.count("keys", dict.keys()).unwrap();
                keys.sort_unstable();
                assert!(keys.iter().eq(entries.keys()));
            }
            12 => {
                let found = tally.count("contains", dict.contains(&key)).unwrap();
                assert_eq!(found, was.is_some());
            }
            13 => {
                // Those with handles in them take memory to be read.
                let (made, list) = (tally.count("new", Dict::<u32, u32>::new()), List::<u32>::new());
                tally.count("new list", list);
                if let Some(made) = made {
                    assert!(made.is_empty().unwrap());
                    tally.count("first insert", made.insert(&1, &2));
                }
            }
            _ => {
                if let Some(value) = tally.count("get", dict.get(&key)) {
                    assert_eq!(of(value), was);
                }
            }
        }
    }

    /// The key's value is what it was before, or this.
    fn unsure(&mut self, key: u32, now: Option<Shape>) {
        match (self.dict.get(&key), now) {
            (Ok(None), None) => _ = self.entries.remove(&key),
            (Ok(Some(item)), Some(shape)) if item.shape() == shape => _ = self.entries.insert(key, shape),
            (Ok(value), _) => assert_eq!(value.map(|item| item.shape()), self.entries.get(&key).copied()),
            // It has handles, and so it's looked at when there is memory.
            (Err(e), _) => {
                assert!(e.is_out_of_memory(), "{e}");
                let events = |shape: Option<Shape>| shape.map_or(0, |shape| shape.2);
                let before = self.entries.get(&key).copied();
                if let Some(new) = now
                    && before != now
                    && events(now) > 0
                    && events(before) == 0
                {
                    self.entries.insert(key, new);
                } else {
                    assert!(
                        events(before) > 0 && (now.is_none() || now == before || events(now) == 0),
                        "{before:?} {now:?}"
                    );
                }
            }
        }
    }

    fn step_of_list(&mut self, rng: &mut Rng) {
        let World { list, values, tally, event, .. } = self;
        let (at, item) = (rng.below(values.len() + 2), Item::any(rng, event));
        let shape = item.shape();
        let of = |item: Option<Item>| item.map(|item| item.shape());
        match rng.below(12) {
            0..=1 => {
                if tally.count("push", list.push(&item)).is_some() {
                    values.push(shape);
                }
            }
            2 => {
                if let Some(value) = tally.count("pop", list.pop()) {
                    assert_eq!(of(value), values.pop());
                }
            }
            3 => {
                if let Some(before) = tally.count("set", list.set(at, &item)) {
                    assert_eq!(of(before), values.get(at).copied());
                    values.get_mut(at).into_iter().for_each(|value| *value = shape);
                }
            }
            4 => {
                let at = at.min(values.len());
                if tally.count("insert into list", list.insert(at, &item)).is_some() {
                    values.insert(at, shape);
                }
            }
            5 => {
                if let Some(value) = tally.count("remove from list", list.remove(at)) {
                    let was = (at < values.len()).then(|| values.remove(at));
                    assert_eq!(of(value), was);
                }
            }
            6 => {
                let update = list.update(at, |value| std::mem::replace(value, item.clone()).shape());
                if let Some(before) = tally.count("update of list", update) {
                    assert_eq!(before, values.get(at).copied());
                    values.get_mut(at).into_iter().for_each(|value| *value = shape);
                }
            }
            7 => {
                let items = vec![item; rng.below(50)];
                let len = items.len();
                if tally.count("extend", list.extend(items)).is_some() {
                    values.extend(vec![shape; len]);
                }
            }
            8 if values.len() > 40 => {
                let len = rng.below(values.len());
                if tally.count("truncate", list.truncate(len)).is_some() {
                    values.truncate(len);
                }
                if rng.below(2) == 0 {
                    tally.count("truncate to nothing", list.clear()).unwrap();
                    values.clear();
                }
            }
            9 if values.len() > 1 => {
                let (a, b) = (rng.below(values.len()), rng.below(values.len()));
                if tally.count("swap in list", list.swap(a, b)).is_some() {
                    values.swap(a, b);
                }
            }
            10 => {
                if let Some(all) = tally.count("iter", list.iter()) {
                    assert!(all.map(|item| item.shape()).eq(values.iter().copied()));
                }
            }
            _ => {
                if let Some(value) = tally.count("get of list", list.get(at)) {
                    assert_eq!(of(value), values.get(at).copied());
                }
            }
        }
    }

    /// Everything is as it should be: for when there is memory, also to look at all of it.
    fn check(&mut self) {
        let size = |(_, len, events): &Shape| len + events * 200;
        if self.entries.values().chain(&self.values).map(size).sum::<usize>() > LIMIT / 8 {
            // For that takes none, half of it goes.
            if self.entries.values().map(size).sum::<usize>() > LIMIT / 16 {
                self.dict.clear().unwrap();
                self.entries.clear();
            } else {
                self.list.clear().unwrap();
                self.values.clear();
            }
        }
        let items: BTreeMap<u32, Shape> =
            self.dict.items().unwrap().iter().map(|(key, item)| (*key, item.shape())).collect();
        assert_eq!(items, self.entries);
        assert!(self.list.iter().unwrap().map(|item| item.shape()).eq(self.values.iter().copied()));
        procession_core::sweep().unwrap();
        let audit = procession::audit().unwrap();
        assert_eq!((audit.leaked, audit.impossible), (0, 0), "{audit:?}");
    }
}
