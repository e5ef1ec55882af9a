//! What a thread does last of all: when a panic unwinds, and when its variables are destroyed.

use procession::*;
use std::{cell::OnceCell, thread};

/// Says goodbye by everything that it has.
struct Farewell {
    messages: Sender<(String, Event)>,
    queue: Queue<String>,
    dict: Dict<String, String>,
    mutex: Mutex<u32>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.queue.put(&"goodbye".into()).unwrap();
        self.dict.insert("who", &"goodbye".into()).unwrap();
        *self.mutex.lock().unwrap() += 1;
        // A handle needs what the thread may not have any more; that's an error then, and no panic.
        let sent = self.messages.send(&("goodbye".into(), Event::new().unwrap()));
        assert!(sent.is_ok() || matches!(sent, Err(SendError::Failed(e)) if e.is_codec()));
    }
}

thread_local! {
    static FAREWELL: OnceCell<Farewell> = const { OnceCell::new() };
}

pub(super) fn a_thread_that_ends_can_still_send() {
    let (messages, _receiver) = channel().unwrap();
    let (queue, dict, mutex) = (Queue::unbounded().unwrap(), Dict::new().unwrap(), Mutex::new(0).unwrap());
    let farewell = || Farewell {
        messages: messages.clone(),
        queue: queue.clone(),
        dict: dict.clone(),
        mutex: mutex.clone(),
    };
    // Variables are destroyed in the order in which they were made: those of the library before this one, or after it.
    for is_first in [true, false] {
        let farewell = farewell();
        let thread = thread::spawn(move || {
            let mut farewell = Some(farewell);
            let mut say_at_the_end =
                || FAREWELL.with(|cell| assert!(cell.set(farewell.take().unwrap()).is_ok()));
            if is_first {
                say_at_the_end();
            }
            let (sender, receiver) = channel::<(String, Event)>().unwrap();
            sender.send(&("hello".into(), Event::new().unwrap())).unwrap();
            drop(receiver.recv().unwrap());
            if !is_first {
                say_at_the_end();
            }
        });
        thread.join().unwrap();
        assert_eq!(queue.get().unwrap(), "goodbye");
    }
    assert_eq!(*mutex.lock().unwrap(), 2);
}

/// What it maps in its last moment.
struct Last(Pool, Sender<Vec<u8>>);

impl Drop for Last {
    fn drop(&mut self) {
        self.1.send(&self.0.map(|n: u8| n + 1, [1, 2]).unwrap()).unwrap();
    }
}

pub(super) fn a_pool_is_used_for_the_first_time_while_a_panic_unwinds() {
    let (sender, receiver) = channel().unwrap();
    let last = Last(Pool::new(1).unwrap(), sender);
    let thread = thread::spawn(move || {
        let _last = last;
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(thread.join().is_err());
    assert_eq!(receiver.recv().unwrap(), [2, 3]);
}
