//! Words that are wrong wherever they stand.

use super::choices::Choices;

/// The `which`th of eight, instead of `word`.
pub(super) fn anywhere(which: usize, word: u64, random: u64) -> u64 {
    match which {
        0 | 1 => word ^ 1 << (random % 64),
        2 => 0,
        3 => u64::MAX,
        4 => random % 70,
        5 => random % 5000,
        6 => random,
        _ => word.wrapping_add((random % 17).wrapping_sub(8)),
    }
}

/// All of the wrong word, or one half of it beside the other of the right one.
pub(super) fn whole_or_half(word: u64, wrong: u64, choices: &mut Choices) -> u64 {
    match choices.below(4) {
        0 => word & !0xffff_ffff | wrong & 0xffff_ffff,
        1 => word & 0xffff_ffff | wrong << 32,
        _ => wrong,
    }
}
