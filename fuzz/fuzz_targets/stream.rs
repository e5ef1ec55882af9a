//! What is scribbled over streams, and how they are used then, as the input says. The same as the test `scribble`, but in one
//! process, whose arena is never new: each input makes streams of its own, and scribbles over whatever streams there are.

#![no_main]

#[path = "../../crates/procession/tests/scribble/mod.rs"]
mod scribble;

use libfuzzer_sys::fuzz_target;
use scribble::{Plan, choices::Choices};

/// Choices are made of so many bytes.
const WORD: usize = 3;

fuzz_target!(init: procession::init(), |input: &[u8]| {
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
    // Threads and processes would make each run another one.
    let plan = Plan { locks: choices.one_in(4), waiters: false, meanwhile: false, processes: false };
    scribble::run(plan, &mut choices);
});
