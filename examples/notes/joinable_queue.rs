//! Python: cooks `put` and `join`, eaters `get` and say `task_done`; if one is killed in between, `join` hangs for ever.
//! Here: its dish goes to another eater, and `join` comes back; with an error that says so, should a dish be lost.

use procession::{JoinableQueue, Process};
use std::{thread, time::Duration};

fn cook(dishes: JoinableQueue<String>, name: String, food: String) {
    for i in 0..10 {
        dishes.put(&format!("{food} {i}")).unwrap();
    }
    dishes.join().unwrap();
    println!("{name} is done: all is eaten");
}

fn eat(dishes: JoinableQueue<String>, name: String) {
    while let Ok(dish) = dishes.get() {
        println!("{name} eats {}", *dish);
        thread::sleep(Duration::from_millis(1)); // it takes a moment
        dish.task_done().unwrap();
    }
}

pub fn run() -> procession::Result<()> {
    let dishes = JoinableQueue::bounded(5)?;
    // Daemons, as in Python: should something go wrong here, the program doesn't wait for them at its end.
    let eaters = ["alex", "bossjin", "wusir"]
        .map(|name| Process::builder().daemon(true).spawn(eat, (dishes.clone(), name.to_string())));
    let cooks = [("egon", "bun"), ("yuan", "dumpling")]
        .map(|(name, food)| Process::spawn(cook, (dishes.clone(), name.to_string(), food.to_string())));
    for cook in cooks {
        cook?.join()?;
    }
    dishes.close()?; // nothing more will come: the eaters go home
    for eater in eaters {
        eater?.join()?;
    }
    Ok(())
}
