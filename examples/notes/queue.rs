//! Python: `put` waits while the queue is full, `get` while it's empty; what `full` and `empty` say isn't reliable.
//! Here: both are exact, since an item is in the queue when `put` returns; and `close` ends it, without a sentinel.

use procession::{Process, Queue};

fn eat(dishes: Queue<u32>) {
    loop {
        println!("egon is hungry");
        // Waits while it's empty; an error when it's also closed.
        let Ok(dish) = dishes.get() else { break };
        println!("egon eats dish {dish}");
    }
}

pub fn run() -> procession::Result<()> {
    let dishes = Queue::bounded(3)?;
    println!("no dish yet: empty {}, full {}", dishes.is_empty(), dishes.is_full());
    for dish in 1..=3 {
        dishes.put(&dish)?;
    }
    println!("three dishes: empty {}, full {}", dishes.is_empty(), dishes.is_full());
    println!("room for a fourth: {}", dishes.try_put(&4)?);

    let egon = Process::spawn(eat, (dishes.clone(),))?;
    for dish in 4..=10 {
        dishes.put(&dish)?; // waits while it's full
        println!("dish {dish} is served");
    }
    dishes.close()?; // what is in it will still be got
    egon.join()?;
    println!("all eaten: empty {}, full {}", dishes.is_empty(), dishes.is_full());
    Ok(())
}
