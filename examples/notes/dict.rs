//! Python: `dic['count'] -= 1` in 50 processes reads and writes through a server; decrements are lost without a lock.
//! Here: `update` is one step, with neither lock nor server; a process that is killed in it has done it or not.

use procession::{Dict, Manager, Process};

fn count_down(dict: Dict<String, i64>) {
    dict.update("count", |count| *count -= 1).unwrap();
}

pub fn run() -> procession::Result<()> {
    let manager = Manager::new()?;
    let dict = manager.dict::<String, i64>()?;
    dict.insert("count", &100)?;
    let processes = (0..50)
        .map(|_| Process::spawn(count_down, (dict.clone(),)))
        .collect::<procession::Result<Vec<_>>>()?;
    for process in processes {
        process.join()?;
    }
    for (key, value) in dict.items()? {
        println!("{key}: {value}");
    }
    Ok(())
}
