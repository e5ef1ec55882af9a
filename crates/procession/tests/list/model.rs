//! A list beside a `Vec`.

use procession::{List, Process};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<u8>),
    Pop,
    Get(usize),
    Set(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(usize),
    Update(usize),
    Swap(usize, usize),
    Extend(Vec<Vec<u8>>),
    Truncate(usize),
}

/// Mostly short, so that there are many in a leaf; some that lie in blocks of their own.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        3 => prop::collection::vec(any::<u8>(), 300..900),
        1 => prop::collection::vec(any::<u8>(), 1000..1100),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..400_usize;
    prop_oneof![
        6 => value().prop_map(Step::Push),
        2 => Just(Step::Pop),
        3 => at().prop_map(Step::Get),
        3 => (at(), value()).prop_map(|(at, value)| Step::Set(at, value)),
        4 => (at(), value()).prop_map(|(at, value)| Step::Insert(at, value)),
        4 => at().prop_map(Step::Remove),
        2 => at().prop_map(Step::Update),
        2 => (at(), at()).prop_map(|(a, b)| Step::Swap(a, b)),
        2 => prop::collection::vec(value(), 0..60).prop_map(Step::Extend),
        1 => (0..600_usize).prop_map(Step::Truncate),
    ]
}

fn run(list: &List<Vec<u8>>, model: &mut Vec<Vec<u8>>, step: Step) {
    // Most numbers are to be there.
    let near = |at: usize, len: usize| if len == 0 { at } else { at % (len + 1) };
    let len = model.len();
    match step {
        Step::Push(value) => {
            list.push(&value).unwrap();
            model.push(value);
        }
        Step::Pop => assert_eq!(list.pop().unwrap(), model.pop()),
        Step::Get(at) => assert_eq!(list.get(near(at, len)).unwrap().as_ref(), model.get(near(at, len))),
        Step::Set(at, value) => {
            let at = near(at, len);
            let was = model.get_mut(at).map(|slot| std::mem::replace(slot, value.clone()));
            assert_eq!(list.set(at, &value).unwrap(), was);
        }
        Step::Insert(at, value) => {
            let at = near(at, len);
            if at <= len {
                model.insert(at, value.clone());
                list.insert(at, &value).unwrap();
            } else {
                assert!(list.insert(at, &value).unwrap_err().is_invalid_argument());
            }
        }
        Step::Remove(at) => {
            let at = near(at, len);
            assert_eq!(list.remove(at).unwrap(), (at < len).then(|| model.remove(at)));
        }
        Step::Update(at) => {
            let at = near(at, len);
            let change = |value: &mut Vec<u8>| {
                value.push(1);
                value.len()
            };
            assert_eq!(list.update(at, change).unwrap(), model.get_mut(at).map(change));
        }
        Step::Swap(a, b) => {
            let (a, b) = (near(a, len), near(b, len));
            if a < len && b < len {
                list.swap(a, b).unwrap();
                model.swap(a, b);
            } else {
                assert!(list.swap(a, b).unwrap_err().is_invalid_argument());
            }
        }
        Step::Extend(values) => {
            list.extend(values.clone()).unwrap();
            model.extend(values);
        }
        Step::Truncate(len) => {
            list.truncate(len).unwrap();
            model.truncate(len);
        }
    }
    assert_eq!(list.len().unwrap(), model.len());
}

pub(crate) fn random_operations() {
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(step(), 1..600), |steps| {
            let list = List::new().unwrap();
            let mut model = Vec::new();
            for (i, step) in steps.into_iter().enumerate() {
                run(&list, &mut model, step);
                if i % 50 == 0 {
                    assert_eq!(list.iter().unwrap().collect::<Vec<_>>(), model);
                }
            }
            assert_eq!(list.iter().unwrap().collect::<Vec<_>>(), model);
            drop(list);
            crate::common::assert_nothing_left();
            Ok(())
        })
        .unwrap();
}

/// Another process turns the list round and round, by pairs: at each moment it's one of a few.
pub(crate) fn what_others_see() {
    const LEN: u64 = 300;
    let list = List::<u64>::new().unwrap();
    list.extend(0..LEN).unwrap();
    let turn = |list: List<u64>| {
        for round in 0..2000 {
            match round % 3 {
                0 => list.swap(round as usize % 100, 250).unwrap(),
                1 => list.swap((round - 1) as usize % 100, 250).unwrap(),
                // At once: nobody sees them one by one.
                _ => {
                    list.extend([1000, 1001]).unwrap();
                    list.truncate(LEN as usize).unwrap();
                }
            }
        }
    };
    let other = Process::spawn(turn, (list.clone(),)).unwrap();
    while other.is_alive() {
        let mut values: Vec<u64> = list.iter().unwrap().collect();
        assert!(values.len() == LEN as usize || values.len() == LEN as usize + 2, "{}", values.len());
        assert!([LEN as usize, LEN as usize + 2].contains(&list.len().unwrap()));
        assert!(list.get(299).unwrap().unwrap() < LEN);
        values.truncate(LEN as usize);
        values.sort_unstable();
        assert_eq!(values, (0..LEN).collect::<Vec<_>>(), "each once");
    }
    other.join().unwrap();
}
