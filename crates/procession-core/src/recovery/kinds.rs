//! The kind table: the one place that knows every kind of object, and so looks up the house instead of down.

use crate::{
    arena::{Arena, Block, BlockState, Handle, Kind, Object, Stable},
    objects,
    pool::LinkRecord,
    recovery::Recover,
    references::Held,
    start::CallRecord,
};

/// Calls `f` with each record of two sides in the arena. One whose block cannot hold it is skipped: the audit reports it.
pub(super) fn for_each_record<'a>(arena: &'a Arena, mut f: impl FnMut(Block<'a>, BlockState, &dyn Recover)) {
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
        Some(Kind::Call | Kind::Link) | None => {}
    }
}
