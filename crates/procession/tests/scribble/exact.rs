//! Certain bytes that are scribbled over, and what exactly comes of that.

use super::scribble::{
    arena::{Arena, CHUNK},
    blocks::{DICT, RAW},
    world::see,
};
use procession::{Dict, Event, JoinableQueue, RecvError, Sender, channel};
use std::{
    pin::pin,
    task::{Context, Waker},
};

fn assert_corrupted<T>(result: Result<T, RecvError>) {
    match result {
        Err(RecvError::Failed(error)) => assert!(error.is_corrupted(), "{error}"),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("there was something to receive"),
    }
}

/// Two who had the same message in place would see it written and freed by each other.
pub(crate) fn a_message_is_received_once() {
    let (sender, receiver) = channel::<Vec<u8>>().unwrap();
    (1..=3).for_each(|i| sender.send(&vec![i; 9000]).unwrap());
    let arena = Arena::open();
    let names = arena.places().names;
    arena.copy(names[0].0, names[1].0, 24);
    let first = receiver.recv_in_place().unwrap();
    assert_corrupted(receiver.recv_in_place());
    let third = receiver.recv_in_place().unwrap();
    let more = sender.reserve(9000).map(|mut more| {
        more.fill(4);
        more
    });
    assert!(first.iter().all(|byte| *byte == 1) && third.iter().all(|byte| *byte == 3));
    drop(more);
}

/// An object isn't freed under the handle of one because another message lists that as well.
pub(crate) fn a_handle_is_received_once() {
    let (sender, receiver) = channel::<Event>().unwrap();
    let tasks = JoinableQueue::<Event>::unbounded().unwrap();
    (0..2).for_each(|_| sender.send(&Event::new().unwrap()).unwrap());
    (0..2).for_each(|_| tasks.put(&Event::new().unwrap()).unwrap());
    let arena = Arena::open();
    let names = arena.places().names;
    // The list begins behind stamp and number.
    (1..4).for_each(|i| arena.copy(names[0].1 + 16, names[i].1 + 16, 16));
    let event = receiver.recv().unwrap();
    assert_corrupted(receiver.recv());
    // Borrowed, and given back.
    tasks.get().unwrap().task_done().unwrap();
    drop((sender, receiver, tasks));
    procession_core::sweep().unwrap();
    assert_eq!(
        procession::audit().unwrap().objects.get("Event"),
        Some(&4),
        "those that are not received leak"
    );
    event.set().unwrap();
}

/// Somebody who lives has the lock for ever, and each of many entries seems to need it.
pub(crate) fn a_try_ends_whoever_has_the_lock() {
    let tasks = JoinableQueue::<u64>::unbounded().unwrap();
    (0..1500).for_each(|i| tasks.put(&i).unwrap());
    let mut leases: Vec<_> = (0..1500).map(|_| tasks.get().unwrap()).collect();
    tasks.put(&1).unwrap();
    drop(leases.pop());
    let arena = Arena::open();
    let places = arena.places();
    // Claimed by nobody.
    places.tables.iter().step_by(5).for_each(|state| arena.write(*state, 1 << 38));
    arena.write(places.locks[1], arena.tag(0));
    // The one that was given back.
    assert!(tasks.try_get().is_ok());
    assert!(!tasks.join_timeout(std::time::Duration::ZERO).unwrap() && tasks.unfinished() > 0);
}

/// What is made of the same record is not for those who wait.
pub(crate) fn a_lock_that_is_never_released_goes_with_its_stream() {
    for lock in [0, 1] {
        let (sender, receiver) = channel::<u64>().unwrap();
        let arena = Arena::open();
        let places = arena.places();
        arena.write(places.locks[places.locks.len() - 2 + lock], arena.tag(0));
        drop((sender, receiver));
        let (sender, receiver): (Sender<u64>, _) = channel().unwrap();
        sender.send(&7).unwrap();
        assert_eq!(receiver.recv().unwrap(), 7);
    }
}

/// A future that gets nowhere doesn't keep its executor.
pub(crate) fn a_poll_ends_whoever_has_the_lock() {
    let (sender, receiver) = channel::<u64>().unwrap();
    sender.send(&7).unwrap();
    let arena = Arena::open();
    arena.write(arena.places().locks[1], arena.tag(0));
    assert!(receiver.try_recv().unwrap().is_none());
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(receiver.recv_async()).poll(&mut context).is_pending());
}

/// Whoever takes the locks of several shards would wait for himself.
pub(crate) fn two_shards_in_one_place_are_no_deadlock() {
    let dict = Dict::<u64, u64>::new().unwrap();
    // The first and the second group of shards are there.
    dict.extend((0..20_000).map(|i| (i, i))).unwrap();
    let arena = Arena::open();
    let blocks = arena.blocks();
    let record = blocks.iter().find(|block| block.kind == DICT).expect("a dict");
    let is_group = |at: &u64| {
        let offset = arena.read(*at);
        blocks.iter().any(|block| block.offset == offset && block.kind == RAW && block.size == 1024)
    };
    let groups: Vec<u64> =
        (0..record.size / 8).map(|word| record.offset + word * 8).filter(is_group).take(2).collect();
    arena.write(groups[1], arena.read(groups[0]));
    assert!(dict.items().unwrap_err().is_corrupted());
    assert!(dict.clear().unwrap_err().is_corrupted());
    let keys: Vec<u64> = (0..5000).collect();
    let keys: Vec<&u64> = keys.iter().collect();
    assert!(dict.transaction(&keys, |_| ()).unwrap_err().is_corrupted());
    // It wants to become smaller.
    for key in 0..20_000 {
        let _ = dict.remove(&key);
    }
}

/// A block that seems to be larger than all there is would get memory by being read.
pub(crate) fn no_block_reaches_behind_what_is_committed() {
    let dict = Dict::<u64, Vec<u8>>::new().unwrap();
    dict.insert(&1, &vec![1; 200_000]).unwrap();
    let arena = Arena::open();
    let is_large = |chunk: &u64| arena.read(arena.entry(*chunk)) & 0xff == 3;
    let chunk = (0..arena.chunks()).find(is_large).expect("a large value has a block of its own");
    let blocks = arena.blocks();
    let blocks = blocks.iter().filter(|block| block.kind == RAW);
    let words = blocks.flat_map(|block| (0..block.size / 8).map(|word| block.offset + word * 8));
    let names: Vec<u64> = words.filter(|at| arena.read(*at) == arena.chunk(chunk)).collect();
    assert_eq!(names.len(), 1, "its cell has its place, and behind that its length");
    const CHUNKS: u64 = (1 << 30) / CHUNK;
    arena.write(names[0] + 8, CHUNKS * CHUNK);
    arena.write(arena.entry(chunk), 3 | CHUNKS << 32);
    assert!(dict.get(&1).unwrap_err().is_corrupted());
}

/// Numbers of entries go on, whatever they have come to.
pub(crate) fn a_map_has_had_as_many_entries_as_there_are_numbers() {
    let dict = Dict::<u64, u64>::new().unwrap();
    let arena = Arena::open();
    let blocks = arena.blocks();
    let record = blocks.iter().find(|block| block.kind == DICT).expect("a dict");
    // On a line of its own.
    let lines = || (1..record.size / 64).map(|line| record.offset + line * 64);
    let before: Vec<u64> = lines().map(|at| arena.read(at)).collect();
    dict.insert(&1, &1).unwrap();
    let changed: Vec<u64> =
        lines().zip(before).filter(|(at, before)| arena.read(*at) != *before).map(|(at, _)| at).collect();
    assert_eq!(changed.len(), 1, "one word counts entries");
    arena.write(changed[0], u64::MAX);
    dict.transaction(&[&2, &3, &4], |view| (2..5).for_each(|key| see(view.insert(&key, key)))).unwrap();
    assert_eq!(dict.get_many(&[&1, &2, &3, &4]).unwrap(), [Some(1), Some(2), Some(3), Some(4)]);
}
