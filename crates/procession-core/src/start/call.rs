//! The call: what a new process is to run, and what came of it.

use super::{
    attributes::Attributes,
    exit::Exit,
    function::{FunctionId, Verdict},
    method::{StartMethod, default_method},
};
use crate::{
    arena::{Arena, Block, Handle, Kind, Object, Shared},
    atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    error::{Error, Result},
    kill_point::kill_point,
    members::Owner,
    recovery::{Recover, Sides},
    references::{Envelope, Holder, Listed, Parcel, Part, receive},
    sync::EventCount,
    sys::{clock::Deadline, environment::Environment},
};

/// The shared record; what it has the lengths of follows it in the same block, in that order.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct CallRecord {
    /// Who started the process and wants its result; the process itself.
    sides: Sides,
    function: AtomicU64,
    signature: AtomicU64,
    /// How the process starts others if nothing else is said.
    method: AtomicU64,
    name_len: AtomicU64,
    attributes_len: AtomicU64,
    environment_len: AtomicU64,
    argument_len: AtomicU64,
    /// 0, or the offset of the block that holds the result: the one store that commits it. A short result lies in the
    /// call's own block (`IN_PLACE`), in the place of what followed the record, which the process has read by then.
    result: AtomicU64,
    /// 0, or how the process ended (`Exit::to_bits`): written by the root before it marks the process dead.
    exit: AtomicU64,
    /// Tells of the end those who can't, or don't, ask the kernel.
    ended: EventCount,
}

const BYTES_AT: usize = 128;

/// There is room for results of at least so many bytes, with their prefix, in each call.
const SHORT: usize = 128;

#[cfg(not(loom))]
const _: () = assert!(size_of::<CallRecord>() <= BYTES_AT);

// SAFETY: bounds: fixed size. Aliasing: only atomics, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for CallRecord {}

impl Object for CallRecord {
    const KIND: Kind = Kind::Call;
}

impl Recover for CallRecord {
    fn mark(&self, _arena: &Arena, _dead: Owner) {
        // Only the root's word on the end wakes those who sleep on a call, and nobody sleeps after the root's death.
    }

    fn forget(&self, _arena: &Arena, dead: &[Owner]) -> bool {
        self.sides.forget(dead)
    }

    fn parts(&self, arena: &Arena, own: Block<'_>, visit: &mut dyn FnMut(Part)) {
        // What is in the argument is the process's own from the start.
        let Ok(Some((block, at))) = self.result_in(arena, own) else { return };
        if block.offset() != own.offset() {
            visit(Part::Block(block.offset()));
        }
        if let Ok(listed) = CallRecord::listed(block, at) {
            listed.parts().for_each(visit);
        }
    }
}

/// What `result` is for a result in the call's own block. Never an offset.
const IN_PLACE: u64 = 1;

/// The verdict and the length of the message that follows.
const RESULT_PREFIX: usize = 16;

/// What follows a call's record.
#[derive(Debug)]
pub(super) struct CallParts<'a> {
    pub(super) name: &'a str,
    pub(super) attributes: Option<&'a Attributes>,
    pub(super) environment: &'a Environment,
    pub(super) argument: &'a Parcel,
}

/// What a process is to run, and as what.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) function: FunctionId,
    pub(super) name: String,
    pub(super) argument: Parcel,
    pub(super) method: StartMethod,
    pub(super) surroundings: Surroundings,
}

/// What it takes over from its starter.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// `None`: it has inherited them already.
    pub(super) attributes: Option<Attributes>,
    pub(super) environment: Environment,
}

/// The parts behind the record, in their order.
const PARTS: usize = 4;

/// The last of them.
const ARGUMENT: usize = 3;

impl CallRecord {
    fn lengths(&self) -> [&AtomicU64; PARTS] {
        [&self.name_len, &self.attributes_len, &self.environment_len, &self.argument_len]
    }

    /// Puts a call into shared memory, for the process that will be `member`.
    pub(super) fn create(
        arena: &Arena,
        member: Owner,
        function: FunctionId,
        parts: CallParts<'_>,
    ) -> Result<Handle> {
        let attributes = parts.attributes.map_or(Vec::new(), Attributes::to_bytes);
        // The new process's from the start: if it never comes to be, they go with it.
        let envelope = Envelope::new(arena, &parts.argument.shares, Holder::Member(member.slot()))?;
        let listed = envelope.prefix();
        let (name, environment) = (parts.name.as_bytes(), parts.environment.as_bytes());
        let bytes: [&[&[u8]]; PARTS] =
            [&[name], &[&attributes], &[environment], &[&listed, &parts.argument.bytes]];
        let lengths = bytes.map(|pieces| pieces.iter().map(|piece| piece.len()).sum::<usize>());
        let total: usize = lengths.iter().sum();
        let block = arena.alloc(BYTES_AT + total.max(SHORT))?;
        let mut at = BYTES_AT;
        for piece in bytes.into_iter().flatten() {
            block.write(at, piece)?;
            at += piece.len();
        }
        let record: &CallRecord = arena.record(block)?;
        record.sides.set(Some(arena.me()), Some(member));
        record.function.store(function.offset, Relaxed);
        record.signature.store(function.signature, Relaxed);
        record.method.store(u64::from(default_method() as u32), Relaxed);
        for (place, len) in record.lengths().into_iter().zip(lengths) {
            place.store(len as u64, Relaxed);
        }
        record.result.store(0, Relaxed);
        record.exit.store(0, Relaxed);
        let handle = arena.publish::<CallRecord>(block);
        envelope.keep();
        Ok(handle)
    }

    /// Where a part begins, and how long it is.
    fn part(arena: &Arena, handle: Handle, part: usize) -> Result<(usize, usize)> {
        let record = arena.object::<CallRecord>(handle)?;
        let mut at = BYTES_AT;
        for len in &record.lengths()[..part] {
            at = at
                .checked_add(len.load(Acquire) as usize)
                .ok_or_else(|| Error::corrupted("the length of a part of a call"))?;
        }
        Ok((at, record.lengths()[part].load(Acquire) as usize))
    }

    fn read_part(arena: &Arena, handle: Handle, part: usize) -> Result<Vec<u8>> {
        let (at, len) = CallRecord::part(arena, handle, part)?;
        arena.block(handle.offset)?.read(at, len)
    }

    /// Of a process that never came to be: takes back the handles in its argument, before anybody is told that it's dead.
    pub(crate) fn withdraw(arena: &Arena, handle: Handle, member: Owner) {
        if let Ok((at, len)) = CallRecord::part(arena, handle, ARGUMENT)
            && let Ok(block) = arena.block(handle.offset)
            && let Ok((listed, _)) = Listed::read(block, at, len)
        {
            listed.release(arena, Holder::Member(member.slot()));
        }
    }

    /// What there is to do, for the process itself.
    pub(super) fn job(arena: &'static Arena, handle: Handle) -> Result<Job> {
        let record = arena.object::<CallRecord>(handle)?;
        let name = CallRecord::read_part(arena, handle, 0)?;
        let attributes = CallRecord::read_part(arena, handle, 1)?;
        let (argument_at, argument_len) = CallRecord::part(arena, handle, ARGUMENT)?;
        Ok(Job {
            function: FunctionId {
                offset: record.function.load(Acquire),
                signature: record.signature.load(Acquire),
            },
            name: String::from_utf8(name).map_err(|_| Error::corrupted("a name is not UTF-8"))?,
            argument: receive(arena, arena.block(handle.offset)?, argument_at, argument_len)?,
            method: StartMethod::from_bits(record.method.load(Acquire) as u32).unwrap_or_default(),
            surroundings: Surroundings {
                attributes: if attributes.is_empty() {
                    None
                } else {
                    Some(Attributes::from_bytes(&attributes)?)
                },
                environment: CallRecord::environment(arena, handle)?,
            },
        })
    }

    /// Whether the call is what `member` is to run.
    pub(crate) fn is_for(arena: &Arena, handle: Handle, member: Owner) -> bool {
        arena.object::<CallRecord>(handle).is_ok_and(|record| record.sides.second() == Some(member))
    }

    /// The environment that the process is to have, for whoever executes the program.
    pub(super) fn environment(arena: &Arena, handle: Handle) -> Result<Environment> {
        CallRecord::read_part(arena, handle, 2).map(Environment::from_bytes)
    }

    /// The root's part: says how the process ended. Before its slot is marked dead, so that the call is still there.
    pub(crate) fn set_exit(arena: &Arena, handle: Handle, exit: Exit) {
        if let Ok(record) = arena.object::<CallRecord>(handle) {
            record.exit.store(exit.to_bits(), Release);
            record.ended.notify();
        }
    }

    /// How the process ended, if it has.
    pub(super) fn exit(arena: &Arena, handle: Handle) -> Option<Exit> {
        Exit::from_bits(arena.object::<CallRecord>(handle).ok()?.exit.load(Acquire))
    }

    /// What changes when it ends.
    pub(super) fn ended(arena: &'static Arena, handle: Handle) -> Result<&'static EventCount> {
        Ok(&arena.object::<CallRecord>(handle)?.ended)
    }

    /// Waits for the process's end; `None` when the deadline came first.
    pub(super) fn wait(arena: &Arena, handle: Handle, deadline: Deadline) -> Option<Exit> {
        let record = arena.object::<CallRecord>(handle).ok()?;
        record.ended.wait_until(deadline, || Exit::from_bits(record.exit.load(Acquire)))
    }

    /// The child's part: leaves the result.
    pub(super) fn answer(arena: &Arena, handle: Handle, verdict: Verdict, result: &Parcel) -> Result<()> {
        let record = arena.object::<CallRecord>(handle)?;
        let envelope = Envelope::new(arena, &result.shares, Holder::Member(arena.me().slot()))?;
        let listed = envelope.prefix();
        let len = listed.len() + result.bytes.len();
        let mut prefix = Vec::with_capacity(RESULT_PREFIX + listed.len());
        prefix.extend_from_slice(&(verdict as u64).to_le_bytes());
        prefix.extend_from_slice(&(len as u64).to_le_bytes());
        prefix.extend_from_slice(&listed);
        let own = arena.block(handle.offset)?;
        let place = if BYTES_AT + RESULT_PREFIX + len <= own.size() {
            own.write(BYTES_AT, &prefix)?;
            own.write(BYTES_AT + prefix.len(), &result.bytes)?;
            IN_PLACE
        } else {
            arena.alloc_bytes(&prefix, &result.bytes)?.offset()
        };
        kill_point!(CallBeforePublish);
        record.result.store(place, Release);
        kill_point!(CallAfterPublish);
        envelope.send();
        Ok(())
    }

    /// The starter's part, once the process has ended: the result, if it left one. It can be taken once.
    pub(super) fn take_result(
        arena: &'static Arena,
        handle: Handle,
        member: Owner,
    ) -> Result<Option<(Verdict, Parcel)>> {
        let record = arena.object::<CallRecord>(handle)?;
        let own = arena.block(handle.offset)?;
        let Some((block, at)) = record.result_in(arena, own)? else { return Ok(None) };
        let is_lent = block.offset() != own.offset();
        // Only a block of the process's own can be its result. Taken over before the record stops naming it, so that no
        // sweep takes it for lost in between. So are the handles in it.
        if is_lent && !arena.take_over(block, member) {
            return Err(Error::corrupted("a result belongs to somebody else"));
        }
        let result = CallRecord::read_result(arena, block, at);
        record.result.store(0, Release);
        if is_lent {
            arena.free(block, arena.me());
        }
        result.map(Some)
    }

    /// Where the result is, if there is one.
    fn result_in<'a>(&self, arena: &'a Arena, own: Block<'a>) -> Result<Option<(Block<'a>, usize)>> {
        match self.result.load(Acquire) {
            0 => Ok(None),
            IN_PLACE => Ok(Some((own, BYTES_AT))),
            offset => Ok(Some((arena.block(offset)?, 0))),
        }
    }

    fn read_result(arena: &'static Arena, block: Block<'_>, at: usize) -> Result<(Verdict, Parcel)> {
        let verdict = u8::try_from(block.read_word(at)?).ok().and_then(Verdict::from_bits);
        let verdict = verdict.ok_or_else(|| Error::corrupted("the verdict of a result"))?;
        let len = block.read_word(at + 8)? as usize;
        Ok((verdict, receive(arena, block, at + RESULT_PREFIX, len)?))
    }

    /// The handles in a result.
    fn listed(block: Block<'_>, at: usize) -> Result<Listed> {
        let len = block.read_word(at + 8)? as usize;
        Listed::read(block, at + RESULT_PREFIX, len).map(|(listed, _)| listed)
    }

    /// The starter lets go; if the process has gone, that frees the call.
    pub(super) fn release(arena: &Arena, handle: Handle, member: Owner) {
        if let Ok(record) = arena.object::<CallRecord>(handle)
            && record.sides.leave_first(arena.me())
        {
            arena.destroy::<CallRecord>(handle, |record, own| {
                // A result that nobody took. What isn't the process's any more, a sweep was faster to free.
                let Ok(Some((block, at))) = record.result_in(arena, own) else { return };
                if let Ok(listed) = CallRecord::listed(block, at) {
                    listed.release(arena, Holder::Nobody);
                }
                arena.free(block, member);
            });
        }
    }
}
