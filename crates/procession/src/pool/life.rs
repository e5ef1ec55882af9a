//! The life of a worker, in its own process: it learns what it is, gets ready, and serves.

use crate::{
    codec, panics,
    task::{Initializer, verdict},
    worker,
};
use procession_core::{
    Handle, Parcel, Result, Share,
    pool::Worker,
    start::{Descriptor, Function, FunctionId, Verdict},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{any::type_name, marker::PhantomData, sync::Arc};

/// A pool's initializer and its arguments.
#[derive(Clone, Debug)]
pub(super) struct Initial {
    function: FunctionId,
    arguments: Parcel,
}

impl Initial {
    pub(super) fn new<F: Initializer<Args>, Args: Serialize + DeserializeOwned>(
        args: &Args,
    ) -> Result<Initial> {
        Ok(Initial { function: Entry::<F, Args>::DESCRIPTOR.id()?, arguments: codec::pack(args)? })
    }
}

struct Entry<F, Args>(PhantomData<(F, Args)>);

impl<F: Initializer<Args>, Args: DeserializeOwned> Entry<F, Args> {
    const DESCRIPTOR: &'static Descriptor =
        &Descriptor::new(type_name::<(Initial, F, Args)>, initialise::<F, Args>);
}

/// Runs an initializer and keeps what it returns.
fn initialise<F: Initializer<Args>, Args: DeserializeOwned>(
    arguments: &[u8],
    shares: &[Arc<Share>],
    result: &mut Parcel,
) -> Verdict {
    let made = panics::catch(|| codec::decode::<Args>(arguments, shares).map(F::call));
    match made {
        Ok(Ok(state)) => {
            worker::keep(state);
            Verdict::Value
        }
        Ok(Err(e)) => verdict(Ok(Err(e)), result),
        Err(info) => verdict(Err(info), result),
    }
}

/// What a new worker is told.
#[derive(Serialize, Deserialize)]
pub(super) struct Assignment {
    link: (u64, u64),
    index: usize,
    has_memory_limit: bool,
    /// The initializer, whose arguments follow.
    initializer: Option<[u8; 16]>,
}

impl Assignment {
    pub(super) fn new(
        link: Handle,
        index: usize,
        has_memory_limit: bool,
        initial: Option<&Initial>,
    ) -> Assignment {
        let initializer = initial.map(|initial| initial.function.to_bytes());
        Assignment { link: (link.offset, link.generation), index, has_memory_limit, initializer }
    }

    /// The argument of a worker process.
    pub(super) fn pack(&self, initial: Option<&Initial>) -> Result<Parcel> {
        let mut argument = codec::pack(self)?;
        if let Some(Initial { arguments, .. }) = initial {
            argument.bytes.extend_from_slice(&arguments.bytes);
            argument.shares.clone_from(&arguments.shares);
        }
        Ok(argument)
    }

    /// What a worker process runs.
    pub(super) fn function() -> Result<FunctionId> {
        const SERVE: &Descriptor = &Descriptor::new(type_name::<Assignment>, serve);
        SERVE.id()
    }
}

/// The life of a worker. Its result says why it didn't become ready, if it didn't.
fn serve(argument: &[u8], shares: &[Arc<Share>], result: &mut Parcel) -> Verdict {
    let mut life = || -> Result<Verdict> {
        let (assignment, arguments) = codec::decode_first::<Assignment>(argument)?;
        let (offset, generation) = assignment.link;
        worker::begin(assignment.index);
        let mut link = Worker::attach(Handle { offset, generation })?;
        if assignment.has_memory_limit {
            link.note_starvation();
        }
        if let Some(name) = assignment.initializer {
            let initializer = Function::resolve(FunctionId::parse(&name)?)?;
            let verdict = initializer.run(arguments, shares, result);
            if verdict != Verdict::Value {
                return Ok(verdict);
            }
        }
        link.serve()?;
        Ok(Verdict::Value)
    };
    match life() {
        Ok(verdict) => verdict,
        // Its pool has gone meanwhile.
        Err(e) if e.is_closed() => Verdict::Value,
        Err(e) => {
            eprintln!("procession: a worker of a pool ends: {e}");
            Verdict::refuse(&e, result)
        }
    }
}
