//! The ring with frames against a queue, and against scribbled bytes.

use super::*;
use proptest::prelude::*;
use std::{collections::VecDeque, ptr::NonNull};

const CAPACITY: usize = 256;

/// A ring in private memory.
struct Memory {
    ring: Ring,
    bytes: Box<[u64; CAPACITY / 8]>,
}

impl Memory {
    fn new() -> Memory {
        Memory { ring: Ring::new(), bytes: Box::new([0; CAPACITY / 8]) }
    }

    fn data(&mut self) -> Data {
        Data::at(NonNull::from(self.bytes.as_mut()).cast(), CAPACITY)
    }
}

proptest! {
    #[test]
    fn frames_arrive_as_from_a_queue(steps in proptest::collection::vec((any::<bool>(), 0..100_usize), 0..300)) {
        let mut memory = Memory::new();
        let data = memory.data();
        let (mut producer, mut consumer) = (Producer::new(&memory.ring, data), Consumer::new(&memory.ring, data));
        let (mut model, mut out) = (VecDeque::new(), Vec::new());
        for (i, (push, len)) in steps.into_iter().enumerate() {
            let payload = vec![i as u8; len];
            if push {
                let (front, back) = payload.split_at(len / 2);
                if producer.push(1 + (i % 15) as u8, &[front, back]).unwrap().is_some() {
                    model.push_back((1 + (i % 15) as u8, payload));
                } else {
                    prop_assert!(!model.is_empty(), "an empty ring has room");
                }
            } else if i % 2 == 0 {
                let next = consumer.peek(&mut out).unwrap();
                prop_assert_eq!(next.map(|(kind, ..)| (kind, out.clone())), model.pop_front());
                if let Some((.., space)) = next {
                    consumer.retire(space);
                }
            } else {
                out.clear();
                let bytes = consumer.read_all(&mut out).unwrap();
                let frames: Vec<_> = Frames::new(&out).map(|frame| frame.unwrap()).collect();
                prop_assert!(frames.iter().map(|f| (f.kind, f.payload.to_vec())).eq(model.drain(..)));
                consumer.retire(bytes);
            }
        }
        let rest = snapshot(&memory.ring, &data).unwrap();
        prop_assert!(Frames::new(&rest).map(|f| f.unwrap()).map(|f| (f.kind, f.payload.to_vec())).eq(model));
    }

    #[test]
    fn scribbled_bytes_and_cursors_are_errors(
        bytes: [u64; CAPACITY / 8],
        tail in prop_oneof![0..2 * CAPACITY as u64, any::<u64>()],
        head in prop_oneof![0..2 * CAPACITY as u64, any::<u64>()],
        small: bool,
    ) {
        let mut memory = Memory::new();
        *memory.bytes = bytes;
        if small {
            // Plausible lengths go deeper than random ones.
            memory.bytes.iter_mut().for_each(|word| *word &= 0xfff);
        }
        memory.ring.set(tail, head);
        let data = memory.data();
        let mut consumer = Consumer::new(&memory.ring, data);
        let mut out = Vec::new();
        for _ in 0..40 {
            match consumer.peek(&mut out) {
                Ok(Some((.., space))) => consumer.retire(space),
                Ok(None) | Err(_) => break,
            }
        }
        memory.ring.set(tail, head);
        let mut consumer = Consumer::new(&memory.ring, data);
        out.clear();
        if consumer.read_all(&mut out).is_ok() {
            prop_assert!(Frames::new(&out).count() <= CAPACITY / 8 + 1);
        }
        let _ = snapshot(&memory.ring, &data);
        let mut producer = Producer::new(&memory.ring, data);
        for _ in 0..40 {
            let _ = producer.push(1, &[&[0; 40]]);
            producer.is_half_full();
        }
    }
}
