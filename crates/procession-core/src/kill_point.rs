//! Named places at which a test can have a process killed, or a model thread abandoned.
//!
//! Each step of each protocol that must survive a death has one. They compile to nothing unless the `kill-points`
//! feature (real processes: SIGKILL to itself) or `--cfg loom` (the model: unwind out of the thread, running no guard)
//! is on. The README of each module that has some says what a survivor sees at each.

macro_rules! points {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A step at which a process may die.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(not(any(feature = "kill-points", loom)), allow(dead_code, reason = "named by the macro, which is empty"))]
        pub enum KillPoint { $($(#[$doc])* #[doc = $text] $name,)* }

        impl KillPoint {
            /// Every point there is; the kill tests go through all of them.
            pub const ALL: &[KillPoint] = &[$(KillPoint::$name,)*];

            /// The point's name, as it stands in the kill tables.
            pub fn name(self) -> &'static str {
                match self { $(KillPoint::$name => $text,)* }
            }
        }
    };
}

points! {
    MutexAfterLock = "mutex.after_lock",
    MutexBeforeUnlock = "mutex.before_unlock",
    MutexBeforeWake = "mutex.before_wake",
    MutexBeforeSleep = "mutex.before_sleep",
    MutexAfterWake = "mutex.after_wake",
    MutexAfterSteal = "mutex.after_steal",
    EventCountBeforeSleep = "event_count.before_sleep",
    EventCountBeforeWakeOne = "event_count.before_wake_one",
    EventCountBeforeWake = "event_count.before_wake",
    SemaphoreAfterChange = "semaphore.after_change",
    SemaphoreAfterEntry = "semaphore.after_entry",
    BarrierAfterArrive = "barrier.after_arrive",
    BarrierAfterBreak = "barrier.after_break",
    BarrierBeforeReset = "barrier.before_reset",
    ReadWriteAfterCount = "read_write.after_count",
    ReadWriteAfterUncount = "read_write.after_uncount",
    OnceBeforeCommit = "once.before_commit",
    ValueBeforeCommit = "value.before_commit",
    ArrayBeforeClaim = "array.before_claim",
    ArrayAfterClaim = "array.after_claim",
    ArrayAfterRelease = "array.after_release",
    EventAfterSet = "event.after_set",
    BlockAfterHint = "block.after_hint",
    BlockAfterTag = "block.after_tag",
    BlockAfterUntag = "block.after_untag",
    ChunkAfterCommit = "chunk.after_commit",
    ChunkBeforeEntry = "chunk.before_entry",
    ChunkBeforeHighWater = "chunk.before_high_water",
    ChunkAfterEntry = "chunk.after_entry",
    ChunkAfterRelease = "chunk.after_release",
    ChunkBeforeRelease = "chunk.before_release",
    SpanBeforeEntry = "span.before_entry",
    SpanAfterEntry = "span.after_entry",
    ObjectBeforePublish = "object.before_publish",
    ObjectAfterPublish = "object.after_publish",
    ReferenceBeforeCount = "reference.before_count",
    ReferenceAfterCount = "reference.after_count",
    ReferenceBeforePublish = "reference.before_publish",
    ReferenceAfterPublish = "reference.after_publish",
    ReferenceAfterAdopt = "reference.after_adopt",
    ReferenceBeforeUncount = "reference.before_uncount",
    ReferenceAfterUncount = "reference.after_uncount",
    ManagerBeforeCheck = "manager.before_check",
    ManagerAfterEnd = "manager.after_end",
    ManagerAfterPin = "manager.after_pin",
    ManagerAfterWake = "manager.after_wake",
    ManagerAfterClear = "manager.after_clear",
    ManagerAfterMark = "manager.after_mark",
    ManagerBeforeClosed = "manager.before_closed",
    SlotAfterReserve = "slot.after_reserve",
    SlotBeforeAttach = "slot.before_attach",
    SlotAfterAttach = "slot.after_attach",
    SlotAfterMark = "slot.after_mark",
    SlotAfterAnnounce = "slot.after_announce",
    CallBeforePublish = "call.before_publish",
    CallAfterPublish = "call.after_publish",
    ServerBeforeGreeting = "server.before_greeting",
    ServerAfterGreeting = "server.after_greeting",
    ServerAfterRequest = "server.after_request",
    ServerAfterFork = "server.after_fork",
    ServerAfterAnnouncement = "server.after_announcement",
    SpareBeforeOrder = "spare.before_order",
    SpareAfterOrder = "spare.after_order",
    SweepAfterObjects = "sweep.after_objects",
    SweepAfterBlocks = "sweep.after_blocks",
    SweepAfterRelease = "sweep.after_release",
    RingBeforeCommit = "ring.before_commit",
    RingAfterCommit = "ring.after_commit",
    RingBeforeRetire = "ring.before_retire",
    RingAfterRetire = "ring.after_retire",
    ClaimAfterClaim = "claim.after_claim",
    ResultAfterBlock = "result.after_block",
    ResultAfterTakeOver = "result.after_take_over",
    StreamAfterBlock = "stream.after_block",
    StreamAfterTakeOver = "stream.after_take_over",
    StreamBeforeResize = "stream.before_resize",
    StreamAfterResize = "stream.after_resize",
    StreamAfterClose = "stream.after_close",
    StreamBeforeEnd = "stream.before_end",
    StreamAfterClaim = "stream.after_claim",
    StreamAfterForget = "stream.after_forget",
    LeaseBeforeTable = "lease.before_table",
    LeaseAfterClaim = "lease.after_claim",
    LeaseAfterAgain = "lease.after_again",
    LeaseAfterReturn = "lease.after_return",
    LeaseAfterDone = "lease.after_done",
    LeaseAfterLoss = "lease.after_loss",
    MapAfterSpare = "map.after_spare",
    MapAfterTakeOver = "map.after_take_over",
    MapBeforeCommit = "map.before_commit",
    MapAfterCommit = "map.after_commit",
    MapBeforeFree = "map.before_free",
    MapAfterRepair = "map.after_repair",
    MapBeforeGroup = "map.before_group",
    MapBeforeSplit = "map.before_split",
    MapAfterSplit = "map.after_split",
    MapBeforeMerge = "map.before_merge",
    MapAfterMerge = "map.after_merge",
    MapBeforeClear = "map.before_clear",
    MapAfterClear = "map.after_clear",
    MapAfterIntent = "map.after_intent",
    MapAfterDecision = "map.after_decision",
    MapAfterApply = "map.after_apply",
    MapAfterWithdrawal = "map.after_withdrawal",
    MapAfterResolve = "map.after_resolve",
    MapWhileEnding = "map.while_ending",
    ListAfterTakeOver = "list.after_take_over",
    ListBeforeCommit = "list.before_commit",
    ListAfterCommit = "list.after_commit",
    ListBeforeFree = "list.before_free",
    ListWhileEnding = "list.while_ending",
}

/// Dies here if this point was armed.
macro_rules! kill_point {
    ($name:ident) => {
        #[cfg(any(feature = "kill-points", loom))]
        $crate::kill_point::hit($crate::kill_point::KillPoint::$name);
    };
}
pub(crate) use kill_point;

#[cfg(all(feature = "kill-points", not(loom)))]
mod armed {
    use super::KillPoint;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Point + 1, or 0; and how many hits are still to be survived.
    static POINT: AtomicUsize = AtomicUsize::new(0);
    static SKIP: AtomicUsize = AtomicUsize::new(0);

    /// Has this process killed at the hit of `point` after the next `skip` ones.
    pub fn arm(point: KillPoint, skip: usize) {
        SKIP.store(skip, Ordering::SeqCst);
        POINT.store(point as usize + 1, Ordering::SeqCst);
    }

    /// Takes back what `arm` set.
    pub fn disarm() {
        POINT.store(0, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn hit(point: KillPoint) {
        if POINT.load(Ordering::Relaxed) == point as usize + 1 && SKIP.fetch_sub(1, Ordering::SeqCst) == 0 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            loop {
                std::thread::park();
            }
        }
    }
}
#[cfg(all(feature = "kill-points", not(loom)))]
pub(crate) use armed::hit;
#[cfg(all(feature = "kill-points", not(loom)))]
pub use armed::{arm, disarm};

#[cfg(loom)]
mod model {
    use super::KillPoint;

    loom::thread_local! {
        static ARMED: std::cell::Cell<Option<KillPoint>> = std::cell::Cell::new(None);
    }

    /// What an abandoned model thread unwinds with.
    struct Abandoned;

    pub(crate) fn hit(point: KillPoint) {
        if ARMED.with(|armed| armed.get() == Some(point)) {
            std::panic::resume_unwind(Box::new(Abandoned));
        }
    }

    /// Checks a model in every interleaving of up to three preemptions, which is where such protocols break.
    pub(crate) fn check(f: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(f);
    }

    /// Runs `body` in this model thread and abandons it at `point`; says whether it was reached.
    pub(crate) fn until(point: KillPoint, body: impl FnOnce()) -> bool {
        ARMED.with(|armed| armed.set(Some(point)));
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        ARMED.with(|armed| armed.set(None));
        match result {
            Ok(()) => false,
            Err(payload) if payload.is::<Abandoned>() => true,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }
}
#[cfg(loom)]
#[cfg_attr(not(test), expect(unused_imports, reason = "only the models abandon threads"))]
pub(crate) use model::{check, hit, until};

#[cfg(all(test, not(loom)))]
mod tests {
    use super::KillPoint;

    #[test]
    fn the_names_in_code_and_tables_agree() {
        for point in KillPoint::ALL {
            let in_code = format!("{point:?}").to_lowercase();
            assert_eq!(in_code, point.name().replace(['.', '_'], ""));
        }
    }

    #[test]
    fn every_point_stands_in_one_kill_table() {
        let tables = [
            include_str!("arena/README.md"),
            include_str!("list/README.md"),
            include_str!("manager/README.md"),
            include_str!("map/README.md"),
            include_str!("members/README.md"),
            include_str!("objects/README.md"),
            include_str!("pool/README.md"),
            include_str!("recovery/README.md"),
            include_str!("references/README.md"),
            include_str!("ring/README.md"),
            include_str!("start/README.md"),
            include_str!("stream/README.md"),
            include_str!("sync/README.md"),
        ];
        let mut in_tables: Vec<&str> =
            tables.iter().flat_map(|table| table.lines()).filter_map(named).collect();
        let mut points: Vec<&str> = KillPoint::ALL.iter().map(|point| point.name()).collect();
        in_tables.sort_unstable();
        points.sort_unstable();
        assert_eq!(in_tables, points);
    }

    /// The point that a row of a kill table is for. (The names with a dot in other tables are of files.)
    fn named(line: &str) -> Option<&str> {
        let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
        (name.contains('.') && !name.ends_with(".rs")).then_some(name)
    }
}
