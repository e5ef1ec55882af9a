//! A dictionary beside a hash map and the order of its keys.

use crate::common::assert_nothing_left;
use procession::Dict;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use std::collections::HashMap;

type Bytes = Vec<u8>;

#[derive(Clone, Debug)]
enum Step {
    Get(u16),
    Contains(u16),
    Insert(u16, Bytes),
    Swap(u16, Bytes),
    Remove(u16),
    Update(u16, u8),
    UpdateOrInsert(u16, Bytes, u8),
    GetOrInsert(u16, Bytes),
    /// With what is there, or with something else.
    Exchange(u16, bool, Bytes),
    Extend(Vec<(u16, Bytes)>),
    GetMany(Vec<u16>),
    /// Each key is set, or removed; perhaps nothing is to be done in the end.
    Transaction(Vec<(u16, Option<Bytes>)>, bool),
    /// Those whose key isn't a multiple go, some of the others are changed.
    Retain(u16),
    RemoveAll(Vec<u16>),
    Clear,
}

/// Mostly short; some lie in blocks of their own, a few in large ones.
fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        20 => prop::collection::vec(any::<u8>(), 0..30),
        6 => prop::collection::vec(any::<u8>(), 200..900),
        3 => (any::<u8>(), 1000..1100_usize).prop_map(|(byte, size)| vec![byte; size]),
        1 => (any::<u8>(), 60_000..300_000_usize).prop_map(|(byte, size)| vec![byte; size]),
    ]
}

fn step(universe: u16) -> impl Strategy<Value = Step> {
    let key = move || 0..universe;
    let pairs = |most| prop::collection::vec((0..universe, value()), 0..most);
    let changes = prop::collection::vec((key(), prop::option::of(value())), 0..12);
    prop_oneof![
        4 => key().prop_map(Step::Get),
        1 => key().prop_map(Step::Contains),
        8 => (key(), value()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => (key(), value()).prop_map(|(key, value)| Step::Swap(key, value)),
        4 => key().prop_map(Step::Remove),
        4 => (key(), any::<u8>()).prop_map(|(key, more)| Step::Update(key, more)),
        2 => (key(), value(), any::<u8>()).prop_map(|(key, value, more)| Step::UpdateOrInsert(key, value, more)),
        2 => (key(), value()).prop_map(|(key, value)| Step::GetOrInsert(key, value)),
        2 => (key(), any::<bool>(), value()).prop_map(|(key, is, value)| Step::Exchange(key, is, value)),
        2 => pairs(60).prop_map(Step::Extend),
        2 => prop::collection::vec(key(), 0..20).prop_map(Step::GetMany),
        5 => (changes, prop::bool::weighted(0.1)).prop_map(|(changes, is)| Step::Transaction(changes, is)),
        1 => (1..5_u16).prop_map(Step::Retain),
        1 => prop::collection::vec(key(), 0..200).prop_map(Step::RemoveAll),
        1 => Just(Step::Clear),
    ]
}

/// What the dictionary is to be.
#[derive(Default)]
struct Model {
    values: HashMap<u16, Bytes>,
    order: Vec<u16>,
}

impl Model {
    fn insert(&mut self, key: u16, value: Bytes) -> Option<Bytes> {
        let before = self.values.insert(key, value);
        if before.is_none() {
            self.order.push(key);
        }
        before
    }

    fn remove(&mut self, key: u16) -> Option<Bytes> {
        let before = self.values.remove(&key)?;
        self.order.retain(|other| *other != key);
        Some(before)
    }

    fn items(&self) -> Vec<(u16, Bytes)> {
        self.order.iter().map(|key| (*key, self.values[key].clone())).collect()
    }
}

fn change(value: &mut Bytes, more: u8) -> usize {
    value.resize((value.len() / 2) + usize::from(more), more);
    value.len()
}

fn run(dict: &Dict<u16, Bytes>, model: &mut Model, step: Step) {
    match step {
        Step::Get(key) => assert!(dict.get(&key).unwrap().as_ref() == model.values.get(&key)),
        Step::Contains(key) => assert_eq!(dict.contains(&key).unwrap(), model.values.contains_key(&key)),
        Step::Insert(key, value) => assert!(dict.insert(&key, &value).unwrap() == model.insert(key, value)),
        Step::Swap(key, value) => {
            let before = dict.swap(&key, &value).unwrap();
            assert!(before == model.values.get_mut(&key).map(|is| std::mem::replace(is, value)));
        }
        Step::Remove(key) => assert!(dict.remove(&key).unwrap() == model.remove(key)),
        Step::Update(key, more) => {
            let len = dict.update(&key, |value| change(value, more)).unwrap();
            assert_eq!(len, model.values.get_mut(&key).map(|value| change(value, more)));
        }
        Step::UpdateOrInsert(key, default, more) => {
            let len = dict.update_or_insert(&key, default.clone(), |value| change(value, more)).unwrap();
            if !model.values.contains_key(&key) {
                model.insert(key, default);
            }
            assert_eq!(len, change(model.values.get_mut(&key).unwrap(), more));
        }
        Step::GetOrInsert(key, value) => {
            let is = dict.get_or_insert(&key, value.clone()).unwrap();
            if !model.values.contains_key(&key) {
                model.insert(key, value);
            }
            assert!(is == model.values[&key]);
        }
        Step::Exchange(key, is_right, new) => {
            let is = model.values.get(&key).cloned();
            let current = is.clone().filter(|_| is_right).unwrap_or_else(|| vec![3; 3]);
            let outcome = dict.compare_exchange(&key, &current, &new).unwrap();
            let expected = if is.as_ref() == Some(&current) {
                model.values.insert(key, new);
                Ok(current)
            } else {
                Err(is)
            };
            assert!(outcome == expected);
        }
        Step::Extend(items) => {
            dict.extend(items.clone()).unwrap();
            items.into_iter().for_each(|(key, value)| drop(model.insert(key, value)));
        }
        Step::GetMany(keys) => {
            let values = dict.get_many(&keys.iter().collect::<Vec<_>>()).unwrap();
            assert!(values.iter().map(Option::as_ref).eq(keys.iter().map(|key| model.values.get(key))));
        }
        Step::Transaction(changes, is_cancelled) => transaction(dict, model, changes, is_cancelled),
        Step::Retain(part) => {
            let stays = |key: u16, value: &mut Bytes| {
                if key % 7 == 0 {
                    change(value, 9);
                }
                key % part == 0
            };
            dict.retain(|key, value| stays(*key, value)).unwrap();
            model.values.retain(|key, value| stays(*key, value));
            model.order.retain(|key| key % part == 0);
        }
        Step::RemoveAll(keys) => {
            keys.into_iter().for_each(|key| assert!(dict.remove(&key).unwrap() == model.remove(key)));
        }
        Step::Clear => {
            dict.clear().unwrap();
            *model = Model::default();
        }
    }
    assert_eq!(dict.len().unwrap(), model.order.len());
}

fn transaction(
    dict: &Dict<u16, Bytes>,
    model: &mut Model,
    changes: Vec<(u16, Option<Bytes>)>,
    is_cancelled: bool,
) {
    let keys: Vec<&u16> = changes.iter().map(|(key, _)| key).collect();
    let is_twice = (1..keys.len()).any(|at| keys[..at].contains(&keys[at]));
    let done = dict.transaction(&keys, |view| {
        for (key, value) in &changes {
            assert!(view.get(key) == model.values.get(key));
            let before = match value {
                Some(value) => view.insert(key, value.clone()),
                None => view.remove(key),
            };
            assert!(before.as_ref() == model.values.get(key));
            assert!(view.get_mut(key).map(|value| &*value) == value.as_ref());
        }
        if is_cancelled {
            view.cancel();
        }
    });
    if is_twice {
        assert!(done.unwrap_err().is_invalid_argument());
        return;
    }
    done.unwrap();
    for (key, value) in changes.into_iter().filter(|_| !is_cancelled) {
        match value {
            Some(value) => drop(model.insert(key, value)),
            None => drop(model.remove(key)),
        }
    }
}

fn random_operations(universe: u16, cases: u32, most: usize) {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec(step(universe), 1..most);
    let ran = runner.run(&steps, |steps| {
        let dict = Dict::new().unwrap();
        let mut model = Model::default();
        for (number, step) in steps.into_iter().enumerate() {
            run(&dict, &mut model, step);
            if number % 20 == 0 {
                assert!(dict.items().unwrap() == model.items());
            }
        }
        assert!(dict.items().unwrap() == model.items());
        assert_eq!(dict.keys().unwrap(), model.order);
        assert!(dict.values().unwrap().iter().eq(model.order.iter().map(|key| &model.values[key])));
        drop(dict);
        assert_nothing_left();
        Ok(())
    });
    ran.unwrap();
}

pub(crate) fn random_operations_on_few_keys() {
    random_operations(8, 60, 300);
}

pub(crate) fn random_operations_on_many_keys() {
    random_operations(5000, 20, 600);
}
