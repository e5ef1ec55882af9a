//! What a process leaves that dies in a transaction over several shards, long after its death has been dealt with.

use super::{Death, collections::assert_nothing_left, die_in};
use procession::{Dict, Sender, channel, kill_point::KillPoint};

/// What a decided transaction of a dead one replaced goes when somebody carries it out, though all the dead have been swept by then.
pub(crate) fn what_a_dead_transaction_replaced_is_freed_without_another_death() {
    type Senders = Dict<u32, Option<Sender<u64>>>;
    let take_out = |senders: Senders, death: Death| {
        death.arm();
        let keys: Vec<u32> = (0..20).collect();
        let keys: Vec<&u32> = keys.iter().collect();
        senders.transaction(&keys, |view| keys.iter().for_each(|key| drop(view.insert(*key, None)))).unwrap();
    };
    for point in [KillPoint::MapAfterDecision, KillPoint::MapAfterApply, KillPoint::MapAfterWithdrawal] {
        let senders: Senders = Dict::new().unwrap();
        let (sender, receiver) = channel::<u64>().unwrap();
        (0..20).for_each(|key| drop(senders.insert(&key, &Some(sender.clone()))));
        drop(sender);
        die_in(take_out, senders.clone(), point, 0);
        procession_core::sweep().unwrap();
        assert!(senders.values().unwrap().iter().all(Option::is_none), "{}", point.name());
        assert!(receiver.recv().is_err(), "the end of the stream");
        drop((senders, receiver));
        assert_nothing_left(point.name());
    }
}

/// What a dead one's transaction left is freed with the dictionary as well, though nobody used that since, and all the dead have been swept
/// by then.
pub(crate) fn what_a_dead_transaction_left_goes_with_its_dictionary() {
    let change = |dict: Dict<u32, u32>, death: Death| {
        death.arm();
        let keys: Vec<u32> = (0..20).collect();
        let keys: Vec<&u32> = keys.iter().collect();
        dict.transaction(&keys, |view| keys.iter().for_each(|key| _ = view.insert(*key, 7))).unwrap();
    };
    for point in [
        KillPoint::MapAfterIntent,
        KillPoint::MapAfterDecision,
        KillPoint::MapAfterApply,
        KillPoint::MapAfterWithdrawal,
    ] {
        let dict: Dict<u32, u32> = Dict::new().unwrap();
        (0..20).for_each(|key| drop(dict.insert(&key, &key)));
        die_in(change, dict.clone(), point, 0);
        procession_core::sweep().unwrap();
        drop(dict);
        assert_nothing_left(point.name());
    }
}
