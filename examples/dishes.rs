//! Producers and consumers: over a pipe, over one end of a pipe that three share, over a queue, and over a queue that knows when
//! all is eaten. No locks, no sentinels, nothing to be closed in the right order.

use procession::{Connection, JoinableQueue, Process, Queue, Receiver, Sender, channel, pipe};

/// Eats until nobody can send any more.
fn eat_alone(dishes: Connection<String>) {
    for dish in &dishes {
        println!("egon eats {dish}");
    }
}

/// 20 messages over a pipe, until the end of the stream.
fn over_a_pipe() -> procession::Result<()> {
    let (ours, theirs) = pipe::<String>()?;
    // Moved into the other process, it's not this one's any more: nobody has to close a copy.
    let eater = Process::spawn(eat_alone, (theirs,))?;
    for i in 0..20 {
        ours.send(&format!("dish {i}"))?;
    }
    drop(ours);
    Ok(eater.join()?)
}

fn cook(food: Sender<String>, name: String) {
    for i in 0..100 {
        food.send(&format!("dish {i} by {name}")).unwrap();
    }
}

fn eat(food: Receiver<String>, name: String) {
    for dish in &food {
        println!("{name} eats {dish}");
    }
}

/// One producer, and three consumers that share an end.
fn over_a_shared_end() -> procession::Result<()> {
    let (sender, receiver) = channel::<String>()?;
    let eaters =
        ["alex", "bossjin", "wusir"].map(|name| Process::spawn(eat, (receiver.clone(), name.to_string())));
    drop(receiver);
    Process::spawn(cook, (sender, "egon".to_string()))?.join()?;
    // The producer has ended, and with it the stream.
    eaters.into_iter().try_for_each(|eater| Ok(eater?.join()?))
}

fn eat_from_queue(food: Queue<u32>, name: String) {
    while let Ok(bun) = food.get() {
        println!("{name} eats bun {bun}");
    }
}

/// The same over a queue.
fn over_a_queue() -> procession::Result<()> {
    let queue = Queue::bounded(10)?;
    let eaters =
        ["c1", "c2", "c3"].map(|name| Process::spawn(eat_from_queue, (queue.clone(), name.to_string())));
    (0..30).try_for_each(|bun| queue.put(&bun))?;
    // What is in it will still be got.
    queue.close()?;
    eaters.into_iter().try_for_each(|eater| Ok(eater?.join()?))
}

fn eat_up(food: JoinableQueue<u32>, name: String) {
    while let Ok(bun) = food.get() {
        println!("{name} eats bun {}", *bun);
        // If this process had died before this, another would get the bun.
        bun.task_done().unwrap();
    }
}

/// And over one that knows when all is eaten.
fn over_a_joinable_queue() -> procession::Result<()> {
    let queue = JoinableQueue::bounded(10)?;
    let eaters = ["c1", "c2", "c3"].map(|name| Process::spawn(eat_up, (queue.clone(), name.to_string())));
    (0..30).try_for_each(|bun| queue.put(&bun))?;
    queue.join()?;
    println!("all eaten");
    queue.close()?;
    eaters.into_iter().try_for_each(|eater| Ok(eater?.join()?))
}

fn main() -> procession::Result<()> {
    procession::init();
    println!("# pipe");
    over_a_pipe()?;
    println!("# shared end");
    over_a_shared_end()?;
    println!("# queue");
    over_a_queue()?;
    println!("# joinable queue");
    over_a_joinable_queue()
}
