//! The kind table: the one place that knows every kind of object, and so looks up the house instead of down.

use crate::{
    arena::{Arena, Block, BlockState, Handle, Kind, Object, Stable},
    list::ListRecord,
    manager,
    map::MapRecord,
    members::Owner,
    objects,
    pool::LinkRecord,
    recovery::{Collection, Recover},
    references::{Header, Held, ManagerRecord},
    start::CallRecord,
    stream::{self, QueueRecord, ReceiverRecord, SenderRecord, StreamRecord, TasksRecord},
};

/// Calls `f` with each record of two sides in the arena. One whose block cannot hold it is skipped: the audit reports it.
pub(super) fn for_each_record<'a>(
    arena: &'a Arena,
    mut f: impl FnMut(Block<'a>, BlockState, &'a dyn Recover),
) {
    arena.for_each_block(|block, state| {
        let BlockState::Object { kind, .. } = state else { return };
        match Kind::from_bits(kind) {
            Some(Kind::Call) => {
                if let Ok(record) = arena.record::<CallRecord>(block) {
                    f(block, state, record);
                }
            }
            Some(Kind::Link) => {
                if let Ok(record) = arena.stable_record::<LinkRecord>(block.offset(), Stable::Link) {
                    f(block, state, record);
                }
            }
            Some(Kind::Stream) => {
                if let Ok(record) = arena.stable_record::<StreamRecord>(block.offset(), Stable::Stream) {
                    f(block, state, record);
                }
            }
            _ => {}
        }
    });
}

/// Calls `f` with the object that a reference is to; not if there is none.
pub(crate) fn with_object(arena: &Arena, target: Handle, f: impl FnOnce(&dyn Held)) {
    fn found<T: Object + Held>(arena: &Arena, target: Handle, f: impl FnOnce(&dyn Held)) {
        if let Ok(record) = arena.object::<T>(target) {
            f(record);
        }
    }
    let Ok(block) = arena.block(target.offset) else { return };
    let BlockState::Object { kind, .. } = block.state() else { return };
    use objects::*;
    match Kind::from_bits(kind) {
        Some(Kind::Mutex) => found::<MutexRecord>(arena, target, f),
        Some(Kind::ReentrantMutex) => found::<ReentrantMutexRecord>(arena, target, f),
        Some(Kind::RwLock) => found::<RwLockRecord>(arena, target, f),
        Some(Kind::Semaphore) => found::<SemaphoreRecord>(arena, target, f),
        Some(Kind::Condition) => found::<ConditionRecord>(arena, target, f),
        Some(Kind::Event) => found::<EventRecord>(arena, target, f),
        Some(Kind::Barrier) => found::<BarrierRecord>(arena, target, f),
        Some(Kind::Once) => found::<OnceRecord>(arena, target, f),
        Some(Kind::Value) => found::<ValueRecord>(arena, target, f),
        Some(Kind::Array) => found::<ArrayRecord>(arena, target, f),
        Some(Kind::Sender) => found::<SenderRecord>(arena, target, f),
        Some(Kind::Receiver) => found::<ReceiverRecord>(arena, target, f),
        Some(Kind::Queue) => found::<QueueRecord>(arena, target, f),
        Some(Kind::JoinableQueue) => found::<TasksRecord>(arena, target, f),
        Some(Kind::Dict) => found::<MapRecord>(arena, target, f),
        Some(Kind::List) => found::<ListRecord>(arena, target, f),
        Some(Kind::Manager) => found::<ManagerRecord>(arena, target, f),
        Some(Kind::Call | Kind::Link | Kind::Stream) | None => {}
    }
}

/// Whether an object to which there is no reference can be freed now. What a manager made is closed here: before the manager's block
/// can be another's.
pub(crate) fn before_end(arena: &Arena, block: Block<'_>, state: BlockState) -> bool {
    if matches!(state, BlockState::Object { kind, .. } if kind == Kind::Manager as u8)
        && let Ok(record) = arena.record::<ManagerRecord>(block)
    {
        // Found first: if the block is this manager's after that, it was found of this one. When it's ended it may be another's by now.
        let found = record.life.state();
        if !block.is(state) {
            return true;
        }
        record.life.end(arena, found);
        if !manager::finish(arena) {
            manager::postpone(block, state);
            return false;
        }
    }
    // Who takes references to what managers made may be about to take one to this.
    let is_made = arena.record::<Header>(block).is_ok_and(|header| header.made_by.is_anybody());
    !is_made || !arena.is_pinning()
}

/// Tells an object that nobody has it any more; `state` is what its block was before the caller took it over.
pub(crate) fn ended(arena: &Arena, block: Block<'_>, state: BlockState) {
    fn found<T: Object + Held>(arena: &Arena, block: Block<'_>, own: Handle) {
        if let Ok(record) = arena.record::<T>(block) {
            record.end(arena, own);
        }
    }
    let BlockState::Object { kind, generation } = state else { return };
    let own = Handle { offset: block.offset(), generation };
    // All others are nothing but their block.
    match Kind::from_bits(kind) {
        Some(Kind::Sender) => found::<SenderRecord>(arena, block, own),
        Some(Kind::Receiver) => found::<ReceiverRecord>(arena, block, own),
        Some(Kind::Queue) => found::<QueueRecord>(arena, block, own),
        Some(Kind::JoinableQueue) => found::<TasksRecord>(arena, block, own),
        Some(Kind::Dict) => found::<MapRecord>(arena, block, own),
        Some(Kind::List) => found::<ListRecord>(arena, block, own),
        _ => {}
    }
}

/// Calls `f` with each stream in the arena, and each that is being made or freed: its block, and what that is.
pub(super) fn for_each_stream<'a>(
    arena: &'a Arena,
    mut f: impl FnMut(Block<'a>, BlockState, &'a StreamRecord),
) {
    arena.for_each_stable(Stable::Stream, |block| {
        let state = block.state();
        if state != BlockState::Free
            && let Ok(record) = arena.record(block)
        {
            f(block, state, record);
        }
    });
}

/// Calls `f` with each map and list in the arena, and each that is being made or freed: its block, and what that is.
pub(super) fn for_each_collection<'a>(
    arena: &'a Arena,
    mut f: impl FnMut(Block<'a>, BlockState, &'a dyn Collection),
) {
    let mut of = |class| {
        arena.for_each_stable(class, |block| {
            let state = block.state();
            if state != BlockState::Free
                && let Some(collection) = collection(arena, block.offset())
            {
                f(block, state, collection);
            }
        });
    };
    of(Stable::Map);
    of(Stable::List);
}

fn collection(arena: &Arena, offset: u64) -> Option<&dyn Collection> {
    if let Ok(record) = arena.stable_record::<MapRecord>(offset, Stable::Map) {
        return Some(record);
    }
    let record: &ListRecord = arena.stable_record(offset, Stable::List).ok()?;
    Some(record)
}

/// Frees a raw block that its owner left, or doesn't publish after all, and what only it names.
pub(crate) fn free_ownerless(arena: &Arena, block: Block<'_>, owner: Owner) {
    if let Ok(record) = arena.stable_record::<StreamRecord>(block.offset(), Stable::Stream) {
        return stream::dispose(arena, block, record, BlockState::Raw(owner));
    }
    if let Some(collection) = collection(arena, block.offset()) {
        // As this process's from here on: so it can't be used for another before all is freed.
        if arena.take_over(block, owner) {
            collection.dispose(arena);
            arena.free(block, arena.me());
        }
        return;
    }
    arena.free(block, owner);
}
