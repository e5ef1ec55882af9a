//! The call: what a new process is to run, and what came of it.

use super::function::{FunctionId, Verdict};
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
};

/// The shared record; the name and the arguments follow it in the same block.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct CallRecord {
    /// Who started the process and wants its result; the process itself.
    sides: Sides,
    function: AtomicU64,
    signature: AtomicU64,
    name_len: AtomicU64,
    argument_len: AtomicU64,
    /// 0, or the offset of the block that holds the result: the one store that commits it. A short result lies in the
    /// call's own block, in the place of the arguments, which the process has read by then.
    result: AtomicU64,
}

const BYTES_AT: usize = 64;

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
        // Nobody sleeps on a call: who waits for a process waits for its descriptor.
    }

    fn forget(&self, dead: Owner) -> bool {
        self.sides.forget(dead)
    }

    fn parts(&self, _arena: &Arena, visit: &mut dyn FnMut(u64)) {
        match self.result.load(Acquire) {
            0 => {}
            result => visit(result),
        }
    }
}

/// What a process is to run, read by itself.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) function: FunctionId,
    pub(super) name: String,
    pub(super) argument: Vec<u8>,
}

impl CallRecord {
    /// Puts a call into shared memory, for the process that will be `member`.
    pub(super) fn create(
        arena: &Arena,
        member: Owner,
        function: FunctionId,
        name: &str,
        argument: &[u8],
    ) -> Result<Handle> {
        let block = arena.alloc(BYTES_AT + (name.len() + argument.len()).max(SHORT))?;
        block.write(BYTES_AT, name.as_bytes())?;
        block.write(BYTES_AT + name.len(), argument)?;
        let record: &CallRecord = arena.record(block)?;
        record.sides.set(Some(arena.me()), Some(member));
        record.function.store(function.offset, Relaxed);
        record.signature.store(function.signature, Relaxed);
        record.name_len.store(name.len() as u64, Relaxed);
        record.argument_len.store(argument.len() as u64, Relaxed);
        record.result.store(0, Relaxed);
        Ok(arena.publish::<CallRecord>(block))
    }

    /// The child's part: what there is to do.
    pub(super) fn job(arena: &Arena, handle: Handle) -> Result<Job> {
        let record = arena.object::<CallRecord>(handle)?;
        let block = arena.block(handle.offset)?;
        let name_len = record.name_len.load(Acquire) as usize;
        let argument_at =
            BYTES_AT.checked_add(name_len).ok_or_else(|| Error::corrupted("the length of a name"))?;
        let name = block.read(BYTES_AT, name_len)?;
        Ok(Job {
            function: FunctionId {
                offset: record.function.load(Acquire),
                signature: record.signature.load(Acquire),
            },
            name: String::from_utf8(name).map_err(|_| Error::corrupted("a name is not UTF-8"))?,
            argument: block.read(argument_at, record.argument_len.load(Acquire) as usize)?,
        })
    }

    /// The child's part: leaves the result.
    pub(super) fn answer(arena: &Arena, handle: Handle, verdict: Verdict, result: &[u8]) -> Result<()> {
        let record = arena.object::<CallRecord>(handle)?;
        let mut prefix = [0; 16];
        prefix[..8].copy_from_slice(&(verdict as u64).to_le_bytes());
        prefix[8..].copy_from_slice(&(result.len() as u64).to_le_bytes());
        let own = arena.block(handle.offset)?;
        let block = if prefix.len() + result.len() <= own.size() - BYTES_AT {
            own.write(BYTES_AT, &prefix)?;
            own.write(BYTES_AT + prefix.len(), result)?;
            own
        } else {
            arena.alloc_bytes(&prefix, result)?
        };
        kill_point!(CallBeforePublish);
        record.result.store(block.offset(), Release);
        kill_point!(CallAfterPublish);
        Ok(())
    }

    /// The starter's part, once the process has ended: the result, if it left one. It can be taken once.
    pub(super) fn take_result(
        arena: &Arena,
        handle: Handle,
        member: Owner,
    ) -> Result<Option<(Verdict, Vec<u8>)>> {
        let record = arena.object::<CallRecord>(handle)?;
        let offset = record.result.load(Acquire);
        if offset == 0 {
            return Ok(None);
        }
        let block = arena.block(offset)?;
        if offset == handle.offset {
            let result = CallRecord::read_result(block, BYTES_AT);
            record.result.store(0, Release);
            return result.map(Some);
        }
        // Only a block of the process's own can be its result. Taken over before the record stops naming it, so that no
        // sweep takes it for lost in between.
        if !arena.take_over(block, member) {
            return Err(Error::corrupted("a result belongs to somebody else"));
        }
        let result = CallRecord::read_result(block, 0);
        record.result.store(0, Release);
        arena.free(block, arena.me());
        result.map(Some)
    }

    fn read_result(block: Block<'_>, start: usize) -> Result<(Verdict, Vec<u8>)> {
        let word = |at| {
            block.read(start + at, 8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
        };
        let verdict = u8::try_from(word(0)?).ok().and_then(Verdict::from_bits);
        let verdict = verdict.ok_or_else(|| Error::corrupted("the verdict of a result"))?;
        Ok((verdict, block.read(start + 16, word(8)? as usize)?))
    }

    /// The starter lets go; if the process has gone, that frees the call.
    pub(super) fn release(arena: &Arena, handle: Handle, member: Owner) {
        if let Ok(record) = arena.object::<CallRecord>(handle)
            && record.sides.leave_first(arena.me())
        {
            arena.destroy::<CallRecord>(handle, |record| {
                // A result in a block of its own that nobody took. If it's the process's no more, a sweep was faster.
                if let Ok(block) = arena.block(record.result.load(Acquire)) {
                    arena.free(block, member);
                }
            });
        }
    }
}
