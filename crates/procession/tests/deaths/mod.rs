//! Deaths at a step that matters only in a certain situation.

use procession::{
    Event, Process, TaskError,
    kill_point::{self, KillPoint},
};

pub(crate) mod managers;
pub(crate) mod streams;

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
    let alone = Event::new().unwrap();
    let death = Death { point: point.name().to_string(), passes, alone: alone.clone() };
    let process = Process::spawn(f, (argument, death)).unwrap();
    alone.set().unwrap();
    let TaskError::Died(status) = process.join().unwrap_err() else { panic!("it never came there") };
    assert_eq!(status.signal(), Some(9));
}
