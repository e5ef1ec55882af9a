//! Messages with numbers that go from some processes to others for a while: how many a second, and whether all of them came.

pub(crate) mod forms;

use crate::{
    measure::{Result, same},
    processors::{Pinned, Side},
    sync::area::{Area, Control},
};
use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

/// What comes after the last message, once for each who takes.
pub(crate) const END: u64 = u64::MAX;

const WINDOW: Duration = Duration::from_millis(80);

/// Who hangs for so many seconds is ended by a signal.
const PATIENCE: u32 = 60;

/// How many processes put and take.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) putters: u32,
    pub(crate) takers: u32,
}

/// One puts, one takes.
pub(crate) const ONE_TO_ONE: Plan = Plan { putters: 1, takers: 1 };

impl Plan {
    fn all(self) -> u32 {
        self.putters + self.takers
    }
}

/// Ends this program if nothing is heard for long: what a peer's dead process leaves may be a wait for ever. Its second processes
/// end with it.
pub(crate) struct Watchdog;

impl Watchdog {
    pub(crate) fn new() -> Watchdog {
        // SAFETY: bounds, aliasing, lifetime: no memory is passed.
        unsafe { libc::alarm(PATIENCE) };
        Watchdog
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // SAFETY: bounds, aliasing, lifetime: no memory is passed.
        unsafe { libc::alarm(0) };
    }
}

/// Puts numbers until it's told to stop; all the numbers of one process have the same lowest bit, `index`. The last one to stop
/// tells those who take, and none of them goes before those have come to the end.
pub(crate) fn put_until_stopped(
    area: &Area,
    plan: Plan,
    index: u64,
    mut put: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let _pinned = Pinned::to(Side::Second)?;
    let control = area.control();
    control.come();
    control.sleep_until(plan.all())?;
    let (mut count, mut sum) = (0, 0_u64);
    while !control.stop.load(Relaxed) {
        let number = count << 1 | index;
        put(number)?;
        count += 1;
        sum = sum.wrapping_add(number);
    }
    control.given.add(count, sum);
    if control.come() == plan.all() + plan.putters {
        (0..plan.takers).try_for_each(|_| put(END))?;
    }
    // What was sent may be gone along with who sent it.
    control.sleep_until(2 * plan.all())
}

/// What one process has got.
struct Taken {
    count: u64,
    sum: u64,
    /// The next number that may come from each.
    next: [u64; 2],
}

impl Taken {
    /// The number, if it isn't the end. Those of each who puts come in their order.
    #[inline]
    fn note(&mut self, number: u64) -> Result<bool> {
        if number == END {
            return Ok(false);
        }
        let next = &mut self.next[(number & 1) as usize];
        if number < *next {
            return Err(format!("message {number} where {next} or later was due").into());
        }
        *next = number + 1;
        self.count += 1;
        self.sum = self.sum.wrapping_add(number);
        Ok(true)
    }
}

/// Takes until the end comes. `batch_done` hears of each so many messages.
fn take_all(
    control: &Control,
    batch: usize,
    mut take: impl FnMut() -> Result<u64>,
    mut batch_done: impl FnMut(),
) -> Result<()> {
    let mut taken = Taken { count: 0, sum: 0, next: [0; 2] };
    'all: loop {
        for _ in 0..batch {
            if !taken.note(take()?)? {
                break 'all;
            }
        }
        batch_done();
    }
    control.got.add(taken.count, taken.sum);
    control.come();
    Ok(())
}

/// One more process that takes, beside the one that measures.
pub(crate) fn take_beside(area: &Area, plan: Plan, take: impl FnMut() -> Result<u64>) -> Result<()> {
    let _pinned = Pinned::to(Side::First)?;
    let control = area.control();
    control.come();
    control.sleep_until(plan.all())?;
    take_all(control, 1_000, take, || ())
}

/// The process that measures, which takes too: millions of messages a second, of all that were put. It looks at the clock after
/// each `batch` of messages. `join` waits for the other processes.
pub(crate) fn take_and_measure(
    area: &Area,
    plan: Plan,
    batch: usize,
    take: impl FnMut() -> Result<u64>,
    join: impl FnOnce() -> Result<()>,
) -> Result<f64> {
    let _watchdog = Watchdog::new();
    let control = area.control();
    let seconds = {
        let _pinned = Pinned::to(Side::First)?;
        control.come();
        control.sleep_until(plan.all())?;
        let start = Instant::now();
        take_all(control, batch, take, || {
            if start.elapsed() >= WINDOW {
                control.stop.store(true, Relaxed);
            }
        })?;
        start.elapsed().as_secs_f64()
    };
    join()?;
    let (count, sum) = control.given.total();
    same(control.got.total(), (count, sum))?;
    Ok(count as f64 / seconds / 1e6)
}
