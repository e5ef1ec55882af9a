//! Handles in messages.

use super::*;

#[derive(Serialize, Deserialize)]
struct Order {
    name: String,
    reply: Sender<Order>,
    parts: Vec<Option<(Mutex<u64>, Event)>>,
    sealed: Option<Box<Order>>,
}

impl Order {
    fn new(name: &str, reply: &Sender<Order>) -> Order {
        let parts = vec![None, Some((Mutex::new(5).unwrap(), Event::new().unwrap()))];
        Order { name: name.into(), reply: reply.clone(), parts, sealed: None }
    }
}

pub(super) fn travel_in_messages() {
    let (sender, receiver) = channel::<Order>().unwrap();
    let (reply, replies) = channel::<Order>().unwrap();
    let work = |orders: Receiver<Order>| {
        for mut order in &orders {
            order.parts[1].as_ref().unwrap().1.set().unwrap();
            *order.parts[1].as_ref().unwrap().0.lock().unwrap() += 1;
            order.name += "!";
            let reply = order.reply.clone();
            reply.send(&order).unwrap();
        }
    };
    let process = Process::spawn(work, (receiver,)).unwrap();
    for i in 0..50 {
        let mut order = Order::new(&format!("order {i}"), &reply);
        order.sealed = Some(Box::new(Order::new(&"long ".repeat(2000), &reply)));
        sender.send(&order).unwrap();
        let back = replies.recv().unwrap();
        assert_eq!(back.name, format!("order {i}!"));
        let part = order.parts[1].as_ref().unwrap();
        assert!(part.1.is_set() && *part.0.lock().unwrap() == 6);
        assert_eq!(back.sealed.unwrap().name.len(), 10_000);
    }
    drop((sender, reply));
    process.join().unwrap();
    assert!(matches!(replies.recv(), Err(RecvError::Disconnected)));
    drop(replies);
    assert_nothing_left();
}

pub(super) fn ends_in_messages() {
    // The receiving end is on its way: nothing is lost, and nobody is disconnected.
    let (ways, arrivals) = channel::<Receiver<u32>>().unwrap();
    let (sender, receiver) = channel::<u32>().unwrap();
    sender.send(&1).unwrap();
    ways.send(&receiver).unwrap();
    drop(receiver);
    sender.send(&2).unwrap();
    let receiver = arrivals.recv().unwrap();
    assert_eq!((receiver.recv().unwrap(), receiver.recv().unwrap()), (1, 2));
    drop((ways, arrivals));
    // The sending end is on its way: it isn't the end of the stream.
    let (ways, arrivals) = channel::<Sender<u32>>().unwrap();
    ways.send(&sender).unwrap();
    drop(sender);
    assert_eq!(receiver.try_recv().unwrap(), None);
    let sender = arrivals.recv().unwrap();
    ways.send(&sender).unwrap();
    drop(sender);
    let process = Process::spawn(
        |arrivals: Receiver<Sender<u32>>| arrivals.recv().unwrap().send(&3).unwrap(),
        (arrivals,),
    );
    assert_eq!(receiver.recv().unwrap(), 3);
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    process.unwrap().join().unwrap();
    drop((ways, receiver));
    assert_nothing_left();
}

pub(super) fn of_a_killed_sender_are_received() {
    let (sender, receiver) = channel::<Vec<(Sender<u8>, Mutex<u64>)>>().unwrap();
    let (reply, replies) = channel::<u8>().unwrap();
    let send = |sender: Sender<Vec<(Sender<u8>, Mutex<u64>)>>, reply: Sender<u8>| {
        for i in 0..10 {
            sender.send(&vec![(reply.clone(), Mutex::new(i).unwrap())]).unwrap();
        }
        reply.send(&0).unwrap();
        park();
    };
    let process = Process::spawn(send, (sender, reply)).unwrap();
    assert_eq!(replies.recv().unwrap(), 0);
    process.kill().unwrap();
    assert!(is_killed(process.join()));
    procession_core::sweep().unwrap();
    for i in 0..10 {
        let (reply, mutex) = receiver.recv().unwrap().pop().unwrap();
        assert_eq!(*mutex.lock().unwrap(), i);
        reply.send(&(i as u8)).unwrap();
        assert_eq!(replies.recv().unwrap(), i as u8);
    }
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(replies.recv(), Err(RecvError::Disconnected)));
    drop((receiver, replies));
    assert_nothing_left();
}

pub(super) fn nobody_received_go_with_the_message() {
    let (sender, receiver) = channel::<Sender<u8>>().unwrap();
    let (ours, replies) = channel::<u8>().unwrap();
    (0..3).for_each(|_| sender.send(&ours).unwrap());
    drop(ours);
    let waiting = thread::spawn(move || replies.recv());
    drop(receiver);
    assert!(
        matches!(waiting.join().unwrap(), Err(RecvError::Disconnected)),
        "they went with the last receiver"
    );
    assert!(matches!(sender.send(&channel().unwrap().0), Err(SendError::Disconnected)));
    drop(sender);
    assert_nothing_left();
    // The one who could have received them is killed.
    let (sender, receiver) = channel::<Sender<u8>>().unwrap();
    let (ours, replies) = channel::<u8>().unwrap();
    let keep = |receiver: Receiver<Sender<u8>>| {
        std::mem::forget(receiver);
        park();
    };
    let process = Process::spawn(keep, (receiver,)).unwrap();
    sender.send(&ours).unwrap();
    drop(ours);
    let waiting = thread::spawn(move || replies.recv());
    process.kill().unwrap();
    assert!(is_killed(process.join()));
    // Those who send see to it, or a sweep does.
    while sender.try_send(&channel().unwrap().0).is_ok() {}
    procession_core::sweep().unwrap();
    assert!(matches!(waiting.join().unwrap(), Err(RecvError::Disconnected)));
    drop(sender);
    assert_nothing_left();
}

#[derive(Serialize, Deserialize)]
struct Loop(Vec<Receiver<Loop>>, Option<Sender<u8>>);

pub(super) fn that_only_lie_in_themselves_are_freed() {
    let (witness, ended) = channel::<u8>().unwrap();
    // Its own receiver lies in it.
    let (sender, receiver) = channel::<Loop>().unwrap();
    sender.send(&Loop(vec![receiver.clone()], Some(witness.clone()))).unwrap();
    drop(receiver);
    // Each lies in the other.
    let ((first, a), (second, b)) = (channel::<Loop>().unwrap(), channel::<Loop>().unwrap());
    first.send(&Loop(vec![b.clone()], Some(witness.clone()))).unwrap();
    second.send(&Loop(vec![a.clone()], None)).unwrap();
    drop(a);
    second.send(&Loop(vec![], None)).unwrap();
    drop(b);
    // A queue of itself.
    let queue = Queue::<Node>::unbounded().unwrap();
    queue.put(&Node(Some(queue.clone()), Some(witness))).unwrap();
    drop(queue);
    // What can be received isn't taken for such.
    let (kept, arrivals) = channel::<Receiver<Loop>>().unwrap();
    let (inner, receiver) = channel::<Loop>().unwrap();
    inner.send(&Loop(vec![receiver.clone()], None)).unwrap();
    kept.send(&receiver).unwrap();
    drop(receiver);
    // Whoever waits sees to it.
    assert!(matches!(ended.recv(), Err(RecvError::Disconnected)));
    for sender in [&sender, &first, &second] {
        assert!(matches!(sender.send(&Loop(vec![], None)), Err(SendError::Disconnected)));
    }
    let receiver = arrivals.recv().unwrap();
    assert!(receiver.recv().unwrap().0.pop().unwrap().is_empty());
    drop((kept, arrivals, inner, receiver));
    drop((sender, first, second, ended));
    assert_nothing_left();
}

#[derive(Serialize, Deserialize)]
struct Node(Option<Queue<Node>>, Option<Sender<u8>>);

pub(super) fn chains_end_without_end_of_stack() {
    let (witness, ended) = channel::<u8>().unwrap();
    let mut last = Node(None, Some(witness));
    for _ in 0..2000 {
        let queue = Queue::unbounded().unwrap();
        queue.put(&last).unwrap();
        last = Node(Some(queue), None);
    }
    assert_eq!(ended.try_recv().unwrap(), None);
    drop(last);
    assert!(matches!(ended.recv(), Err(RecvError::Disconnected)));
    drop(ended);
    assert_nothing_left();
}

thread_local! {
    static KEPT: RefCell<Option<Sender<u64>>> = const { RefCell::new(None) };
}

pub(super) fn in_thread_locals() {
    let (sender, receiver) = channel::<u64>().unwrap();
    let keeping = thread::spawn(move || {
        KEPT.set(Some(sender));
        // What this thread needs to end things is made later, and so gone earlier.
        drop(channel::<u64>().unwrap());
    });
    keeping.join().unwrap();
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    drop(receiver);
    assert_nothing_left();
}

/// A sender dies, whose messages lie in a channel whose receiver is on its way: whoever receives that gets them, also if others sweep
/// at this moment.
pub(super) fn are_received_while_others_sweep() {
    let send_and_wait = |ways: Sender<Receiver<Vec<u8>>>, sent: Event| {
        let (sender, receiver) = channel::<Vec<u8>>().unwrap();
        (0..20).for_each(|_| sender.send(&vec![7; 10_000]).unwrap());
        ways.send(&receiver).unwrap();
        sent.set().unwrap();
        park();
    };
    // Something for the sweep to walk over.
    let ballast: Vec<_> = (0..200).map(|_| channel::<u64>().unwrap()).collect();
    for round in 0..100 {
        let (ways, arrivals) = channel().unwrap();
        let sent = Event::new().unwrap();
        let process = Process::spawn(send_and_wait, (ways, sent.clone())).unwrap();
        sent.wait().unwrap();
        let sweeping = thread::spawn(move || {
            process.kill().unwrap();
            let end = Instant::now() + Duration::from_millis(6);
            while Instant::now() < end {
                procession_core::sweep().unwrap();
            }
            assert!(is_killed(process.join()));
        });
        thread::sleep(Duration::from_micros(round * 37 % 4000));
        let receiver = arrivals.recv().unwrap();
        sweeping.join().unwrap();
        assert_eq!(
            receiver.iter().filter(|message| *message == vec![7; 10_000]).count(),
            20,
            "round {round}"
        );
    }
    drop(ballast);
    assert_nothing_left();
}
