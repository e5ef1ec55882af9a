//! What keys and values can be, and what they can't.

use crate::{common::assert_nothing_left, dict_of};
use procession::{Dict, Process};
use procession_testing::{OneWay, Stubborn};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Around every limit that there might be: of a word, an entry in a page, a page, a block, a chunk.
const SIZES: [usize; 18] = [
    0, 1, 7, 8, 9, 100, 1000, 1015, 1016, 1023, 1024, 1025, 4095, 4097, 65_535, 65_537, 1_000_000, 5_000_000,
];

fn content(size: usize) -> Vec<u8> {
    let pattern: Vec<u8> = (0..251).map(|at| (at * 31 + size) as u8).collect();
    let mut content = pattern.repeat(size / pattern.len() + 1);
    content.truncate(size);
    content
}

pub(crate) fn of_any_size() {
    let dict = Dict::<u64, Vec<u8>>::new().unwrap();
    for size in SIZES {
        assert_eq!(dict.insert(&(size as u64), &content(size)).unwrap(), None);
    }
    for size in SIZES {
        assert!(dict.get(&(size as u64)).unwrap().unwrap() == content(size), "{size}");
    }
    let see = |dict: Dict<u64, Vec<u8>>| {
        dict.items().unwrap().iter().all(|(size, value)| *value == content(*size as usize))
    };
    assert!(Process::spawn(see, (dict.clone(),)).unwrap().join().unwrap());
    let sizes: Vec<u64> = SIZES.map(|size| size as u64).into();
    let keys: Vec<&u64> = sizes.iter().collect();
    let values = dict.get_many(&keys).unwrap();
    assert!(values.iter().zip(SIZES).all(|(value, size)| value.as_deref() == Some(&content(size))));
    for size in SIZES {
        assert!(dict.remove(&(size as u64)).unwrap().unwrap() == content(size), "{size}");
    }
    assert!(dict.is_empty().unwrap());
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn keys_of_any_size() {
    // The longest is for values.
    let sizes: [usize; SIZES.len() - 1] = *SIZES.first_chunk().unwrap();
    let dict = Dict::<Vec<u8>, usize>::new().unwrap();
    for size in sizes {
        assert_eq!(dict.insert(&content(size), &size).unwrap(), None);
        assert_eq!(dict.fetch_add(&content(size), 1).unwrap(), Some(size));
    }
    // Others that differ at the end only, or in length only.
    for size in sizes.into_iter().filter(|size| *size > 0) {
        let mut other = content(size);
        other[size - 1] ^= 1;
        assert_eq!(dict.get(&other).unwrap(), None);
        assert_eq!(dict.insert(&other, &0).unwrap(), None);
        other.push(0);
        assert_eq!(dict.get(&other).unwrap(), None);
    }
    assert_eq!(dict.len().unwrap(), 2 * sizes.len() - 1);
    assert!(dict.keys().unwrap().iter().zip(sizes).all(|(key, size)| *key == content(size)));
    for size in sizes {
        assert_eq!(dict.remove(&content(size)).unwrap(), Some(size + 1));
    }
    assert_eq!(dict.values().unwrap(), [0; SIZES.len() - 2]);
    dict.clear().unwrap();
    drop(dict);
    assert_nothing_left();
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
enum Shape {
    #[default]
    None,
    Circle(f64),
    Path {
        points: Vec<(i32, i32)>,
        name: Option<String>,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Drawing {
    shapes: Vec<Shape>,
    layers: BTreeMap<String, Option<Box<Drawing>>>,
    size: (u128, char),
}

pub(crate) fn of_every_type() {
    let path = Shape::Path { points: vec![(1, -1), (i32::MIN, i32::MAX)], name: Some("é".into()) };
    let inner = Drawing { shapes: vec![Shape::None, path.clone()], ..Drawing::default() };
    let outer = Drawing {
        shapes: vec![Shape::Circle(f64::MIN_POSITIVE)],
        layers: [("in".into(), Some(Box::new(inner.clone()))), ("out".into(), None)].into(),
        size: (u128::MAX, '\u{10FFFF}'),
    };
    let drawings = dict_of([("inner", inner), ("outer", outer.clone())]);
    let look = |drawings: Dict<String, Drawing>| {
        drawings.update("inner", |drawing| drawing.shapes.reverse()).unwrap().unwrap();
        drawings.get("outer").unwrap().unwrap()
    };
    assert_eq!(Process::spawn(look, (drawings.clone(),)).unwrap().join().unwrap(), outer);
    assert_eq!(drawings.get("inner").unwrap().unwrap().shapes, [path.clone(), Shape::None]);

    let shapes = dict_of([("a", Shape::None)]);
    assert_eq!(shapes.compare_exchange("a", &Shape::None, &path).unwrap(), Ok(Shape::None));
    assert_eq!(shapes.update("a", std::mem::take).unwrap(), Some(path));

    // No value and a value that is none are two things.
    let optional = dict_of([("none", None), ("some", Some(1))]);
    assert_eq!(optional.get("none").unwrap(), Some(None));
    assert_eq!(optional.get("missing").unwrap(), None);
    assert_eq!(optional.insert("none", &Some(2)).unwrap(), Some(None));
    let units = dict_of([("a", ())]);
    assert_eq!((units.get("a").unwrap(), units.get("b").unwrap()), (Some(()), None));
}

pub(crate) fn that_change_their_size() {
    let dict = dict_of([("before", content(50)), ("it", vec![]), ("after", content(60))]);
    let sizes = SIZES.into_iter().chain(SIZES.into_iter().rev()).filter(|size| *size < 1_000_000);
    let mut last = vec![];
    for size in sizes.clone() {
        assert!(dict.insert("it", &content(size)).unwrap().unwrap() == last);
        last = content(size);
    }
    for size in sizes {
        dict.update("it", |value| *value = content(size)).unwrap().unwrap();
        assert!(dict.get("it").unwrap().unwrap() == content(size));
        dict.transaction(&["it"], |view| view.get_mut("it").unwrap().push(7)).unwrap();
        assert_eq!(dict.get("it").unwrap().unwrap().len(), size + 1);
    }
    assert_eq!(dict.get_many(&["before", "after"]).unwrap(), [Some(content(50)), Some(content(60))]);
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn that_cannot_be_encoded() {
    /// A number that can't be encoded if it's 13.
    #[derive(Debug, PartialEq, Deserialize)]
    struct Picky(u32);

    impl Serialize for Picky {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 == 13 { Err(serde::ser::Error::custom("not 13")) } else { self.0.serialize(serializer) }
        }
    }

    let never = Dict::<String, Stubborn>::new().unwrap();
    let error = never.insert("a", &Stubborn).unwrap_err();
    assert!(error.is_codec() && error.to_string().contains("no"), "{error}");
    assert!(never.get_or_insert("a", Stubborn).unwrap_err().is_codec());
    assert!(never.extend([("a".to_string(), Stubborn)]).unwrap_err().is_codec());
    assert!(never.is_empty().unwrap());
    let keys = Dict::<Stubborn, u8>::new().unwrap();
    assert!(keys.insert(&Stubborn, &1).unwrap_err().is_codec());
    assert!(keys.get(&Stubborn).unwrap_err().is_codec() && keys.remove(&Stubborn).unwrap_err().is_codec());
    assert!(keys.wait_for(&Stubborn, |_| true, std::time::Duration::MAX).unwrap_err().is_codec());

    let dict = dict_of([("a", Picky(1)), ("b", Picky(2))]);
    assert!(dict.insert("a", &Picky(13)).unwrap_err().is_codec());
    assert!(dict.swap("a", &Picky(13)).unwrap_err().is_codec());
    assert!(dict.update("a", |value| value.0 = 13).unwrap_err().is_codec());
    assert!(dict.update_or_insert("c", Picky(13), |_| ()).unwrap_err().is_codec());
    assert!(dict.get_or_insert_with("c", || Picky(13)).unwrap_err().is_codec());
    assert!(dict.compare_exchange("a", &Picky(1), &Picky(13)).unwrap_err().is_codec());
    let both = dict.transaction(&["a", "b"], |view| {
        view.insert("a", Picky(7));
        view.insert("b", Picky(13));
    });
    assert!(both.unwrap_err().is_codec());
    let each = dict.retain(|_, value| {
        value.0 = 13;
        true
    });
    assert!(each.unwrap_err().is_codec());
    assert_eq!(
        dict.items().unwrap(),
        crate::owned([("a", Picky(1)), ("b", Picky(2))]),
        "nothing was changed"
    );
    drop((never, keys, dict));
    assert_nothing_left();
}

pub(crate) fn that_cannot_be_decoded() {
    let dict = dict_of([("a", OneWay(1)), ("b", OneWay(2)), ("c", OneWay(3))]);
    assert!(dict.get("a").unwrap_err().is_codec());
    assert!(dict.contains("a").unwrap(), "it's there nevertheless");
    assert_eq!((dict.len().unwrap(), dict.keys().unwrap().len()), (3, 3));
    assert!(dict.items().unwrap_err().is_codec() && dict.values().unwrap_err().is_codec());
    assert!(dict.get_many(&["x", "a"]).unwrap_err().is_codec());
    assert!(dict.update("a", |_| unreachable!()).unwrap_err().is_codec());
    assert!(dict.transaction(&["x", "a"], |_| unreachable!()).unwrap_err().is_codec());
    assert!(dict.retain(|_, _| unreachable!()).unwrap_err().is_codec());
    assert!(dict.wait_for("a", |_| true, std::time::Duration::MAX).unwrap_err().is_codec());
    assert_eq!(dict.len().unwrap(), 3, "nothing was changed");
    // What was replaced or removed is gone, whether or not it can be seen.
    assert!(dict.insert("a", &OneWay(4)).unwrap_err().is_codec());
    assert!(dict.remove("b").unwrap_err().is_codec());
    assert_eq!(dict.keys().unwrap(), ["a", "c"]);
    dict.extend([("c".to_string(), OneWay(5)), ("d".to_string(), OneWay(5))]).unwrap();
    assert_eq!(dict.keys().unwrap(), ["a", "c", "d"]);
    dict.clear().unwrap();
    assert!(dict.is_empty().unwrap());
    drop(dict);
    assert_nothing_left();
}
