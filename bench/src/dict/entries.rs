//! What is in the dictionaries, and in which order it's visited.

use crate::{
    measure::{Result, same},
    processors::Side,
};
use serde_bytes::ByteArray;
use std::{fmt::Write, sync::LazyLock};

/// How many entries there are: more than fit into the caches near a processor.
pub(super) const ENTRIES: usize = 100_000;

const KEY: usize = 16;
const VALUE: usize = 64;

/// A key is text of 16 letters, as keys mostly are: a `String` that is looked up by a `&str`. A value is bytes, of a type that serde
/// takes as such: serde knows no arrays of 64 items, and numbers would be made shorter or longer by their encoding.
pub(super) type Value = ByteArray<VALUE>;

/// The value of the entry of this number: a counter, which is zero, and the number, again and again.
pub(super) fn value(number: u32) -> Value {
    let mut value = [0; VALUE];
    value[8..].as_chunks_mut().0.iter_mut().for_each(|part| *part = u64::from(number).to_le_bytes());
    Value::new(value)
}

/// Whether it's an entry's value: its first and its last part.
#[inline]
pub(super) fn check(value: &Value, number: u32) -> Result<()> {
    let parts = value.as_chunks::<8>().0;
    let number = u64::from(number);
    same((u64::from_le_bytes(parts[1]), u64::from_le_bytes(parts[VALUE / 8 - 1])), (number, number))
}

/// Adds one to the counter.
#[inline]
pub(super) fn add_one(value: &mut [u8]) {
    if let Some(counter) = value.first_chunk_mut() {
        *counter = (u64::from_le_bytes(*counter) + 1).to_le_bytes();
    }
}

/// What the counter counted.
pub(super) fn counter(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |counter| u64::from_le_bytes(*counter))
}

/// All entries in an order that no processor foresees. Those who visit have their own one each, and it isn't the one in which the
/// entries came: what comes one after the other lies here and there.
pub(super) struct Order {
    /// Of all the keys, one after the other: to read them costs next to nothing.
    keys: String,
    numbers: Vec<u32>,
}

impl Order {
    /// That in which the entries come.
    pub(super) fn of_coming() -> Order {
        Order::by_seed(1)
    }

    /// That of a process, which goes round and round. Made once, since it takes as long as part of a contest.
    pub(super) fn of_visits(side: Side) -> &'static Order {
        static FIRST: LazyLock<Order> = LazyLock::new(|| Order::by_seed(2));
        static SECOND: LazyLock<Order> = LazyLock::new(|| Order::by_seed(3));
        match side {
            Side::First => &FIRST,
            Side::Second => &SECOND,
        }
    }

    fn by_seed(seed: u64) -> Order {
        let mut numbers: Vec<u32> = (0..ENTRIES as u32).collect();
        let mut random = seed;
        for last in (1..numbers.len()).rev() {
            // Knuth's generator; its high bits are good enough to shuffle by.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            numbers.swap(last, (random >> 33) as usize % (last + 1));
        }
        let mut keys = String::with_capacity(ENTRIES * KEY);
        for number in &numbers {
            write!(keys, "{number:0KEY$}").expect("text has room");
        }
        Order { keys, numbers }
    }

    /// Key and number of each.
    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.numbers.iter().enumerate().map(|(at, number)| (&self.keys[at * KEY..(at + 1) * KEY], *number))
    }
}
