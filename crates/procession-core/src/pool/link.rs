//! The owner's side of a link.

use super::{
    claim::Claim,
    inbox::Inbox,
    record::LinkRecord,
    report::{Report, Span},
    wire::{BATCH, CLAIM_AT, LENT_RESULT, Lent, Results, SPAN, Stamps, Tasks, take_over},
};
use crate::{
    arena::{Arena, BlockState, Handle, Stable},
    atomic::Ordering::{Acquire, Relaxed, Release},
    error::{Error, Result},
    family,
    kill_point::kill_point,
    members::Owner,
    references::Holder,
    ring::{self, Consumer, Frames, Producer},
    start::{FunctionId, Verdict},
};
use std::{ops::Range, sync::OnceLock};

/// The owner's side of one worker: hands out tasks, takes them back, receives results.
///
/// # Process death
///
/// When the worker dies, everything that it finished is still received; then `claimed` says which task it was running.
/// When the owner dies, the worker notices and ends. The last of both frees the link (or the sweep does it for them).
#[derive(Debug)]
pub struct Link {
    arena: &'static Arena,
    handle: Handle,
    record: &'static LinkRecord,
    /// The block with the rings' bytes.
    data: u64,
    /// Who the worker is. In private memory: only blocks of its own are believed to be its results.
    worker: OnceLock<Owner>,
    tasks: Producer<'static>,
    results: Consumer<'static>,
    buffer: Vec<u8>,
}

/// Who gets results.
pub trait Receiver {
    /// How many results of those to come belong together; 0 if none is expected.
    fn expected(&self) -> usize;

    /// Takes results: all that are expected, or some of them.
    fn deliver(&mut self, results: Results);

    /// Takes the blocks that results lay in, to be let go when it's convenient: freeing them may have to wait for the arena's lock.
    fn empty(&mut self, blocks: Emptied);

    /// Takes the time of the task whose result comes next, if the batch was given with [`Stamps::Spans`].
    fn span(&mut self, span: Span);
}

/// Blocks of this process that hold nothing any more. Dropping it frees them.
#[derive(Debug)]
pub struct Emptied {
    arena: &'static Arena,
    offsets: Vec<u64>,
}

impl Drop for Emptied {
    fn drop(&mut self) {
        if family::current().is_err() {
            return;
        }
        for block in self.offsets.iter().filter_map(|offset| self.arena.block(*offset).ok()) {
            self.arena.free(block, self.arena.me());
        }
    }
}

/// Names a batch of tasks that was handed out: where its claim word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

impl Link {
    /// A link for a worker that is still to be started.
    ///
    /// # Errors
    ///
    /// Out of memory when the arena cannot grow; not initialised, forked.
    pub fn new(inbox: &Inbox) -> Result<Link> {
        let arena = &family::current()?.arena;
        let data = arena.alloc(LinkRecord::DATA)?;
        let block = match arena.alloc_stable(Stable::Link) {
            Ok(block) => block,
            Err(e) => {
                arena.free(data, arena.me());
                return Err(e);
            }
        };
        let record: &'static LinkRecord = arena.record(block)?;
        record.sides.set(Some(arena.me()), None);
        record.pool.store(inbox.offset, Relaxed);
        record.data.store(data.offset(), Relaxed);
        record.closed.store(0, Relaxed);
        record.tasks.reset();
        record.results.reset();
        record.report.reset();
        let tasks = Producer::new(&record.tasks, LinkRecord::task_data(data)?);
        let results = Consumer::new(&record.results, LinkRecord::result_data(data)?);
        let handle = arena.publish::<LinkRecord>(block);
        let (data, worker) = (data.offset(), OnceLock::new());
        Ok(Link { arena, handle, record, data, worker, tasks, results, buffer: Vec::new() })
    }

    /// Names the link to its worker.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// Says who the worker will be, before it starts.
    pub fn set_worker(&self, worker: Owner) {
        // The first call counts: there is one.
        self.record.sides.set_second(*self.worker.get_or_init(|| worker));
    }

    /// Hands out tasks of one function, as many from the front of `range` as fit at once: how many, and their ticket.
    /// `None` when the ring has no room now.
    ///
    /// # Errors
    ///
    /// Corrupted when the worker wrote what no worker writes.
    pub fn give(
        &mut self,
        function: FunctionId,
        tasks: &Tasks,
        range: Range<usize>,
        stamps: Stamps,
    ) -> Result<Option<(usize, Ticket)>> {
        let count = tasks.fitting(range.clone(), Link::BATCH_BYTES);
        let bytes = tasks.slice(range.start..range.start + count);
        let claim = Claim::initial(count as u32).to_le_bytes();
        let parts: [&[u8]; 4] = [&(count as u32).to_le_bytes(), &claim, &function.to_bytes(), bytes];
        let Some(at) = self.tasks.push(BATCH | stamps as u8, &parts)? else { return Ok(None) };
        self.record.work.notify();
        Ok(Some((count, Ticket(at + CLAIM_AT))))
    }

    /// The most bytes of arguments in one batch (unless a single task has more).
    pub const BATCH_BYTES: usize = 12 << 10;

    /// Takes back tasks of a batch that the worker has not claimed: about half of them, or all. Gives the numbers, within
    /// the batch, of those that came back.
    ///
    /// None of a batch that is finished, even if its place in the ring holds something else by now.
    pub fn revoke(&self, ticket: Ticket, all: bool) -> Range<u32> {
        self.claim(ticket).map_or(0..0, |claim| claim.revoke(all))
    }

    /// How many tasks of an unfinished batch the worker has claimed.
    pub fn claimed(&self, ticket: Ticket) -> u32 {
        self.claim(ticket).map_or(0, |claim| claim.claimed())
    }

    fn claim(&self, ticket: Ticket) -> Option<Claim<'_>> {
        self.tasks.holds(ticket.0 - CLAIM_AT).then(|| Claim::new(self.tasks.data().word(ticket.0)))
    }

    /// What the worker says of itself.
    pub fn report(&self) -> Report {
        self.record.report.read()
    }

    /// Of what the worker says: whether it's ready for tasks, and whether it waits for one.
    #[inline]
    pub fn flags(&self) -> (bool, bool) {
        self.record.report.flags()
    }

    /// Whether the worker aborted because it got no more memory; asked after its end.
    pub fn has_starved(&self) -> bool {
        self.record.report.starved.load(Acquire) != 0
    }

    /// Whether there are results to receive.
    #[inline]
    pub fn has_results(&self) -> bool {
        !self.results.is_empty()
    }

    /// Receives all results there are, in the order in which the tasks were claimed: how many.
    ///
    /// # Errors
    ///
    /// Corrupted when the worker wrote what no worker writes, or more results than it had tasks; the receiver has had the
    /// results before that.
    pub fn receive(&mut self, receiver: &mut impl Receiver) -> Result<usize> {
        self.buffer.clear();
        let bytes = self.results.read_all(&mut self.buffer)?;
        if bytes == 0 {
            return Ok(0);
        }
        let mut lent = Vec::new();
        let worker = self.worker.get().copied();
        let outcome = Link::split(self.arena, worker, &self.buffer, receiver, &mut lent);
        // Everything lent is this process's by now, so the frames that name it may go.
        self.results.retire(bytes);
        self.record.room.notify();
        if !lent.is_empty() {
            receiver.empty(Emptied { arena: self.arena, offsets: lent });
        }
        outcome
    }

    /// Splits what lay in the ring into runs that belong together.
    fn split(
        arena: &'static Arena,
        worker: Option<Owner>,
        bytes: &[u8],
        receiver: &mut impl Receiver,
        lent: &mut Vec<u64>,
    ) -> Result<usize> {
        let mut frames = Frames::new(bytes);
        let (mut total, mut start, mut count) = (0, 0, 0);
        let mut expected = receiver.expected();
        loop {
            let before = bytes.len() - frames.rest();
            let frame = Link::kind_of(frames.next());
            if count > 0 && (count == expected || !matches!(frame, Ok(Some(Frame::Small)))) {
                receiver.deliver(Results::Frames { bytes: bytes[start..before].to_vec(), count });
                total += count;
                (start, count, expected) = (before, 0, receiver.expected());
            }
            let frame = match frame? {
                None => return Ok(total),
                Some(_) if expected == 0 => {
                    return Err(Error::corrupted("a worker gave more results than it had tasks"));
                }
                Some(frame) => frame,
            };
            match frame {
                Frame::Small => count += 1,
                Frame::Span(span) => {
                    receiver.span(span);
                    start = bytes.len() - frames.rest();
                }
                Frame::Large(verdict, reference) => {
                    let large = take_over(arena, reference, worker)?;
                    kill_point!(ResultAfterTakeOver);
                    lent.push(reference.offset);
                    receiver.deliver(Results::Large(verdict, large));
                    total += 1;
                    (start, expected) = (bytes.len() - frames.rest(), receiver.expected());
                }
            }
        }
    }

    #[inline]
    fn kind_of(frame: Option<Result<ring::Frame<'_>>>) -> Result<Option<Frame>> {
        let Some(frame) = frame.transpose()? else { return Ok(None) };
        if frame.kind == SPAN {
            let span = Span::parse(frame.payload);
            return span
                .map(|span| Some(Frame::Span(span)))
                .ok_or_else(|| Error::corrupted("a span of time is cut off"));
        }
        let verdict = Verdict::from_bits(frame.kind & !LENT_RESULT)
            .ok_or_else(|| Error::corrupted(format_args!("a result of kind {}", frame.kind)))?;
        Ok(Some(if frame.kind & LENT_RESULT == 0 {
            Frame::Small
        } else {
            Frame::Large(verdict, Lent::parse(frame.payload)?)
        }))
    }

    /// Says that no more tasks will come: the worker ends when it has run what it has.
    pub fn close(&self) {
        self.record.closed.store(1, Release);
        self.record.work.notify();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if family::current().is_err() {
            return;
        }
        let me = self.arena.me();
        // All of this as long as the link names its owner, and so can't be freed and become another's.
        self.close();
        self.record.room.notify();
        // Results that nobody will receive, of a worker that was swept. (A living worker's are its own.)
        self.record.for_each_lent_result(self.arena, |lent| {
            if let Ok(listed) = lent.listed(self.arena) {
                listed.release(self.arena, Holder::Nobody);
            }
        });
        if let Ok(data) = self.arena.block(self.data) {
            let worker = || self.record.sides.second();
            // A worker's rings may still be used, so they are left to it, and to the sweep after its end (unless that has
            // just been).
            let left = worker().is_some_and(|heir| {
                data.change_state(BlockState::Raw(me), BlockState::Raw(heir));
                worker().is_some() || !self.arena.take_over(data, heir)
            });
            if !left {
                self.arena.free(data, me);
            }
        }
        if self.record.sides.leave_first(me) {
            self.arena.destroy::<LinkRecord>(self.handle, |_, _| ());
        }
    }
}

/// What a frame of the result ring is.
enum Frame {
    Small,
    Large(Verdict, Lent),
    Span(Span),
}
