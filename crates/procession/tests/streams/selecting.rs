//! Waiting for the first of several; futures; descriptors.

use super::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex as ThreadMutex},
    task::{Context, Poll, Wake, Waker},
};

pub(super) fn the_first_of_several() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let (queue, jobs) = (Queue::<u32>::unbounded().unwrap(), JoinableQueue::<u32>::unbounded().unwrap());
    let event = Event::new().unwrap();
    let process = Process::spawn(|event: Event| event.wait().unwrap(), (event.clone(),)).unwrap();
    let mut selector = Selector::new();
    let all = [
        selector.add(&receiver).unwrap(),
        selector.add(&queue).unwrap(),
        selector.add(&jobs).unwrap(),
        selector.add(&event).unwrap(),
        selector.add(&process).unwrap(),
    ];
    assert_eq!(all, [0, 1, 2, 3, 4]);
    assert_eq!(selector.wait_timeout(Duration::ZERO).unwrap(), None);
    assert_eq!(selector.wait_timeout(SOON).unwrap(), None);
    let (putting, putting_jobs) = (queue.clone(), jobs.clone());
    let other = thread::spawn(move || {
        for i in 0..50 {
            match i % 3 {
                0 => sender.send(&i).unwrap(),
                1 => putting.put(&i).unwrap(),
                _ => putting_jobs.put(&i).unwrap(),
            }
            if i % 10 == 0 {
                // Long enough for the other one to fall asleep.
                thread::sleep(Duration::from_millis(2));
            }
        }
        sender
    });
    let mut got = Vec::new();
    while got.len() < 50 {
        match selector.wait().unwrap() {
            0 => got.extend(receiver.try_recv().unwrap()),
            1 => got.extend(queue.try_get().unwrap()),
            2 => got.extend(jobs.try_get().unwrap().map(|job| job.into_inner().unwrap())),
            other => panic!("{other} is ready"),
        }
    }
    got.sort_unstable();
    assert_eq!(got, (0..50).collect::<Vec<_>>());
    // The end of a stream is something to receive.
    drop(other.join().unwrap());
    assert_eq!(selector.wait().unwrap(), 0);
    drop(selector);
    // A process ends, and an event is set: each in turn.
    let mut selector = Selector::new();
    selector.add(&event).unwrap();
    selector.add(&process).unwrap();
    event.set().unwrap();
    let mut seen = [false; 2];
    while seen != [true; 2] {
        seen[selector.wait().unwrap()] = true;
    }
    drop(selector);
    process.join().unwrap();
    // A killed one has ended as well, and so has the stream that it alone sent into.
    let (sender, receiver) = channel::<u32>().unwrap();
    let keep = |sender: Sender<u32>| {
        std::mem::forget(sender);
        park();
    };
    let process = Process::spawn(keep, (sender,)).unwrap();
    let mut selector = Selector::new();
    selector.add(&process).unwrap();
    selector.add(&receiver).unwrap();
    assert_eq!(selector.wait_timeout(SOON).unwrap(), None);
    process.kill().unwrap();
    let mut seen = [false; 2];
    while seen != [true; 2] {
        seen[selector.wait().unwrap()] = true;
    }
    drop(selector);
    assert!(is_killed(process.join()));
    assert!(Selector::new().wait().unwrap_err().is_invalid_argument());
}

/// One who selects is no obstacle for one who receives.
pub(super) fn a_wake_up_is_passed_on() {
    let (sender, receiver) = channel::<u32>().unwrap();
    for i in 0..100 {
        let (selecting, receiving) = (receiver.clone(), receiver.clone());
        let selecting = thread::spawn(move || {
            let mut selector = Selector::new();
            selector.add(&selecting).unwrap();
            selector.wait().unwrap();
        });
        let receiving = thread::spawn(move || receiving.recv().unwrap());
        if i % 2 == 0 {
            until_waiting(1, || receiver.statistics().waiters.len());
        }
        sender.send(&i).unwrap();
        assert_eq!(receiving.join().unwrap(), i);
        sender.send(&0).unwrap();
        selecting.join().unwrap();
        receiver.recv().unwrap();
    }
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}

/// The least of runtimes.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

pub(super) fn futures() {
    fn is_send<F: Future + Send>(future: F) -> F {
        future
    }
    let (ours, theirs) = pipe::<u32>().unwrap();
    let echo = |theirs: Connection<u32>| {
        for n in &theirs {
            if n % 10 == 0 {
                thread::sleep(Duration::from_millis(2));
            }
            theirs.send(&n).unwrap();
        }
    };
    let process = Process::spawn(echo, (theirs,)).unwrap();
    for i in 0..100 {
        block_on(is_send(ours.send_async(&i))).unwrap();
        assert_eq!(block_on(is_send(ours.recv_async())).unwrap(), i);
    }
    // One that is given up takes nothing with it.
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    for _ in 0..20 {
        let mut given_up = Box::pin(ours.recv_async());
        assert!(given_up.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    ours.send(&7).unwrap();
    assert_eq!(ours.recv().unwrap(), 7);
    let (sender, receiver) = ours.split();
    drop(sender);
    assert!(matches!(block_on(receiver.recv_async()), Err(RecvError::Disconnected)));
    process.join().unwrap();
    // A full queue.
    let (queue, jobs) = (Queue::<u32>::bounded(1).unwrap(), JoinableQueue::<u32>::bounded(1).unwrap());
    let taking = (queue.clone(), jobs.clone());
    let taking = thread::spawn(move || {
        for i in 0..50 {
            thread::sleep(Duration::from_micros(300));
            assert_eq!(block_on(taking.0.get_async()).unwrap(), i);
            assert_eq!(block_on(taking.1.get_async()).unwrap().into_inner().unwrap(), i);
        }
    });
    for i in 0..50 {
        block_on(is_send(queue.put_async(&i))).unwrap();
        block_on(is_send(jobs.put_async(&i))).unwrap();
    }
    taking.join().unwrap();
    queue.close().unwrap();
    assert!(matches!(block_on(queue.get_async()), Err(RecvError::Closed)));
}

/// A waker of somebody's executor, which is of no use any more.
struct Broken;

impl Wake for Broken {
    fn wake(self: Arc<Broken>) {
        std::panic::resume_unwind(Box::new("on purpose"));
    }
}

type Task = Pin<Box<dyn Future<Output = Result<u32, RecvError>> + Send>>;

/// Frees the task that it would wake, and with that another that waits.
struct Owner(#[expect(dead_code, reason = "what matters is when it's dropped")] ThreadMutex<Option<Task>>);

impl Wake for Owner {
    fn wake(self: Arc<Owner>) {}
}

pub(super) fn wakers_that_misbehave() {
    let (sender, receiver) = channel::<u32>().unwrap();
    // A future that has what it waits for.
    let receive = || {
        let receiver = receiver.clone();
        async move { receiver.recv_async().await }
    };
    let mut abandoned = Box::pin(receive());
    let broken = Waker::from(Arc::new(Broken));
    assert!(abandoned.as_mut().poll(&mut Context::from_waker(&broken)).is_pending());
    sender.send(&1).unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
    drop(abandoned);
    // The last that has a waker is what waits for it.
    let mut inner: Task = Box::pin(receive());
    let unpark = Waker::from(Arc::new(Unpark(thread::current())));
    assert!(inner.as_mut().poll(&mut Context::from_waker(&unpark)).is_pending());
    let owner = Waker::from(Arc::new(Owner(ThreadMutex::new(Some(inner)))));
    let mut outer = Box::pin(receive());
    assert!(outer.as_mut().poll(&mut Context::from_waker(&owner)).is_pending());
    drop(owner);
    drop(outer);
    // The others are still woken.
    let sending = thread::spawn(move || {
        thread::sleep(SOON);
        sender.send(&2).unwrap();
    });
    assert_eq!(block_on(receive()).unwrap(), 2);
    sending.join().unwrap();
    drop(receiver);
    assert_nothing_left();
}

/// A wake-up that was meant for a future that nobody polls reaches one who sleeps.
pub(super) fn a_future_that_is_not_polled_is_no_obstacle() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    for given_up in [true, false] {
        let mut future = Box::pin(receiver.recv_async());
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        let kept = (!given_up).then_some(future);
        let receiving = receiver.clone();
        let receiving = thread::spawn(move || receiving.recv_timeout(Duration::from_secs(40)).unwrap());
        until_waiting(1, || receiver.statistics().waiters.len());
        sender.send(&1).unwrap();
        assert_eq!(receiving.join().unwrap(), Some(1));
        drop(kept);
    }
}

fn is_readable(receiver: &Receiver<u32>, timeout: Duration) -> bool {
    let fd = receiver.as_fd().unwrap();
    let mut set = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    let time = Timespec::try_from(timeout).unwrap();
    poll(&mut set, Some(&time)).unwrap() == 1
}

pub(super) fn descriptors() {
    const LONG: Duration = Duration::from_secs(50);
    let (sender, receiver) = channel::<u32>().unwrap();
    assert!(!is_readable(&receiver, Duration::ZERO));
    sender.send(&1).unwrap();
    assert!(is_readable(&receiver, LONG));
    sender.send(&2).unwrap();
    assert_eq!(receiver.try_recv().unwrap(), Some(1));
    assert!(is_readable(&receiver, LONG), "there is another one");
    assert_eq!((receiver.try_recv().unwrap(), receiver.try_recv().unwrap()), (Some(2), None));
    assert!(!is_readable(&receiver, SOON));
    let send = |sender: Sender<u32>| {
        thread::sleep(SOON);
        sender.send(&3).unwrap();
        park();
    };
    let process = Process::spawn(send, (sender,)).unwrap();
    assert!(is_readable(&receiver, LONG));
    assert_eq!((receiver.try_recv().unwrap(), receiver.try_recv().unwrap()), (Some(3), None));
    assert!(!is_readable(&receiver, SOON));
    process.kill().unwrap();
    assert!(is_readable(&receiver, LONG), "the end of the stream can be received");
    assert!(matches!(receiver.try_recv(), Err(RecvError::Disconnected)));
    assert!(is_killed(process.join()));
}
