//! A message for tests.

use procession::Event;
use serde::{Deserialize, Serialize};

/// A message that can be seen to be whole.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Parcel {
    number: u64,
    text: String,
    more: Vec<Event>,
}

impl Parcel {
    pub(crate) fn new(number: u64, size: usize, handles: usize) -> Parcel {
        let more = (0..handles).map(|_| Event::new().unwrap()).collect();
        Parcel { number, text: letter(number).to_string().repeat(size), more }
    }

    pub(crate) fn is_whole(&self) -> bool {
        // A handle that is there is of something that is there.
        self.more.iter().for_each(|event| event.set().unwrap());
        self.text.chars().all(|c| c == letter(self.number))
    }
}

fn letter(number: u64) -> char {
    char::from(b'a' + (number % 26) as u8)
}
