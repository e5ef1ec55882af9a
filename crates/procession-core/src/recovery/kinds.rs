//! The kind table: the one place that knows every kind of object, and so looks up the house instead of down.

use crate::{
    arena::{Arena, Block, BlockState, Kind, Object, Stable},
    pool::LinkRecord,
    recovery::Recover,
    start::CallRecord,
};

/// Calls `f` with each object in the arena. One whose block cannot hold it is skipped: the audit reports it.
pub(super) fn for_each_object<'a>(arena: &'a Arena, mut f: impl FnMut(Block<'a>, BlockState, &dyn Recover)) {
    fn with<'a, T: Object + Recover>(
        arena: &'a Arena,
        block: Block<'a>,
        state: BlockState,
        f: &mut impl FnMut(Block<'a>, BlockState, &dyn Recover),
    ) {
        if let Ok(record) = arena.record::<T>(block) {
            f(block, state, record);
        }
    }
    arena.for_each_block(|block, state| {
        let BlockState::Object { kind, .. } = state else { return };
        match Kind::from_bits(kind) {
            Some(Kind::Call) => with::<CallRecord>(arena, block, state, &mut f),
            Some(Kind::Link) => {
                if let Ok(record) = arena.stable_record::<LinkRecord>(block.offset(), Stable::Link) {
                    f(block, state, record);
                }
            }
            None => {}
        }
    });
}
