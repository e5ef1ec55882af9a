#![no_main]

mod input;
#[path = "../../crates/procession/tests/scribble/mod.rs"]
mod scribble;

libfuzzer_sys::fuzz_target!(init: procession::init(), |input: &[u8]| input::run("handles", input));
