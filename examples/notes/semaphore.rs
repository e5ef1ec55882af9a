//! Python: five people, a room with two places; the place of a process that is killed inside is lost for ever.
//! Here: it comes back when the permit is dropped, and as well when the process that has it dies.

use procession::{Process, Semaphore};
use std::{thread, time::Duration};

fn visit(room: Semaphore, name: String) {
    let _place = room.acquire().unwrap();
    println!("{name} goes in");
    thread::sleep(Duration::from_millis(50));
    println!("{name} comes out");
}

pub fn run() -> procession::Result<()> {
    let room = Semaphore::new(2)?;
    let visitors = ["egon", "alex", "bossjin", "wusir", "yuan"]
        .map(|name| Process::spawn(visit, (room.clone(), name.to_string())));
    for visitor in visitors {
        visitor?.join()?;
    }
    Ok(())
}
