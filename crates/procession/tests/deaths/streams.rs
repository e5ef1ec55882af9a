//! Of streams.

use super::{Death, die_in};
use procession::{
    JoinableQueue, Process, Receiver, RecvError, Selector, Sender, channel, channel_with,
    kill_point::KillPoint,
};

pub(crate) fn a_message_that_was_taken_and_not_leased_is_had_by_another() {
    let queue = JoinableQueue::<u64>::unbounded().unwrap();
    queue.put(&7).unwrap();
    let get = |queue: JoinableQueue<u64>, death: Death| {
        death.arm();
        let _lease = queue.get();
    };
    die_in(get, queue.clone(), KillPoint::RingAfterRetire, 0);
    assert_eq!(queue.unfinished(), 1);
    assert_eq!(queue.get().unwrap().into_inner().unwrap(), 7);
    queue.join().unwrap();
    // If it may be had only once, it's lost.
    let queue = JoinableQueue::builder().redeliver(0).build::<u64>().unwrap();
    queue.put(&7).unwrap();
    die_in(get, queue.clone(), KillPoint::RingAfterRetire, 0);
    assert!(queue.join().unwrap_err().is_lost());
}

pub(crate) fn what_a_dead_creator_left_is_freed_once() {
    // A chunk of blocks of that size lies before those of streams.
    let sizes = (40..90).map(|n| vec![0_u8; n * 50]);
    sizes.for_each(|bytes| Process::spawn(|_: Vec<u8>| (), (bytes,)).unwrap().join().unwrap());
    let (sender, receiver) = channel_with::<Vec<u8>>(4096).unwrap();
    let make = |(), death: Death| {
        death.arm();
        drop(channel::<u64>());
    };
    // The third object that is published is the stream.
    die_in(make, (), KillPoint::ObjectBeforePublish, 2);
    procession_core::sweep().unwrap();
    let mut mine = sender.reserve(3500).unwrap();
    mine.fill(0xAB);
    die_in(make, (), KillPoint::BlockAfterTag, 0);
    procession_core::sweep().unwrap();
    let mut other = sender.reserve(3500).unwrap();
    other.fill(0xCD);
    assert!(mine.iter().all(|byte| *byte == 0xAB));
    drop((mine, other, receiver));
}

pub(crate) fn messages_go_although_who_frees_them_dies() {
    let (sender, receiver) = channel::<Sender<u64>>().unwrap();
    let (inner, replies) = channel::<u64>().unwrap();
    sender.send(&inner).unwrap();
    drop(inner);
    let end = |receiver: Receiver<Sender<u64>>, death: Death| {
        death.arm();
        drop(receiver);
    };
    die_in(end, receiver, KillPoint::StreamBeforeEnd, 0);
    drop(sender);
    assert!(matches!(replies.recv(), Err(RecvError::Disconnected)));
    drop(replies);
    // Or in the middle of it: the sender lives.
    let (sender, receiver) = channel::<Sender<u64>>().unwrap();
    let (inner, replies) = channel::<u64>().unwrap();
    sender.send(&inner).unwrap();
    drop(inner);
    die_in(end, receiver, KillPoint::RingAfterRetire, 0);
    assert!(matches!(replies.recv(), Err(RecvError::Disconnected)));
    drop((sender, replies));
    procession_core::sweep().unwrap();
    let audit = procession_core::audit().unwrap();
    assert_eq!((audit.objects.len(), audit.references, audit.blocks), (0, 0, 0), "{audit:?}");
}

pub(crate) fn who_selects_sees_what_a_dead_one_gave_back() {
    let queue = JoinableQueue::<u64>::unbounded().unwrap();
    queue.put(&1).unwrap();
    let give_back = |queue: JoinableQueue<u64>, death: Death| {
        let lease = queue.get();
        death.arm();
        drop(lease);
    };
    die_in(give_back, queue.clone(), KillPoint::LeaseAfterReturn, 0);
    let mut selector = Selector::new();
    selector.add(&queue).unwrap();
    assert_eq!(selector.wait().unwrap(), 0);
    assert_eq!(queue.get().unwrap().into_inner().unwrap(), 1);
}
