//! Dictionaries: what each operation does, what values can be, closures that go wrong, beside a model, and what many processes see.

use procession::Dict;
use procession_testing::tests;
use std::process::ExitCode;

mod accounts;
mod closures;
#[path = "../common/mod.rs"]
mod common;
mod growth;
mod handles;
mod histories;
mod linearizable;
mod memory;
#[path = "../methods/mod.rs"]
mod methods;
mod model;
mod notes;
mod operations;
mod values;
mod waiting;

fn main() -> ExitCode {
    common::begin();
    if let Ok(name) = std::env::var(memory::AT_THE_LIMIT) {
        return memory::at_the_limit(&name);
    }
    methods::adopt();
    let all = || {
        tests![
            operations::entries_come_and_go,
            operations::one_entry_is_changed,
            operations::what_is_there_is_taken_or_made,
            operations::exchanged_if_it_is_as_expected,
            operations::all_in_the_order_in_which_they_came,
            operations::many_at_once,
            operations::retained,
            operations::a_transaction,
            operations::a_transaction_that_does_nothing,
            operations::keys_of_other_types,
            operations::as_seen_by_another_process,
            values::of_any_size,
            values::keys_of_any_size,
            values::of_every_type,
            values::that_change_their_size,
            values::that_cannot_be_encoded,
            values::that_cannot_be_decoded,
            handles::lists_in_a_dict,
            handles::dicts_in_a_list,
            handles::a_queue_of_which_the_dict_has_the_last_handle,
            handles::a_dict_that_holds_itself,
            handles::in_every_operation,
            handles::not_in_keys,
            closures::a_panic_in_an_update,
            closures::a_panic_in_a_transaction,
            closures::a_panic_in_retain,
            closures::a_panic_while_something_is_made,
            closures::a_panic_of_another_process,
            closures::no_change_in_a_closure,
            closures::reading_in_a_closure,
            closures::reading_in_a_closure_while_others_change_it,
            closures::one_dict_in_a_closure_of_another,
            waiting::for_a_value,
            waiting::for_a_value_that_comes_and_goes,
            waiting::for_any_change,
            waiting::for_nothing,
            waiting::nobody_waits_for_a_stopped_process_to_read,
            waiting::who_waits_for_a_closure_is_told,
        ]
    };
    let once = tests![
        growth::to_200_000_keys_and_back,
        growth::values_of_many_sizes_and_back,
        linearizable::right_histories_are_told_from_wrong_ones,
        histories::wrong_ones_are_seen,
        histories::of_single_keys,
        histories::of_transactions_and_snapshots,
        model::random_operations_on_few_keys,
        model::random_operations_on_many_keys,
        accounts::the_sum_stays_whoever_is_killed,
        memory::every_operation_without_memory,
        memory::full_and_empty_again,
        memory::what_has_no_handles_is_taken_out_without_memory,
    ];
    procession_testing::run(methods::each(all).chain(once).chain(notes::tests()).collect())
}

/// A dictionary with these entries.
fn dict_of<V: serde::Serialize + serde::de::DeserializeOwned + 'static, const N: usize>(
    items: [(&str, V); N],
) -> Dict<String, V> {
    let dict = Dict::new().unwrap();
    dict.extend(items.map(|(key, value)| (key.to_string(), value))).unwrap();
    dict
}

/// All entries, in their order.
fn items<V: serde::Serialize + serde::de::DeserializeOwned + 'static>(
    dict: &Dict<String, V>,
) -> Vec<(String, V)> {
    dict.items().unwrap()
}

/// As `items` gives them.
fn owned<V, const N: usize>(items: [(&str, V); N]) -> Vec<(String, V)> {
    items.map(|(key, value)| (key.to_string(), value)).into()
}
