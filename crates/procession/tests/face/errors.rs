//! Errors on their way up by `?`.

use procession::*;
use std::error::Error as StdError;

/// The channel's error, by `?`.
fn general<T>(result: std::result::Result<T, impl Into<Error>>) -> Error {
    match result {
        Ok(_) => panic!("nothing went wrong"),
        Err(e) => e.into(),
    }
}

pub(super) fn every_error_becomes_the_general_one() {
    let (sender, receiver) = channel::<u8>().unwrap();
    let (gone, left) = channel::<u8>().unwrap();
    drop((receiver, gone));
    assert!(general(sender.send(&1)).is_disconnected());
    assert!(general(left.recv()).is_disconnected());
    let queue = Queue::<u8>::unbounded().unwrap();
    queue.close().unwrap();
    assert!(general(queue.put(&1)).is_closed());
    assert!(general(queue.get()).is_closed());
    assert!(general(queue.put_many([1])).is_closed());
    assert!(general(queue.get_many(1)).is_closed());
    let mutex = Mutex::new(0).unwrap();
    let guard = mutex.lock().unwrap();
    assert!(general(mutex.lock()).is_deadlock());
    drop(guard);
    let process = Process::spawn(|| -> () { panic!("on purpose") }, ()).unwrap();
    assert!(general(process.join()).is_task_failed());
    let late = general::<()>(Err(TaskError::TimedOut));
    assert!(late.is_timeout() && late.is_task_failed());
}

/// Into what programs and other libraries have for errors of all kinds.
pub(super) fn every_error_is_an_error_for_others() {
    fn boxed<E: StdError + Send + Sync + 'static>(error: E) -> Box<dyn StdError + Send + Sync> {
        error.into()
    }
    let queue = Queue::<u8>::unbounded().unwrap();
    queue.close().unwrap();
    let errors = [
        boxed(queue.put(&1).unwrap_err()),
        boxed(queue.get().unwrap_err()),
        boxed(queue.put_many([1]).unwrap_err()),
        boxed(queue.get_many(1).unwrap_err()),
        boxed(TaskError::Cancelled),
        boxed(general(queue.put(&1))),
    ];
    for error in errors {
        assert!(!error.to_string().is_empty() && !error.to_string().ends_with('.'), "{error}");
    }
}
