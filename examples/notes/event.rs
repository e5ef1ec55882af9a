//! Python: a traffic light that cars wait for; if one of them is killed while it waits, `set` itself hangs.
//! Here: `set` waits for nobody, and wakes everybody who waits, whoever else has died.

use procession::{Event, Process};
use std::{thread, time::Duration};

fn drive(green: Event, car: u32) {
    if !green.is_set() {
        println!("car {car} waits");
    }
    green.wait().unwrap();
    println!("car {car} passes");
}

pub fn run() -> procession::Result<()> {
    let green = Event::new()?;
    for cars in [1..=5, 6..=10] {
        green.clear()?;
        println!("red");
        let cars = cars
            .map(|car| Process::spawn(drive, (green.clone(), car)))
            .collect::<procession::Result<Vec<_>>>()?;
        thread::sleep(Duration::from_millis(100)); // so long it's red

        println!("green");
        green.set()?;
        for car in cars {
            car.join()?;
        }
    }
    Ok(())
}
