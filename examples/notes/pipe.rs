//! Python: every process must close its copies of both ends; forget one, and `recv` waits for ever at the end.
//! Here: an end that is passed on is given away, so the end of the stream is seen when the sender drops its own.

use procession::{Connection, Process, pipe};

fn listen(conn: Connection<String>) {
    for message in &conn {
        println!("{message}");
    }
}

pub fn run() -> procession::Result<()> {
    let (ours, theirs) = pipe::<String>()?;
    let listener = Process::spawn(listen, (theirs,))?;
    for i in 1..=20 {
        ours.send(&format!("have you eaten? ({i})"))?;
    }
    drop(ours);
    Ok(listener.join()?)
}
