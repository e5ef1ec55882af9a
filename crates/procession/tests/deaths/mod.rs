//! Deaths at a step that matters only in a certain situation.

use procession::{
    Event, Process, TaskError,
    kill_point::{self, KillPoint},
};

pub(crate) mod closures;
pub(crate) mod collections;
pub(crate) mod managers;
pub(crate) mod streams;
pub(crate) mod transactions;

/// Where a process is to die.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Death {
    point: String,
    passes: usize,
    /// Set when its starter has let go of what it gave away.
    alone: Event,
}

impl Death {
    pub(crate) fn arm(&self) {
        self.alone.wait().unwrap();
        let point = KillPoint::ALL.iter().find(|point| point.name() == self.point);
        kill_point::arm(*point.unwrap(), self.passes);
    }
}

/// `f` in a process that dies at the point, after it has passed it so often.
pub(crate) fn die_in<A>(
    f: impl procession::Task<(A, Death), Output = ()>,
    argument: A,
    point: KillPoint,
    passes: usize,
) where
    A: serde::Serialize + serde::de::DeserializeOwned,
{
    assert!(dies_in(f, argument, point, passes), "it never came to {}", point.name());
}

/// The same, if it comes there: whether it did.
pub(crate) fn dies_in<A>(
    f: impl procession::Task<(A, Death), Output = ()>,
    argument: A,
    point: KillPoint,
    passes: usize,
) -> bool
where
    A: serde::Serialize + serde::de::DeserializeOwned,
{
    let alone = Event::new().unwrap();
    let death = Death { point: point.name().to_string(), passes, alone: alone.clone() };
    let process = Process::spawn(f, (argument, death)).unwrap();
    alone.set().unwrap();
    match process.join() {
        Ok(()) => false,
        Err(TaskError::Died(status)) => {
            assert_eq!(status.signal(), Some(9));
            true
        }
        Err(e) => panic!("{e}"),
    }
}
