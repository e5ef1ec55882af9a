//! The worker's side of a link.

use super::{
    claim::Claim,
    record::{LinkRecord, PoolRecord},
    users::Users,
    wire::{
        BATCH, BATCH_HEADER, BEGINNINGS, CLAIM_AT, FUNCTION_AT, INLINE, LENT_RESULT, Lent, SPAN, SPANS,
        next_task,
    },
};
use crate::{
    arena::{Arena, Handle},
    atomic::Ordering::{AcqRel, Acquire, Relaxed},
    error::{Error, Result},
    family,
    kill_point::kill_point,
    members::Owner,
    references::{Holder, Parcel},
    ring::{Consumer, Producer},
    start::{Function, FunctionId, Verdict},
    sys::{clock::Deadline, signals},
    wait,
};
use std::sync::OnceLock;

/// The records of the link that this process is the worker of.
static ATTACHED: OnceLock<(&LinkRecord, &PoolRecord)> = OnceLock::new();

/// How many tasks this process has run as a worker. In private memory: no protocol's.
static TASK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// The waits that this process has begun and not ended.
static WAITING: Users = Users::new();

/// How many tasks this process has run to their end as a pool's worker.
pub fn task_number() -> u64 {
    TASK.load(Relaxed)
}

/// While there is one, the pool that this process works for knows that it waits for another task of the same pool, and has somebody
/// else run that.
#[derive(Debug)]
pub struct Waiting(&'static LinkRecord);

impl Waiting {
    /// Says so; `None` if this process is no pool's worker.
    pub fn begin() -> Option<Waiting> {
        let (link, pool) = ATTACHED.get()?;
        if !WAITING.enter() {
            return None;
        }
        if link.report.waiting.fetch_add(1, AcqRel) == 0 {
            pool.call_dispatcher();
        }
        Some(Waiting(link))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.report.waiting.fetch_sub(1, AcqRel);
        WAITING.leave();
    }
}

/// The worker's side of a link: runs tasks until its owner closes the link, or dies.
#[derive(Debug)]
pub struct Worker {
    arena: &'static Arena,
    handle: Handle,
    record: &'static LinkRecord,
    pool: &'static PoolRecord,
    owner: Owner,
    tasks: Consumer<'static>,
    results: Producer<'static>,
    /// Whether an abort is looked at: see `note_starvation`.
    may_starve: bool,
}

/// What there is to do next.
enum Next {
    Batch { kind: u8, at: u64, space: usize },
    End,
}

impl Worker {
    /// Takes up the link that the owner made for this process.
    ///
    /// # Errors
    ///
    /// Closed when the owner has gone in the meantime.
    pub fn attach(handle: Handle) -> Result<Worker> {
        let arena = &family::current()?.arena;
        let record = arena.object::<LinkRecord>(handle)?;
        let data = arena.block(record.data.load(Acquire))?;
        let owner = record
            .sides
            .first()
            .ok_or_else(|| Error::new(crate::error::ErrorKind::Closed, "the pool's owner has gone"))?;
        let pool = record.pool(arena)?;
        let tasks = Consumer::new(&record.tasks, LinkRecord::task_data(data)?);
        let results = Producer::new(&record.results, LinkRecord::result_data(data)?);
        record.report.begin();
        let _ = ATTACHED.set((record, pool));
        // Ctrl-C goes to the whole group of processes: its owner decides what comes of it.
        signals::shrug_off(libc::SIGINT);
        Ok(Worker { arena, handle, record, pool, owner, tasks, results, may_starve: false })
    }

    /// Has it known if this process aborts because it got no more memory.
    pub fn note_starvation(&mut self) {
        self.may_starve = true;
        signals::note_starvation(&self.record.report.starved);
    }

    /// Runs tasks until there will be no more.
    ///
    /// # Errors
    ///
    /// Corrupted when the owner wrote what no owner writes.
    pub fn serve(&mut self) -> Result<()> {
        let (mut batch, mut result) = (Vec::new(), Parcel::default());
        let mut known: Option<(FunctionId, Result<Function>)> = None;
        self.record.report.set_ready();
        self.pool.call_dispatcher();
        while let Next::Batch { kind, at, space } = self.next(&mut batch)? {
            self.record.report.begin();
            let id = FunctionId::parse(batch.get(FUNCTION_AT..).unwrap_or_default())?;
            if known.as_ref().is_none_or(|(known, _)| *known != id) {
                known = Some((id, Function::resolve(id)));
            }
            let Some((_, function)) = &known else { unreachable!("set above") };
            let mut tasks = batch.get(BATCH_HEADER..).unwrap_or_default();
            let data = *self.tasks.data();
            let claim = Claim::new(data.word(at + CLAIM_AT));
            while claim.claim().is_some() {
                let (argument, lent) = next_task(&mut tasks)?;
                result.clear();
                if self.may_starve {
                    // An earlier task may have gone without memory that it didn't get.
                    signals::forget_starvation();
                }
                let verdict = match function {
                    Err(e) => Verdict::refuse(e, &mut result),
                    Ok(function) if lent => {
                        match Lent::parse(argument).and_then(|lent| lent.receive(self.arena)) {
                            Ok(Parcel { bytes, shares }) => function.run(&bytes, &shares, &mut result),
                            Err(e) => Verdict::refuse(&e, &mut result),
                        }
                    }
                    Ok(function) => function.run(argument, &[], &mut result),
                };
                family::end_if_forked();
                TASK.store(TASK.load(Relaxed) + 1, Relaxed);
                if kind & BEGINNINGS != 0 {
                    let span = self.record.report.next();
                    if kind & SPANS != 0 && !self.push(SPAN, &span.to_bytes())? {
                        return Ok(());
                    }
                }
                if !self.answer(verdict, &mut result)? {
                    return Ok(());
                }
            }
            self.record.report.end();
            self.tasks.retire(space);
        }
        self.hand_over();
        Ok(())
    }

    /// Before an orderly end: handles in results that the owner has not received are nobody's from now on, so that this process isn't
    /// taken for one that died with the objects.
    fn hand_over(&self) {
        let mine = Holder::Member(self.arena.me().slot());
        self.record.for_each_lent_result(self.arena, |lent| {
            if let Ok(listed) = lent.listed(self.arena) {
                listed.pass(self.arena, mine, Holder::Nobody);
            }
        });
    }

    fn next(&mut self, batch: &mut Vec<u8>) -> Result<Next> {
        let (tasks, record, arena, owner) = (&mut self.tasks, self.record, self.arena, self.owner);
        let mut look = || match tasks.peek(batch) {
            Ok(Some((kind, at, space))) if kind & BATCH != 0 => Some(Ok(Next::Batch { kind, at, space })),
            Ok(Some((kind, ..))) => Some(Err(Error::corrupted(format_args!("a task of kind {kind}")))),
            Ok(None) => {
                let end = record.closed.load(Acquire) != 0 || !arena.members().is_alive(owner);
                // Looked at after the ring: what was handed out before the end is still run.
                (end && tasks.is_empty()).then_some(Ok(Next::End))
            }
            Err(e) => Some(Err(e)),
        };
        if let Some(next) = wait::spin(Deadline::NEVER, &mut look) {
            return next;
        }
        // About to sleep. If others have tasks that they have not begun, somebody should come and give it some.
        self.pool.call_attention();
        record.work.wait_until(Deadline::NEVER, look).expect("a wait without a deadline ends with a value")
    }

    /// Commits one result; false when the owner is gone.
    fn answer(&mut self, verdict: Verdict, result: &mut Parcel) -> Result<bool> {
        let mut kind = verdict as u8;
        let mut handles = None;
        if result.bytes.len() > INLINE || !result.shares.is_empty() {
            match Lent::new(self.arena, &result.bytes, &result.shares) {
                Ok((lent, envelope)) => {
                    kill_point!(ResultAfterBlock);
                    result.clear();
                    result.bytes.extend_from_slice(&lent.to_bytes());
                    handles = Some(envelope);
                    kind |= LENT_RESULT;
                }
                Err(e) => kind = Verdict::refuse(&e, result) as u8,
            }
        }
        let result = &result.bytes;
        if !self.push(kind, result)? {
            return Ok(false);
        }
        if let Some(envelope) = handles {
            // They stay this process's until the owner has received them, or this process ends: see `hand_over`.
            envelope.keep();
        }
        self.pool.results.notify();
        if self.results.is_half_full() {
            self.pool.call_attention();
        }
        Ok(true)
    }

    /// Puts a frame into the ring of results, when there is room; false when the owner is gone.
    #[inline]
    fn push(&mut self, kind: u8, payload: &[u8]) -> Result<bool> {
        if self.results.push(kind, &[payload])?.is_some() {
            return Ok(true);
        }
        let pushed = self.wait_for_room(kind, payload)?;
        // That time isn't the next task's.
        self.record.report.next();
        Ok(pushed)
    }

    #[cold]
    fn wait_for_room(&mut self, kind: u8, result: &[u8]) -> Result<bool> {
        let (results, pool, record) = (&mut self.results, self.pool, self.record);
        let (arena, owner) = (self.arena, self.owner);
        let pushed = record.room.wait_until(Deadline::NEVER, || {
            match results.push(kind, &[result]) {
                Ok(Some(_)) => return Some(Ok(true)),
                Ok(None) => {}
                Err(e) => return Some(Err(e)),
            }
            let is_wanted = record.sides.first() == Some(owner) && arena.members().is_alive(owner);
            // Each time, so that a ring that nobody heard is made good.
            pool.results.notify();
            pool.attention.notify();
            (!is_wanted).then_some(Ok(false))
        });
        pushed.unwrap_or(Ok(false))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Where a thread still waits for a task, the sweep after this process's end does the rest.
        let may_leave = WAITING.close() || WAITING.is_closed();
        if family::current().is_err() || !may_leave {
            return;
        }
        // The last to go frees it; the rings' bytes, if they were left to this process, go at its end.
        if self.record.sides.leave_second(self.arena.me()) {
            self.arena.destroy::<LinkRecord>(self.handle, |_, _| ());
        }
    }
}
