//! Many entries, and few again: the memory comes back.

use crate::common::assert_nothing_left;
use procession::{Dict, Process};
use std::ops::Range;

/// Blocks, and the memory of chunks in use. (Whoever has used blocks of a size keeps a chunk of that size for the next ones.)
fn used() -> (usize, usize) {
    procession_core::sweep().unwrap();
    let audit = procession::audit().unwrap();
    (audit.blocks, audit.used_bytes)
}

const KEYS: u64 = 200_000;

fn fill(dict: Dict<u64, u64>, keys: Range<u64>) {
    keys.for_each(|key| assert_eq!(dict.insert(&key, &(key * 3)).unwrap(), None));
}

fn empty(dict: Dict<u64, u64>, keys: Range<u64>) {
    keys.for_each(|key| assert_eq!(dict.remove(&key).unwrap(), Some(key * 3)));
}

/// By two processes at once, each with half of the keys.
fn by_two(dict: &Dict<u64, u64>, work: fn(Dict<u64, u64>, Range<u64>)) {
    let halves = [0..KEYS / 2, KEYS / 2..KEYS];
    std::thread::scope(|scope| {
        for half in halves {
            scope.spawn(|| work(dict.clone(), half));
        }
    });
}

pub(crate) fn to_200_000_keys_and_back() {
    let dict = Dict::<u64, u64>::new().unwrap();
    let is_full = || {
        assert_eq!(dict.len().unwrap() as u64, KEYS);
        assert!((0..KEYS).all(|key| dict.get(&key).unwrap() == Some(key * 3)));
        used()
    };
    let is_empty = || {
        assert!(dict.is_empty().unwrap() && dict.items().unwrap().is_empty());
        used()
    };
    let fresh = is_empty();
    by_two(&dict, |dict, keys| Process::spawn(fill, (dict, keys)).unwrap().join().unwrap());
    let full = is_full();
    assert!(full.0 > 100 && full.1 > fresh.1 + KEYS as usize * 16, "{full:?}");
    by_two(&dict, |dict, keys| Process::spawn(empty, (dict, keys)).unwrap().join().unwrap());
    let before = is_empty();
    assert!(before.0 < 8 && before.1 < fresh.1 + full.1 / 8, "{before:?}, {full:?} when it was full");
    // By one, and away all at once, but for a few or wholly.
    fill(dict.clone(), 0..KEYS);
    assert!(dict.keys().unwrap().into_iter().eq(0..KEYS), "in their order");
    dict.retain(|key, _| key % 20_000 == 7).unwrap();
    assert!(dict.keys().unwrap().into_iter().eq((0..10).map(|n| n * 20_000 + 7)));
    assert!(used().1 < fresh.1 + full.1 / 4, "{:?} with ten entries", used());
    dict.extend((0..KEYS).map(|key| (key, key))).unwrap();
    dict.clear().unwrap();
    let now = is_empty();
    // The words that name groups of shards stay: the more, the more shards there ever were.
    assert!(now.0 < 8 && now.1 < before.1 + full.1 / 16, "{now:?}, once {before:?}");
    drop(dict);
    assert_nothing_left();
}

pub(crate) fn values_of_many_sizes_and_back() {
    let dict = Dict::<u64, Vec<u8>>::new().unwrap();
    let fill = || {
        for key in 0..5000_u64 {
            let size = [10, 300, 1500, 20_000][(key % 4) as usize];
            dict.insert(&key, &vec![key as u8; size]).unwrap();
        }
    };
    fill();
    dict.clear().unwrap();
    let before = used();
    for _ in 0..2 {
        fill();
        assert_eq!(dict.get(&4999).unwrap(), Some(vec![4999_u64 as u8; 20_000]));
        (0..5000).for_each(|key| assert!(dict.update(&key, |value| value.truncate(5)).unwrap().is_some()));
        assert!(dict.values().unwrap().iter().all(|value| value.len() == 5));
        fill();
        dict.retain(|key, _| key % 3 == 0).unwrap();
        assert_eq!(dict.len().unwrap(), 1667);
        dict.clear().unwrap();
        assert_eq!(used(), before, "it's given back");
    }
    drop(dict);
    assert_nothing_left();
}
