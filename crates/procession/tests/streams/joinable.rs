//! Queues whose items are finished.

use super::*;

fn consume(queue: JoinableQueue<u64>) -> Vec<u64> {
    let mut done = Vec::new();
    while let Ok(item) = queue.get() {
        done.push(*item);
        item.task_done().unwrap();
    }
    done
}

pub(super) fn all_are_finished() {
    let queue = JoinableQueue::<u64>::bounded(5).unwrap();
    let consumers: Vec<_> = (0..3).map(|_| Process::spawn(consume, (queue.clone(),)).unwrap()).collect();
    queue.join().unwrap();
    (0..500).for_each(|i| queue.put(&i).unwrap());
    queue.join().unwrap();
    assert!(queue.unfinished() == 0 && queue.lost() == 0 && queue.join_timeout(Duration::ZERO).unwrap());
    queue.close().unwrap();
    let mut done: Vec<u64> = consumers.into_iter().flat_map(|c| c.join().unwrap()).collect();
    done.sort_unstable();
    assert_eq!(done, (0..500).collect::<Vec<_>>());
    drop(queue);
    assert_nothing_left();
}

/// Takes an item and so many more, and waits to be killed.
fn take_and_wait(queue: JoinableQueue<u64>, more: usize, ready: Event) {
    let leases: Vec<Lease<u64>> = (0..=more).map(|_| queue.get().unwrap()).collect();
    ready.set().unwrap();
    park();
    drop(leases);
}

fn kill_one_with(queue: &JoinableQueue<u64>, items: usize) {
    let ready = Event::new().unwrap();
    let victim = Process::spawn(take_and_wait, (queue.clone(), items - 1, ready.clone())).unwrap();
    ready.wait().unwrap();
    assert_eq!(queue.len() + items, queue.unfinished().max(items));
    victim.kill().unwrap();
    assert!(is_killed(victim.join()));
}

pub(super) fn of_a_dead_consumer_go_to_another() {
    let queue = JoinableQueue::<u64>::unbounded().unwrap();
    (0..10).for_each(|i| queue.put(&i).unwrap());
    kill_one_with(&queue, 3);
    assert_eq!((queue.len(), queue.unfinished()), (7, 10));
    assert!(!queue.join_timeout(SOON).unwrap());
    let mut got = Vec::new();
    while let Some(item) = queue.try_get().unwrap() {
        got.push(item.into_inner().unwrap());
    }
    got.sort_unstable();
    assert_eq!(got, (0..10).collect::<Vec<_>>());
    queue.join().unwrap();
    // One who sleeps gets it as well.
    let waiting = queue.clone();
    queue.put(&7).unwrap();
    let ready = Event::new().unwrap();
    let victim = Process::spawn(take_and_wait, (queue.clone(), 0, ready.clone())).unwrap();
    ready.wait().unwrap();
    let waiting = thread::spawn(move || waiting.get().unwrap().into_inner().unwrap());
    until_waiting(1, || queue.statistics().waiters.len());
    victim.kill().unwrap();
    assert_eq!(waiting.join().unwrap(), 7);
    queue.join().unwrap();
    assert!(is_killed(victim.join()));
    drop((queue, ready));
    assert_nothing_left();
}

pub(super) fn lost_ones_are_reported() {
    for (times, queue) in [
        (0, JoinableQueue::builder().redeliver(0).build::<u64>().unwrap()),
        (1, JoinableQueue::unbounded().unwrap()),
        (3, JoinableQueue::builder().redeliver(3).bounded(2).build().unwrap()),
    ] {
        queue.put(&1).unwrap();
        queue.put(&2).unwrap();
        for _ in 0..=times {
            assert_eq!(queue.lost(), 0);
            kill_one_with(&queue, 2);
        }
        let error = queue.join().unwrap_err();
        assert!(error.is_lost() && error.to_string().contains('2'), "{error}");
        assert_eq!((queue.lost(), queue.unfinished(), queue.len()), (2, 0, 0));
        queue.put(&3).unwrap();
        assert_eq!(queue.get().unwrap().into_inner().unwrap(), 3, "it's of use afterwards");
        // One who joins meanwhile learns of it.
        let queue = JoinableQueue::builder().redeliver(0).build::<u64>().unwrap();
        queue.put(&1).unwrap();
        let ready = Event::new().unwrap();
        let victim = Process::spawn(take_and_wait, (queue.clone(), 0, ready.clone())).unwrap();
        ready.wait().unwrap();
        let joining = queue.clone();
        let joining = thread::spawn(move || joining.join());
        until_waiting(1, || queue.statistics().waiters.len());
        victim.kill().unwrap();
        assert!(joining.join().unwrap().unwrap_err().is_lost());
        assert!(is_killed(victim.join()));
    }
    assert_nothing_left();
}

pub(super) fn given_back_by_a_panic() {
    let queue = JoinableQueue::<u64>::unbounded().unwrap();
    queue.put(&5).unwrap();
    let blow = |queue: JoinableQueue<u64>| {
        let _item = queue.get().unwrap();
        std::panic::resume_unwind(Box::new("on purpose"))
    };
    for round in 0..2 {
        assert_eq!((queue.unfinished(), queue.lost()), (1, 0), "round {round}");
        assert!(matches!(
            Process::<()>::spawn(blow, (queue.clone(),)).unwrap().join(),
            Err(TaskError::Panicked(_))
        ));
    }
    assert_eq!((queue.unfinished(), queue.lost()), (0, 1));
    assert!(queue.join().unwrap_err().is_lost());
    drop(queue);
    assert_nothing_left();
}

pub(super) fn with_handles_again() {
    let queue = JoinableQueue::<(Sender<u8>, Vec<u8>)>::unbounded().unwrap();
    let (sender, receiver) = channel::<u8>().unwrap();
    queue.put(&(sender, vec![1; 100_000])).unwrap();
    let take = |queue: JoinableQueue<(Sender<u8>, Vec<u8>)>| {
        let item = queue.get().unwrap();
        item.0.send(&1).unwrap();
        park();
        drop(item);
    };
    let victim = Process::spawn(take, (queue.clone(),)).unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
    victim.kill().unwrap();
    assert!(is_killed(victim.join()));
    procession_core::sweep().unwrap();
    assert_eq!(receiver.try_recv().unwrap(), None, "its sender is still in the item");
    let item = queue.get().unwrap();
    assert_eq!(item.1, vec![1; 100_000]);
    item.0.send(&2).unwrap();
    item.task_done().unwrap();
    assert_eq!(receiver.recv().unwrap(), 2);
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    drop((queue, receiver));
    assert_nothing_left();
}

pub(super) fn closed_waits_for_what_may_come_back() {
    let queue = JoinableQueue::<u64>::unbounded().unwrap();
    queue.put(&1).unwrap();
    let ready = Event::new().unwrap();
    let victim = Process::spawn(take_and_wait, (queue.clone(), 0, ready.clone())).unwrap();
    ready.wait().unwrap();
    queue.close().unwrap();
    assert!(queue.try_get().unwrap().is_none() && !queue.poll(Duration::ZERO).unwrap(), "it may come back");
    let consumer = Process::spawn(consume, (queue.clone(),)).unwrap();
    until_waiting(1, || queue.statistics().waiters.len());
    victim.kill().unwrap();
    assert_eq!(consumer.join().unwrap(), [1]);
    assert!(queue.poll(Duration::MAX).unwrap(), "the end can be got");
    assert!(matches!(queue.get(), Err(RecvError::Closed)));
    assert!(is_killed(victim.join()));
}

pub(super) fn many_at_once() {
    let queue = JoinableQueue::<u64>::unbounded().unwrap();
    (0..5000).for_each(|i| queue.put(&i).unwrap());
    let leases: Vec<_> = (0..5000).map(|_| queue.get().unwrap()).collect();
    assert_eq!((queue.len(), queue.unfinished()), (0, 5000));
    for (i, lease) in leases.into_iter().enumerate() {
        assert_eq!(*lease, i as u64);
        if i % 2 == 0 { lease.task_done().unwrap() } else { drop(lease) }
    }
    assert_eq!(queue.unfinished(), 2500);
    let mut again = 0;
    while let Some(item) = queue.try_get().unwrap() {
        assert_eq!(*item % 2, 1);
        item.task_done().unwrap();
        again += 1;
    }
    assert_eq!((again, queue.unfinished(), queue.lost()), (2500, 0, 0));
    drop(queue);
    assert_nothing_left();
}

pub(super) fn join_is_not_early() {
    // Each item puts the next one before it's finished.
    let chain = |queue: JoinableQueue<u64>| {
        while let Ok(item) = queue.get() {
            if *item > 0 {
                queue.put(&(*item - 1)).unwrap();
            }
            item.task_done().unwrap();
        }
    };
    let queue = JoinableQueue::<u64>::unbounded().unwrap();
    let worker = Process::spawn(chain, (queue.clone(),)).unwrap();
    for round in 0..200 {
        queue.put(&100).unwrap();
        queue.join().unwrap();
        assert_eq!((queue.unfinished(), queue.len()), (0, 0), "round {round}");
    }
    queue.close().unwrap();
    worker.join().unwrap();
}

pub(super) fn closed_waits_for_other_threads() {
    let queue = JoinableQueue::<u64>::unbounded().unwrap();
    queue.put(&1).unwrap();
    let lease = queue.get().unwrap();
    queue.close().unwrap();
    assert!(matches!(queue.get(), Err(RecvError::Closed)), "not for one's own");
    let waiting = queue.clone();
    let waiting = thread::spawn(move || waiting.get().unwrap().into_inner().unwrap());
    until_waiting(1, || queue.statistics().waiters.len());
    drop(lease);
    assert_eq!(waiting.join().unwrap(), 1);
    queue.join().unwrap();
}
