//! Python: the same with numbers; the first, 0, is as false as None, and so one of the two eaters leaves at once.
//! Here: the end of the stream is no message, so that every number is one like any other.

use procession::{Process, Receiver, Sender, channel};
use std::{thread, time::Duration};

fn produce(buns: Sender<u32>, count: u32) {
    for bun in 0..count {
        buns.send(&bun).unwrap();
    }
}

fn consume(buns: Receiver<u32>, name: String) {
    for bun in &buns {
        println!("{name} gets bun {bun}");
        thread::sleep(Duration::from_millis(1)); // it takes a moment
    }
}

pub fn run() -> procession::Result<()> {
    let (sender, receiver) = channel::<u32>()?;
    let consumers = ["c1", "c2"].map(|name| Process::spawn(consume, (receiver.clone(), name.to_string())));
    drop(receiver); // only the consumers have it now
    Process::spawn(produce, (sender, 30))?.join()?;
    for consumer in consumers {
        consumer?.join()?;
    }
    Ok(())
}
