//! How many workers there should be, and how many tasks travel together: pure functions of what is true now, never of tokens.

use super::size::PoolSize;
use std::time::Duration;

/// A worker with so many tasks has enough: it won't run out before somebody looks again.
pub(super) const ENOUGH: usize = 6144;

/// So long tasks wait before more workers are started for them: about what a start costs, so that a burst of short tasks, which is over
/// by then, starts none.
pub(super) const PATIENCE: Duration = Duration::from_millis(1);

/// What is true now. Workers that are leaving don't count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    /// How many there may be.
    pub(super) size: PoolSize,
    /// Whether no more tasks will come.
    pub(super) closed: bool,
    /// Workers that aren't ready for tasks yet.
    pub(super) starting: usize,
    /// Workers that have tasks.
    pub(super) busy: usize,
    /// Those of them that wait for other tasks themselves. They don't count where the tasks are of this pool and not begun: else they might
    /// wait for ever.
    pub(super) waiting: usize,
    /// Whether tasks that such a worker, or another process, asked for haven't been begun.
    pub(super) requested: bool,
    /// Workers that have none.
    pub(super) idle: usize,
    /// How long the one has had none that has had none for longest.
    pub(super) idlest: Duration,
    /// How long one may.
    pub(super) idle_timeout: Duration,
    /// Tasks accepted and not done.
    pub(super) unfinished: usize,
    /// How long there have been tasks that nobody had begun, and nobody idle.
    pub(super) pressed: Option<Duration>,
    /// How long to wait before the next start, after starts that failed.
    pub(super) pause: Duration,
}

/// What to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// So many workers to start.
    pub(super) start: usize,
    /// So many to send away, because there may be no more so many.
    pub(super) retire: usize,
    /// To send away the one that has been idle for longest.
    pub(super) expire: bool,
    /// When to ask again, if nothing happens before.
    pub(super) again: Option<Duration>,
}

/// What to do about the number of workers.
pub(super) fn plan(now: &Snapshot) -> Plan {
    let awake = now.busy - now.waiting.min(now.busy);
    // Who waits for another pool, or for what is being run, counts like any other: else more tasks would run than may.
    let working = if now.requested { awake } else { now.busy };
    let have = now.starting + now.idle + working;
    let queued = now.unfinished.saturating_sub(now.busy);
    // A closed pool needs no more workers than it has tasks.
    let least = if now.closed { now.size.min.min(working + queued) } else { now.size.min };
    let (mut wanted, mut again) = (least, None);
    if queued > 0 && have < now.size.max {
        let patience = if have == 0 { Duration::ZERO } else { PATIENCE };
        match now.pressed {
            Some(pressed) if pressed >= patience => wanted = (working + queued).clamp(least, now.size.max),
            Some(pressed) => again = Some(patience - pressed),
            None => {}
        }
    }
    let too_many = (now.starting + now.idle + awake).saturating_sub(now.size.max);
    if too_many > 0 {
        return Plan { retire: too_many, ..Plan::default() };
    }
    if wanted > have {
        return match now.pause {
            Duration::ZERO => Plan { start: wanted - have, ..Plan::default() },
            pause => Plan { again: Some(pause), ..Plan::default() },
        };
    }
    // One at a time: the next one is asked about in a moment. Who is still getting ready may never be, so it takes nobody's place; and
    // it isn't sent away, else it would be there all the same, and not count.
    if now.idle > 0 && queued == 0 && now.idle + working > least {
        match now.idle_timeout.saturating_sub(now.idlest) {
            Duration::ZERO => return Plan { expire: true, ..Plan::default() },
            left => again = Some(left),
        }
    } else if have > least {
        // Nobody says so when a worker becomes idle; this is soon enough.
        again = again.or(Some(now.idle_timeout.max(PATIENCE)));
    }
    Plan { again, ..Plan::default() }
}

/// The most tasks in one batch of a map.
const LARGEST_BATCH: usize = 1024;

/// How many items a map submits next, when about `remaining` are still to come: large while there is much, small towards
/// the end. Nothing hangs on it but overhead, since what a busy worker hasn't begun can be taken back.
pub(super) fn batch_len(remaining: usize, workers: usize) -> usize {
    (remaining / (2 * workers.max(1))).clamp(1, LARGEST_BATCH)
}

/// How many of a lazy map's tasks may be on their way: as many as are done in `AHEAD`, if so many were taken in that time; so that
/// workers don't run dry while the next ones are read.
pub(super) fn window(taken: usize, time: Duration, workers: usize) -> usize {
    const AHEAD: Duration = Duration::from_millis(2);
    let ahead = taken as u128 * AHEAD.as_nanos() / time.as_nanos().max(1);
    let least = 2 * workers.max(1);
    (ahead as usize).clamp(least, least.max(LARGEST_BATCH * 16))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: Duration = Duration::from_millis(1);

    fn calm(min: usize, max: usize, idle: usize) -> Snapshot {
        Snapshot {
            size: PoolSize { min, max },
            closed: false,
            starting: 0,
            busy: 0,
            waiting: 0,
            requested: false,
            idle,
            idlest: Duration::ZERO,
            idle_timeout: 100 * MILLIS,
            unfinished: 0,
            pressed: None,
            pause: Duration::ZERO,
        }
    }

    fn start(start: usize) -> Plan {
        Plan { start, ..Plan::default() }
    }

    #[test]
    fn dead_workers_are_replaced_while_there_can_be_work() {
        let now = calm(4, 4, 4);
        assert_eq!(plan(&now), Plan::default());
        assert_eq!(plan(&Snapshot { idle: 1, ..now }), start(3));
        assert_eq!(plan(&Snapshot { idle: 1, closed: true, ..now }).start, 0);
        assert_eq!(plan(&Snapshot { idle: 0, busy: 1, closed: true, unfinished: 2, ..now }), start(1));
        assert_eq!(plan(&Snapshot { idle: 0, closed: true, unfinished: 100, ..now }), start(4));
        assert_eq!(plan(&Snapshot { idle: 0, starting: 4, unfinished: 100, ..now }), Plan::default());
    }

    #[test]
    fn a_burst_that_is_over_soon_starts_nobody() {
        let now =
            Snapshot { idle: 0, busy: 3, unfinished: 1000, pressed: Some(MILLIS / 4), ..calm(3, 20, 0) };
        assert_eq!(plan(&now), Plan { again: Some(MILLIS * 3 / 4), ..Plan::default() });
        assert_eq!(plan(&Snapshot { unfinished: 0, pressed: None, ..now }).start, 0);
    }

    #[test]
    fn a_queue_that_lasts_starts_as_many_as_have_something_to_do() {
        let now = Snapshot { idle: 0, busy: 3, unfinished: 1000, pressed: Some(MILLIS), ..calm(3, 20, 0) };
        assert_eq!(plan(&now), start(17));
        assert_eq!(plan(&Snapshot { unfinished: 5, ..now }), start(2));
        // Those that are on their way count.
        assert_eq!(plan(&Snapshot { starting: 10, ..now }), start(7));
        assert_eq!(plan(&Snapshot { unfinished: 5, starting: 2, ..now }).start, 0);
        assert_eq!(plan(&Snapshot { closed: true, unfinished: 4, ..now }), start(1));
    }

    #[test]
    fn an_empty_pool_starts_at_once() {
        let now = Snapshot { unfinished: 2, pressed: Some(Duration::ZERO), ..calm(0, 5, 0) };
        assert_eq!(plan(&now), start(2));
    }

    #[test]
    fn slow_starts_are_waited_for() {
        let mut now = Snapshot { busy: 1, unfinished: 9, pressed: Some(MILLIS), ..calm(1, 4, 0) };
        assert_eq!(plan(&now), start(3));
        now.starting = 3;
        for wait in 0..100 {
            now.pressed = Some(wait * MILLIS);
            assert_eq!(plan(&now).start, 0);
        }
    }

    #[test]
    fn failing_starts_are_tried_again_after_a_pause() {
        let now =
            Snapshot { busy: 1, unfinished: 9, pressed: Some(MILLIS), pause: 7 * MILLIS, ..calm(1, 4, 0) };
        assert_eq!(plan(&now), Plan { again: Some(7 * MILLIS), ..Plan::default() });
        assert_eq!(plan(&Snapshot { pause: Duration::ZERO, ..now }), start(3));
    }

    #[test]
    fn idle_workers_go_one_by_one_when_their_time_is_up() {
        let now = Snapshot { idlest: 40 * MILLIS, ..calm(3, 20, 5) };
        assert_eq!(plan(&now), Plan { again: Some(60 * MILLIS), ..Plan::default() });
        let late = Snapshot { idlest: 100 * MILLIS, ..now };
        assert_eq!(plan(&late), Plan { expire: true, ..Plan::default() });
        assert_eq!(plan(&Snapshot { idle: 3, ..late }), Plan::default());
        // Those that aren't ready don't take the place of any that is.
        assert!(!plan(&Snapshot { idle: 3, starting: 2, ..late }).expire);
        assert!(plan(&Snapshot { idle: 4, starting: 2, ..late }).expire);
    }

    /// Load that comes and goes, faster than workers grow idle: the pool grows once, and stays.
    #[test]
    fn flapping_load_does_not_flap_the_pool() {
        let busy = Snapshot { busy: 20, unfinished: 40, pressed: Some(5 * MILLIS), ..calm(3, 20, 0) };
        for idle_for in 0..99 {
            assert_eq!(plan(&busy).start, 0);
            let idle = Snapshot { idlest: idle_for * MILLIS, ..calm(3, 20, 20) };
            assert_eq!(plan(&idle).start, 0);
            assert!(!plan(&idle).expire);
        }
    }

    #[test]
    fn a_smaller_size_sends_away_who_is_too_many() {
        let now = Snapshot { busy: 8, unfinished: 100, ..calm(1, 3, 0) };
        assert_eq!(plan(&now), Plan { retire: 5, ..Plan::default() });
    }

    #[test]
    fn who_waits_for_its_own_pool_does_not_count() {
        let now = Snapshot {
            busy: 2,
            waiting: 2,
            requested: true,
            unfinished: 4,
            pressed: Some(MILLIS),
            ..calm(2, 2, 0)
        };
        assert_eq!(plan(&now), start(2));
        // But if nobody has asked for what is queued, it can wait as well.
        assert_eq!(plan(&Snapshot { requested: false, ..now }), Plan::default());
        assert_eq!(plan(&Snapshot { busy: 4, ..now }), Plan::default());
        // And the one that is too many goes when they wait no more.
        assert_eq!(plan(&Snapshot { busy: 4, waiting: 1, ..now }), Plan { retire: 1, ..Plan::default() });
    }

    #[test]
    fn batches_shrink_towards_the_end() {
        assert_eq!(batch_len(1_000_000, 2), LARGEST_BATCH);
        assert_eq!(batch_len(100, 5), 10);
        assert_eq!(batch_len(3, 5), 1);
        assert_eq!(batch_len(0, 0), 1);
    }

    #[test]
    fn a_window_is_as_wide_as_what_goes_through_it() {
        assert_eq!(window(0, MILLIS, 4), 8);
        assert_eq!(window(1, 1000 * MILLIS, 4), 8);
        assert_eq!(window(1000, MILLIS, 4), 2000);
        assert_eq!(window(1 << 40, Duration::ZERO, 4), LARGEST_BATCH * 16);
    }
}
