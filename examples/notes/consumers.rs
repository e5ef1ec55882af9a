//! Python: three eaters at one end of a pipe need a lock around `recv`, and the cook must send each of them a None.
//! Here: an end is safe to share, and the stream ends for all three when the cook has gone, whatever way.

use procession::{Process, Receiver, Sender, channel};
use std::{thread, time::Duration};

fn cook(dishes: Sender<String>, name: String, food: String) {
    for i in 0..100 {
        dishes.send(&format!("{food} {i} by {name}")).unwrap();
    }
}

fn eat(dishes: Receiver<String>, name: String) {
    for dish in &dishes {
        println!("{name} eats {dish}");
        thread::sleep(Duration::from_millis(1)); // it takes a moment
    }
}

pub fn run() -> procession::Result<()> {
    let (sender, receiver) = channel::<String>()?;
    let eaters =
        ["alex", "bossjin", "wusir"].map(|name| Process::spawn(eat, (receiver.clone(), name.to_string())));
    drop(receiver); // only the eaters have it now
    Process::spawn(cook, (sender, "egon".to_string(), "swill".to_string()))?.join()?;
    for eater in eaters {
        eater?.join()?;
    }
    Ok(())
}
