//! One or two processes that do one thing with entries, as often as they can.

use super::entries::{Order, Value, check, value};
use crate::{
    measure::{Result, same},
    processors::{Pinned, Side},
    sync::area::Area,
    traffic::Watchdog,
};
use std::{
    fmt,
    str::FromStr,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_millis(80);

/// After so many operations the clock is looked at.
const BATCH: u64 = 64;

/// A dictionary, as one process has it. Each call is one operation, which is done when it returns, and whole for all others.
pub(super) trait Store {
    /// A copy of the value.
    fn get(&mut self, key: &str) -> Result<Value>;

    /// Replaces the value.
    fn put(&mut self, key: &str, value: &Value) -> Result<()>;

    /// Adds one to the value's counter.
    fn update(&mut self, key: &str) -> Result<()>;

    /// The sum of all counters.
    fn total(&mut self) -> Result<u64>;
}

/// What they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Get,
    Put,
    Update,
    /// Updates of one entry, always the same.
    UpdateOne,
}

impl Does {
    pub(super) const ALL: [Does; 4] = [Does::Get, Does::Put, Does::Update, Does::UpdateOne];
}

impl fmt::Display for Does {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Does::Get => "get",
            Does::Put => "put",
            Does::Update => "update",
            Does::UpdateOne => "update of one key",
        })
    }
}

impl FromStr for Does {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Does, String> {
        let found = Does::ALL.into_iter().find(|does| does.to_string() == text);
        found.ok_or_else(|| format!("nothing that is done here: {text}"))
    }
}

/// Puts all entries into an empty dictionary.
pub(super) fn fill(store: &mut impl Store) -> Result<()> {
    Order::of_coming().iter().try_for_each(|(key, number)| store.put(key, &value(number)))
}

/// The first of so many processes, which also says when it's over: millions of operations a second, of all of them. `join` waits for the
/// second one.
pub(super) fn contest(
    area: &Area,
    processes: u32,
    store: &mut impl Store,
    does: Does,
    join: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    let _watchdog = Watchdog::new();
    let control = area.control();
    let is_counted = matches!(does, Does::Update | Does::UpdateOne);
    let before = if is_counted { store.total()? } else { 0 };
    let order = Order::of_visits(Side::First);
    let (mine, seconds) = {
        let _pinned = Pinned::to(Side::First)?;
        control.come();
        control.spin_until(processes)?;
        let start = Instant::now();
        let mut count = 0_u64;
        let is_over = || {
            count += 1;
            count.is_multiple_of(BATCH) && start.elapsed() >= WINDOW
        };
        let mine = repeat(store, does, order, is_over);
        // Also after an error: the other one would go on for ever.
        control.stop.store(true, Relaxed);
        (mine?, start.elapsed().as_secs_f64())
    };
    join()?;
    let both = mine + control.counted.load(Acquire);
    if is_counted {
        same(store.total()? - before, both)?;
    }
    Ok(both as f64 / seconds / 1e6)
}

/// The second process.
pub(super) fn take_part(area: &Area, store: &mut impl Store, does: Does) -> Result<()> {
    let control = area.control();
    let order = Order::of_visits(Side::Second);
    let _pinned = Pinned::to(Side::Second)?;
    control.come();
    control.spin_until(2)?;
    let count = repeat(store, does, order, || control.stop.load(Relaxed))?;
    control.counted.store(count, Release);
    Ok(())
}

/// How often it was done until it was over, which is asked each time.
fn repeat(store: &mut impl Store, does: Does, order: &Order, is_over: impl FnMut() -> bool) -> Result<u64> {
    match does {
        Does::Get => each(order, is_over, |key, number| check(&store.get(key)?, number)),
        Does::Put => each(order, is_over, |key, number| store.put(key, &value(number))),
        Does::Update => each(order, is_over, |key, _| store.update(key)),
        Does::UpdateOne => {
            let one = "0".repeat(16);
            each(order, is_over, |_, _| store.update(&one))
        }
    }
}

#[inline]
fn each(
    order: &Order,
    mut is_over: impl FnMut() -> bool,
    mut visit: impl FnMut(&str, u32) -> Result<()>,
) -> Result<u64> {
    let mut count = 0;
    loop {
        for (key, number) in order.iter() {
            visit(key, number)?;
            count += 1;
            if is_over() {
                return Ok(count);
            }
        }
    }
}
