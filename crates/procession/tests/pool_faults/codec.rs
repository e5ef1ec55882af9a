//! Values that can't be encoded or decoded: the error of their task, and of no other.

use crate::works;
use procession::{Pool, TaskError};
use procession_testing::{OneWay, Stubborn};
use serde::{Serialize, de::DeserializeOwned};

const TASKS: usize = 40;
const BAD: usize = 20;

/// A value in the middle of others that are nothing.
fn at_the_bad_one<T>(number: usize, value: T) -> Option<T> {
    (number == BAD).then_some(value)
}

fn check(error: TaskError, name: &str) {
    let TaskError::Codec(error) = error else { panic!("{error}") };
    assert!(error.is_codec() && error.to_string().contains(name), "{error}");
}

/// In every call, one task has an error that names the type, and all others their values.
fn one_task_fails<A, R, F>(f: F, item: fn(usize) -> A, name: &str)
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + 'static,
    F: Fn(A) -> R + Copy + 'static,
{
    let pool = Pool::new(2).unwrap();
    let items = || (0..TASKS).map(item);
    for number in [BAD, 0] {
        match pool.apply(f, (item(number),)) {
            Ok(_) => assert_eq!(number, 0),
            Err(error) => check(error, name),
        }
    }
    check(pool.map(f, items()).map(drop).unwrap_err(), name);
    works(&pool, 2);
    match pool.map_async(f, items()) {
        Ok(result) => check(result.get().map(drop).unwrap_err(), name),
        // When it's submitted already.
        Err(error) => check(error.into(), name),
    }
    works(&pool, 2);
    let outcomes: Vec<_> = pool.imap(f, items()).map(|outcome| outcome.map(drop)).collect();
    assert_eq!(outcomes.len(), TASKS);
    for (number, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(()) => assert_ne!(number, BAD),
            Err(error) => {
                assert_eq!(number, BAD, "{error}");
                check(error, name);
            }
        }
    }
    let outcomes: Vec<_> = pool.imap_unordered(f, items()).map(|outcome| outcome.map(drop)).collect();
    assert_eq!(outcomes.len(), TASKS);
    let errors: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.into_iter().for_each(|error| check(error, name));
    works(&pool, 2);
    assert_eq!((pool.statistics().failed, pool.statistics().deaths), (0, 0));
    pool.join().unwrap();
}

pub(crate) fn arguments_that_cannot_be_encoded() {
    one_task_fails(|_: Option<Stubborn>| (), |number| at_the_bad_one(number, Stubborn), "Stubborn");
}

pub(crate) fn arguments_that_do_not_decode() {
    one_task_fails(|_: Option<OneWay>| (), |number| at_the_bad_one(number, OneWay(1)), "OneWay");
}

pub(crate) fn results_that_cannot_be_encoded() {
    one_task_fails(|number| at_the_bad_one(number, Stubborn), |number| number, "Stubborn");
}

pub(crate) fn results_that_do_not_decode() {
    one_task_fails(|number| at_the_bad_one(number, OneWay(1)), |number| number, "OneWay");
}
