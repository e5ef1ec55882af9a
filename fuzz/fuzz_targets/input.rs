//! What a case decides, by the bytes that the fuzzer gives.

use crate::scribble::{Target, choices::Choices};

/// Choices are made of so many bytes.
const WORD: usize = 3;

/// One case: the same as in the test `scribble`, but in one process, whose arena is never new.
pub(crate) fn run(target: &str, input: &[u8]) {
    let mut words: Vec<u64> = input
        .chunks(WORD)
        .map(|bytes| bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
        .collect();
    words.reverse();
    let mut last = 1_u64;
    let mut choices = Choices::new(move || {
        // When there is no more input, something goes on that depends on it.
        last = words.pop().unwrap_or_else(|| last.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 7 | 1);
        // Spread to the upper bits as well, which only words in shared memory have.
        last ^ last << 40
    });
    // Other threads and processes would make each run another one.
    Target::named(target).expect("one of the targets").run(false, &mut choices);
}
