//! Channels and pipes.

use super::*;
use procession_testing::Rng;

pub(super) fn twenty_messages_until_the_end_of_the_stream() {
    let (ours, theirs) = pipe::<String>().unwrap();
    let eater =
        Process::spawn(|dishes: Connection<String>| dishes.iter().collect::<Vec<_>>(), (theirs,)).unwrap();
    let dishes: Vec<String> = (0..20).map(|i| format!("dish {i}")).collect();
    dishes.iter().for_each(|dish| ours.send(dish).unwrap());
    drop(ours);
    assert_eq!(eater.join().unwrap(), dishes);
    assert_nothing_left();
}

pub(super) fn one_producer_three_consumers_no_lock_no_sentinel() {
    let (sender, receiver) = channel::<u64>().unwrap();
    let eat = |food: Receiver<u64>| food.iter().collect::<Vec<_>>();
    let eaters: Vec<_> = (0..3).map(|_| Process::spawn(eat, (receiver.clone(),)).unwrap()).collect();
    drop(receiver);
    let cook = |food: Sender<u64>| (0..10_000).for_each(|i| food.send(&i).unwrap());
    let cook = Process::spawn(cook, (sender,)).unwrap();
    let mut eaten = Vec::new();
    for eater in eaters {
        let by_one = eater.join().unwrap();
        assert!(by_one.is_sorted(), "in order");
        eaten.extend(by_one);
    }
    cook.join().unwrap();
    eaten.sort_unstable();
    assert_eq!(eaten, (0..10_000).collect::<Vec<_>>(), "each of them once");
    assert_nothing_left();
}

pub(super) fn both_directions() {
    let (ours, theirs) = duplex::<u32, String>().unwrap();
    let work = |asks: Connection<String, u32>| asks.iter().for_each(|n| asks.send(&n.to_string()).unwrap());
    let other = Process::spawn(work, (theirs,)).unwrap();
    for i in 0..1000 {
        ours.send(&i).unwrap();
        assert_eq!(ours.recv().unwrap(), i.to_string());
    }
    let (sender, receiver) = ours.split();
    drop(sender);
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    other.join().unwrap();
    drop(receiver);
    assert_nothing_left();
}

/// Ways in which a process ends while it has something.
const WAYS: [fn(); 3] = [|| (), || std::process::exit(0), || panic_quietly()];

fn panic_quietly() {
    std::panic::resume_unwind(Box::new("on purpose"))
}

fn leave(way: usize) {
    match WAYS.get(way) {
        Some(way) => way(),
        None => park(),
    }
}

pub(super) fn the_end_is_seen_however_the_last_sender_goes() {
    for way in 0..=WAYS.len() {
        let (sender, receiver) = channel::<usize>().unwrap();
        let send = |sender: Sender<usize>, way: usize| {
            sender.send(&way).unwrap();
            // Whatever happens to this process, it doesn't drop it.
            std::mem::forget(sender.clone());
            leave(way);
        };
        let process = Process::spawn(send, (sender.clone(), way)).unwrap();
        assert_eq!(receiver.recv().unwrap(), way);
        let waiting = receiver.clone();
        let waiting = thread::spawn(move || waiting.recv());
        drop(sender);
        if way == WAYS.len() {
            until_waiting(1, || receiver.statistics().waiters.len());
            process.kill().unwrap();
        }
        assert!(matches!(waiting.join().unwrap(), Err(RecvError::Disconnected)));
        assert!(matches!(receiver.try_recv(), Err(RecvError::Disconnected)));
        let _ = process.join();
        drop(receiver);
        assert_nothing_left();
    }
}

pub(super) fn the_last_receiver_is_missed_however_it_goes() {
    for way in 0..=WAYS.len() {
        let (sender, receiver) = channel_with::<usize>(4096).unwrap();
        let receive = |receiver: Receiver<usize>, way: usize| {
            assert_eq!(receiver.recv().unwrap(), way);
            std::mem::forget(receiver.clone());
            leave(way);
        };
        let process = Process::spawn(receive, (receiver, way)).unwrap();
        sender.send(&way).unwrap();
        if way == WAYS.len() {
            until_waiting(0, || sender.len());
            while sender.try_send(&7).unwrap() {}
            let waiting = sender.clone();
            let waiting = thread::spawn(move || waiting.send(&7));
            until_waiting(1, || sender.statistics().waiters.len());
            process.kill().unwrap();
            assert!(matches!(waiting.join().unwrap(), Err(SendError::Disconnected)));
        } else {
            while sender.send(&7).is_ok() {}
        }
        assert!(matches!(sender.send(&7), Err(SendError::Disconnected)));
        let _ = process.join();
        drop(sender);
        assert_nothing_left();
    }
}

pub(super) fn messages_of_any_size_arrive_in_order() {
    fn sizes() -> impl Iterator<Item = usize> {
        let mut rng = Rng::from_seed(7);
        let edges =
            [0, 1, 7, 8, 9, 100, 4091, 4092, 4093, 4095, 4096, 4097, 5000, 8192, 65_536, 1 << 20, 9 << 20];
        (0..3000).map(move |i| edges.get(i % 200).copied().unwrap_or(rng.below(6000)))
    }
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    let check = |receiver: Receiver<Vec<u8>>| {
        for (i, size) in sizes().enumerate() {
            let message = receiver.recv().unwrap();
            assert!(message.len() == size && message.iter().all(|byte| *byte == i as u8), "message {i}");
        }
        assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    };
    let process = Process::spawn(check, (receiver,)).unwrap();
    for (i, size) in sizes().enumerate() {
        sender.send(&vec![i as u8; size]).unwrap();
    }
    drop(sender);
    process.join().unwrap();
    assert_nothing_left();
}

pub(super) fn a_full_channel_waits() {
    let (sender, receiver) = channel_with::<[u8; 32]>(4096).unwrap();
    let mut sent = 0;
    while sender.try_send(&[sent; 32]).unwrap() {
        sent += 1;
    }
    assert!(sent > 30 && !sender.send_timeout(&[0; 32], SOON).unwrap());
    let waiting = sender.clone();
    let waiting = thread::spawn(move || waiting.send(&[200; 32]).unwrap());
    until_waiting(1, || sender.statistics().waiters.len());
    for i in 0..sent {
        assert_eq!(receiver.recv().unwrap(), [i; 32]);
    }
    assert_eq!(receiver.recv().unwrap(), [200; 32]);
    waiting.join().unwrap();
    // By bytes as well, for what lies outside of the ring; but one message always goes.
    let huge = vec![1_u8; 1 << 20];
    let mut sent = 0;
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    while sender.try_send(&huge).unwrap() {
        sent += 1;
    }
    assert!((2..8).contains(&sent), "{sent} MiB");
    (0..sent).for_each(|_| assert_eq!(receiver.recv().unwrap(), huge));
    assert!(sender.try_send(&vec![1; 100 << 20]).unwrap());
    assert_eq!(receiver.recv().unwrap().len(), 100 << 20);
}

pub(super) fn bytes_and_in_place() {
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    for size in [0, 1, 100, 5000, 1 << 20] {
        let mut message = sender.reserve(size).unwrap();
        message.fill(9);
        message.commit().unwrap();
        sender.send_bytes(&vec![8; size]).unwrap();
        sender.send(&vec![7; size]).unwrap();
        drop(sender.reserve(size).unwrap());
        let received = receiver.recv_in_place().unwrap();
        assert!(received.len() == size && received.iter().all(|byte| *byte == 9));
        assert_eq!(receiver.recv_bytes().unwrap(), vec![8; size]);
        assert_eq!(*receiver.recv_in_place().unwrap(), vec![7; size]);
    }
    assert!(receiver.is_empty());
    // Without waiting, and for a while.
    let (near, far) = pipe::<u8>().unwrap();
    assert!(near.try_recv_bytes().unwrap().is_none() && near.recv_bytes_timeout(SOON).unwrap().is_none());
    for size in [3, 1 << 20] {
        assert!(
            far.try_send_bytes(&vec![1; size]).unwrap()
                && far.send_bytes_timeout(&vec![2; size], SOON).unwrap()
        );
        assert_eq!(near.try_recv_bytes().unwrap().unwrap(), vec![1; size]);
        assert_eq!(near.recv_bytes_timeout(Duration::MAX).unwrap().unwrap(), vec![2; size]);
    }
    while far.try_send_bytes(&[0; 1 << 20]).unwrap() {}
    assert!(!far.send_bytes_timeout(&[0; 1 << 20], SOON).unwrap(), "it's full");
    drop(near);
    assert!(matches!(far.try_send_bytes(&[]), Err(SendError::Disconnected)));
    drop(far);
    let message = sender.reserve(1 << 20).unwrap();
    message.commit().unwrap();
    let received = receiver.recv_in_place().unwrap();
    drop((sender, receiver));
    assert_eq!(received.len(), 1 << 20, "also after its channel");
    drop(received);
    assert_nothing_left();
}

pub(super) fn try_timeout_and_poll() {
    let (sender, receiver) = channel::<u8>().unwrap();
    assert!(!receiver.poll(Duration::ZERO).unwrap() && !receiver.poll(SOON).unwrap());
    assert_eq!((receiver.try_recv().unwrap(), receiver.recv_timeout(SOON).unwrap()), (None, None));
    sender.send(&1).unwrap();
    assert!(receiver.poll(Duration::ZERO).unwrap() && receiver.len() == 1 && !sender.is_empty());
    assert_eq!(receiver.try_recv().unwrap(), Some(1));
    drop(sender);
    assert!(receiver.poll(Duration::MAX).unwrap(), "the end can be received");
    assert!(matches!(receiver.recv_timeout(SOON), Err(RecvError::Disconnected)));
    // One who polls is no obstacle for one who receives.
    let (sender, receiver) = channel::<u8>().unwrap();
    for i in 0..100 {
        let (polling, receiving) = (receiver.clone(), receiver.clone());
        let polling = thread::spawn(move || while !polling.poll(Duration::MAX).unwrap() {});
        let receiving = thread::spawn(move || receiving.recv().unwrap());
        if i % 2 == 0 {
            until_waiting(2, || receiver.statistics().waiters.len());
        }
        sender.send(&i).unwrap();
        assert_eq!(receiving.join().unwrap(), i);
        sender.send(&0).unwrap();
        polling.join().unwrap();
        receiver.recv().unwrap();
    }
}

pub(super) fn within_one_process() {
    let (sender, receiver) = channel::<(usize, usize, String)>().unwrap();
    const EACH: usize = 2000;
    let mut counts = vec![0; 4];
    thread::scope(|scope| {
        for i in 0..4 {
            let sender = sender.clone();
            scope.spawn(move || (0..EACH).for_each(|j| sender.send(&(i, j, "x".repeat(j))).unwrap()));
        }
        drop(sender);
        let receivers: Vec<_> = (0..3).map(|_| scope.spawn(|| receiver.iter().collect::<Vec<_>>())).collect();
        for receiver in receivers {
            for (i, j, text) in receiver.join().unwrap() {
                assert_eq!(text.len(), j);
                counts[i] += 1;
            }
        }
    });
    assert_eq!(counts, [EACH; 4]);
    drop(receiver);
    assert_nothing_left();
}

pub(super) fn a_stopped_peer_is_no_dead_one() {
    let (sender, receiver) = channel::<u8>().unwrap();
    let send = |sender: Sender<u8>| {
        sender.send(&1).unwrap();
        park();
    };
    let process = Process::spawn(send, (sender,)).unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
    procession_testing::stop(process.pid()).unwrap();
    assert_eq!(receiver.recv_timeout(Duration::from_millis(700)).unwrap(), None);
    process.kill().unwrap();
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    assert!(is_killed(process.join()));
}

pub(super) fn who_is_killed_asleep_takes_nothing_along() {
    let (sender, receiver) = channel::<u32>().unwrap();
    let receive = |receiver: Receiver<u32>| receiver.iter().map(u64::from).sum::<u64>();
    let survivor = Process::spawn(receive, (receiver.clone(),)).unwrap();
    let mut sum = 0;
    for i in 0..20 {
        let victim = Process::spawn(receive, (receiver.clone(),)).unwrap();
        until_waiting(2, || receiver.statistics().waiters.len());
        victim.kill().unwrap();
        if i % 2 == 0 {
            assert!(is_killed(victim.join()));
        }
        // The other one gets it, or the victim that has just been killed does.
        sender.send(&i).unwrap();
        until_waiting(0, || receiver.len());
        sum += u64::from(i);
    }
    drop((sender, receiver));
    assert_eq!(survivor.join().unwrap(), sum);
}

pub(super) fn killed_in_the_middle_of_64_mebibytes() {
    let queue = Queue::<Vec<u8>>::unbounded().unwrap();
    let put = |queue: Queue<Vec<u8>>, started: Event| -> () {
        let huge = vec![7; 64 << 20];
        started.set().unwrap();
        loop {
            queue.put(&huge).unwrap();
        }
    };
    let get = |queue: Queue<Vec<u8>>| -> () {
        loop {
            let huge = queue.get().unwrap();
            assert!(huge.len() == 64 << 20 || huge.len() == 3);
        }
    };
    for wait in 0..4 {
        let started = Event::new().unwrap();
        let getter = Process::spawn(get, (queue.clone(),)).unwrap();
        let putter = Process::spawn(put, (queue.clone(), started.clone())).unwrap();
        started.wait().unwrap();
        thread::sleep(Duration::from_millis(5 * wait));
        putter.kill().unwrap();
        assert!(is_killed(putter.join()));
        // Everybody else goes on.
        for _ in 0..100 {
            queue.put(&vec![1, 2, 3]).unwrap();
        }
        until_waiting(0, || queue.len());
        getter.kill().unwrap();
        assert!(is_killed(getter.join()));
        queue.put(&vec![4]).unwrap();
        assert_eq!(queue.get().unwrap(), [4]);
    }
    drop(queue);
    assert_nothing_left();
}

/// While one drops the last receiver of a full channel, another drops the last sender and makes a new channel, in the same place.
pub(super) fn an_end_that_goes_leaves_the_next_channel_alone() {
    for round in 0..500 {
        let (sender, receiver) = channel_with::<Vec<u8>>(1 << 20).unwrap();
        (0..60).for_each(|_| sender.send(&vec![1; 5000]).unwrap());
        let dropping = thread::spawn(move || drop(receiver));
        while sender.try_send(&vec![1]).is_ok() {}
        drop(sender);
        let (sender, receiver) = channel::<u64>().unwrap();
        (0..100).for_each(|i| assert!(sender.try_send(&i).unwrap()));
        dropping.join().unwrap();
        (0..100).for_each(|i| assert_eq!(receiver.try_recv().unwrap(), Some(i), "round {round}"));
    }
    assert_nothing_left();
}
