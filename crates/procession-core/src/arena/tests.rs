//! The allocator against a model, and against scribbled bytes. Deaths are tested with real processes (`tests/kill.rs` of
//! `procession`).

use super::*;
use crate::members::Tag;
use proptest::prelude::*;
use std::collections::HashMap;

/// An arena with this process as a member that never attached: enough to allocate.
fn arena(limit: usize) -> Arena {
    let arena = Arena::create(Some(limit)).unwrap();
    let starter = Tag::from_word(1).unwrap();
    let me = arena.members().reserve(arena.new_member_generation(), starter).unwrap();
    arena.set_me(me);
    arena
}

#[test]
fn offsets_have_forty_bits() {
    assert!(Geometry::new(LARGEST_LIMIT.div_ceil(CHUNK)).total() <= 1 << 40);
}

#[derive(Clone, Debug)]
enum Step {
    Alloc(usize),
    Free(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![0..200_usize, 0..40_000_usize, 0..400_000_usize];
    let step = prop_oneof![3 => len.prop_map(Step::Alloc), 2 => any::<usize>().prop_map(Step::Free)];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn blocks_are_disjoint_and_keep_what_is_written(steps in steps()) {
        let arena = arena(64 << 20);
        let mut live: Vec<(u64, Vec<u8>)> = Vec::new();
        for (i, step) in steps.into_iter().enumerate() {
            match step {
                Step::Alloc(len) => {
                    let bytes = vec![i as u8; len];
                    let block = arena.alloc(len).unwrap();
                    prop_assert!(block.size() >= len);
                    block.write(0, &bytes).unwrap();
                    live.push((block.offset(), bytes));
                }
                Step::Free(at) if !live.is_empty() => {
                    let (offset, bytes) = live.swap_remove(at % live.len());
                    let block = arena.block(offset).unwrap();
                    prop_assert_eq!(block.read(0, bytes.len()).unwrap(), bytes);
                    prop_assert!(arena.free(block, arena.me()));
                    prop_assert!(!arena.free(block, arena.me()), "not twice");
                }
                Step::Free(_) => {}
            }
        }
        for (offset, bytes) in &live {
            prop_assert_eq!(&arena.block(*offset).unwrap().read(0, bytes.len()).unwrap(), bytes);
        }
        let audit = arena.audit(|_, _| false);
        prop_assert_eq!((audit.blocks, audit.leaked, audit.impossible), (live.len(), 0, 0));
    }

    #[test]
    fn wrong_offsets_and_lengths_are_errors(offset: u64, near in 0..20_000_u64, at: usize, len: usize) {
        let arena = arena(8 << 20);
        let block = arena.alloc(100).unwrap();
        for offset in [offset, block.offset() + near, block.offset().wrapping_sub(near)] {
            if let Ok(found) = arena.block(offset) {
                prop_assert!(found.read(at, len).is_err() || at + len <= found.size());
            }
        }
        prop_assert!(block.read(block.size() + 1, 0).is_err());
    }

    #[test]
    fn a_scribbled_arena_gives_errors(scribbles in proptest::collection::vec((0..5_usize, 0..4096_usize, any::<u64>()), 1..40)) {
        let arena = arena(8 << 20);
        let blocks: Vec<u64> = (0..20).map(|i| arena.alloc(i * 5000).unwrap().offset()).collect();
        for (part, at, bits) in scribbles {
            // Header (but for its locks), slots, entries, controls, data.
            let offset = match part {
                0 => 40 + at % 3 * 8,
                1 => arena.geometry.slots() + at * 8,
                2 => arena.geometry.entry(0) + at % 64 * 8,
                3 => arena.geometry.control(0) + at * 8 % 8192,
                _ => arena.geometry.chunk(0) + at * 8,
            };
            arena.shared::<AtomicU64Alias>(offset).0.store(bits, Relaxed);
        }
        // Whatever comes of it, it's a value.
        for offset in blocks {
            if let Ok(block) = arena.block(offset) {
                let _ = block.read(0, 100);
                arena.free(block, arena.me());
            }
        }
        let _ = (arena.alloc(100).map(|_| ()), arena.alloc(100_000).map(|_| ()));
        let _ = arena.audit(|_, _| true);
        arena.mend_blocks();
        crate::recovery::mark_dead(&arena, Owner::new(3, 7).unwrap());
        crate::recovery::sweep(&arena);
    }
}

#[repr(C)]
struct AtomicU64Alias(crate::atomic::AtomicU64);

// SAFETY: bounds: fixed size. Aliasing: an atomic, valid for any bits. Lifetime: no pointers.
unsafe impl Shared for AtomicU64Alias {}

#[test]
fn a_full_arena_is_an_error_and_freed_memory_is_used_again() {
    let arena = arena(4 << 20);
    for _ in 0..3 {
        let mut blocks = Vec::new();
        let error = loop {
            match arena.alloc(300_000) {
                Ok(block) => blocks.push(block),
                Err(e) => break e,
            }
        };
        assert!(error.is_out_of_memory() && blocks.len() >= 10, "{error}, after {}", blocks.len());
        for block in blocks {
            assert!(arena.free(block, arena.me()));
        }
    }
}

/// A file that is shorter than it should be stands for a machine that has memory for half of a block.
#[test]
fn a_block_that_there_is_no_memory_for_takes_none() {
    let whole = arena(8 << 20);
    let geometry = whole.geometry;
    let mapping = Mapping::create(geometry.total() - (4 << 20)).unwrap();
    mapping.commit(0, geometry.fixed()).unwrap();
    let arena = Arena { mapping, geometry, me: whole.me.clone() };
    let memory = || rustix::fs::fstat(arena.file()).unwrap().st_blocks;
    let before = memory();
    assert!(arena.alloc(7 << 20).unwrap_err().is_out_of_memory());
    // A page for the entries of the chunks; blocks of a file have 512 bytes.
    assert!((memory() - before) * 512 <= 4096, "{before} and {}", memory());
    let block = arena.alloc(2 << 20).unwrap();
    block.write(0, &[1; 100]).unwrap();
}

#[test]
fn more_bytes_than_there_can_be_are_an_error() {
    let arena = arena(4 << 20);
    for len in [usize::MAX, usize::MAX - CHUNK, isize::MAX as usize] {
        assert!(arena.alloc(len).unwrap_err().is_out_of_memory(), "{len}");
    }
}

#[test]
fn a_chunk_is_whole_when_it_is_cut_again_whoever_died_giving_it_up() {
    let arena = arena(4 << 20);
    let dead = arena.members().reserve(arena.new_member_generation(), arena.me().tag()).unwrap();
    let block = arena.alloc(1000).unwrap();
    // As at `span.after_entry`: the entry says that the chunk is free, the blocks say that they are the dead one's.
    let Some(class) = arena.class_of(block) else { panic!("a small block") };
    assert_eq!(block.offset() as usize, arena.geometry.chunk(0));
    for block in arena.small_blocks(0, class) {
        block.set_state(BlockState::Raw(dead));
    }
    arena.shared::<layout::Entry>(arena.geometry.entry(0)).word.store(1, Relaxed);
    crate::recovery::mark_dead(&arena, dead);
    crate::recovery::sweep(&arena);
    let again: Vec<u64> = arena.small_blocks(0, class).map(|_| arena.alloc(1000).unwrap().offset()).collect();
    assert!(again.iter().all(|offset| (*offset as usize) < arena.geometry.chunk(1)), "in the same chunk");
    assert_eq!(arena.audit(|_, _| false).leaked, 0);
}

#[test]
fn large_blocks_give_their_memory_back() {
    let arena = arena(64 << 20);
    let block = arena.alloc(20 << 20).unwrap();
    block.write(0, &vec![1; 20 << 20]).unwrap();
    assert!(arena.audit(|_, _| true).committed_bytes >= 20 << 20);
    assert!(arena.free(block, arena.me()));
    assert!(arena.audit(|_, _| true).committed_bytes < 1 << 20);
    let again = arena.alloc(20 << 20).unwrap();
    assert_eq!(again.read(0, 100).unwrap(), [0; 100]);
}

#[test]
fn members_in_one_place_are_found_in_another() {
    let arena = arena(4 << 20);
    let mut owners = HashMap::new();
    for _ in 0..20 {
        let owner = arena.members().reserve(arena.new_member_generation(), arena.me().tag()).unwrap();
        assert!(owners.insert(owner, ()).is_none());
    }
    assert_eq!(arena.members().occupied(), 21);
    assert_eq!(arena.members().reserved_by(arena.me()).count(), 20);
    for owner in owners.keys() {
        crate::recovery::mark_dead(&arena, *owner);
    }
    crate::recovery::sweep(&arena);
    assert_eq!(arena.members().occupied(), 1);
}
