//! Channels, pipes and queues: what each does, also as Python documents it of its own.

use common::{assert_nothing_left, park, until_waiting};
use procession::{
    Connection, Event, JoinableQueue, Lease, Mutex, Pool, Process, Queue, Receiver, RecvError, Selector,
    SendError, Sender, TaskError, channel, channel_with, duplex, pipe,
};
use procession_testing::tests;
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_millis(20);

mod bad_input;
mod channels;
#[path = "../common/mod.rs"]
mod common;
mod handles;
mod joinable;
#[path = "../methods/mod.rs"]
mod methods;
mod queues;
mod selecting;

fn main() -> ExitCode {
    common::begin();
    if std::env::var_os(bad_input::AT_THE_LIMIT).is_some() {
        bad_input::at_the_limit();
        return ExitCode::SUCCESS;
    }
    methods::adopt();
    let all = || {
        tests![
            channels::twenty_messages_until_the_end_of_the_stream,
            channels::one_producer_three_consumers_no_lock_no_sentinel,
            channels::both_directions,
            channels::the_end_is_seen_however_the_last_sender_goes,
            channels::the_last_receiver_is_missed_however_it_goes,
            channels::messages_of_any_size_arrive_in_order,
            channels::a_full_channel_waits,
            channels::bytes_and_in_place,
            channels::try_timeout_and_poll,
            channels::within_one_process,
            channels::a_stopped_peer_is_no_dead_one,
            channels::who_is_killed_asleep_takes_nothing_along,
            channels::killed_in_the_middle_of_64_mebibytes,
            channels::an_end_that_goes_leaves_the_next_channel_alone,
            handles::travel_in_messages,
            handles::ends_in_messages,
            handles::of_a_killed_sender_are_received,
            handles::nobody_received_go_with_the_message,
            handles::that_only_lie_in_themselves_are_freed,
            handles::chains_end_without_end_of_stack,
            handles::in_thread_locals,
            handles::are_received_while_others_sweep,
            queues::by_many_to_many,
            queues::bounds_are_exact,
            queues::long_items_are_limited_while_the_ring_grows,
            queues::unbounded_grows_and_shrinks,
            queues::many_at_a_time,
            queues::of_many_none_is_lost_by_an_error,
            queues::closed,
            queues::a_queue_of_queues,
            queues::through_a_pool,
            joinable::all_are_finished,
            joinable::of_a_dead_consumer_go_to_another,
            joinable::lost_ones_are_reported,
            joinable::given_back_by_a_panic,
            joinable::with_handles_again,
            joinable::closed_waits_for_what_may_come_back,
            joinable::many_at_once,
            joinable::join_is_not_early,
            joinable::closed_waits_for_other_threads,
            selecting::the_first_of_several,
            selecting::a_wake_up_is_passed_on,
            selecting::futures,
            selecting::wakers_that_misbehave,
            selecting::a_future_that_is_not_polled_is_no_obstacle,
            selecting::descriptors,
            bad_input::is_refused_and_nothing_lost,
            bad_input::limits,
            bad_input::no_more_memory,
            bad_input::after_the_end,
        ]
    };
    procession_testing::run(methods::each(all).collect())
}

fn is_killed<R: std::fmt::Debug>(outcome: Result<R, TaskError>) -> bool {
    matches!(outcome, Err(TaskError::Died(status)) if status.signal() == Some(9))
}
