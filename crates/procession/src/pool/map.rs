//! Mapping a function over items: the calling thread encodes, hands out, collects and decodes.

use super::{
    arrivals::{Arrivals, InOrder, Values},
    batch::{BatchBuilder, Kind},
    options::Call,
    plan,
};
use crate::{TaskError, task::Task};
use procession_core::{Deadline, Result, pool::Link};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Reads items into a batch: until there are so many, or it's full, or there are no more.
///
/// # Errors
///
/// An item can't be encoded. The ones before it are in the batch.
pub(super) fn fill<A>(
    batch: &mut BatchBuilder,
    items: &mut impl Iterator<Item = A>,
    wanted: usize,
    push: impl Fn(&mut BatchBuilder, A) -> Result<()>,
) -> Result<()> {
    while batch.len() < wanted && batch.size() < Link::BATCH_BYTES {
        match items.next() {
            Some(item) => push(batch, item)?,
            None => break,
        }
    }
    Ok(())
}

impl Call<'_> {
    /// Reads the next items into a batch, after so many; it's empty if there are no more.
    ///
    /// # Errors
    ///
    /// An item can't be encoded.
    pub(super) fn read<A: Serialize>(
        &self,
        items: &mut impl Iterator<Item = A>,
        submitted: usize,
    ) -> Result<BatchBuilder> {
        // Of an iterator that doesn't know its length, about as much is expected as has come.
        let expected = items.size_hint().0.max(submitted);
        let wanted = self.chunk.unwrap_or_else(|| plan::batch_len(expected, self.engine.width()));
        let mut batch = BatchBuilder::new(self.limits);
        fill(&mut batch, items, self.engine.portion(wanted), |batch, item| batch.push(&item))?;
        Ok(batch)
    }
}

/// Runs `F` on all items; see `Pool::map`.
pub(super) fn map<F, Args>(
    mut call: Call<'_>,
    items: impl Iterator<Item = Args>,
) -> Result<Vec<F::Output>, TaskError>
where
    F: Task<Args>,
    Args: Serialize + DeserializeOwned,
{
    let engine = call.engine;
    engine.check_open()?;
    let arrivals = Arc::new(Arrivals::default());
    let kind = Kind::new::<F, Args>(call.limits, arrivals.clone())?;
    let mut items = items.fuse().peekable();
    call.progress.begin(items.size_hint());
    let (mut order, mut values) = (InOrder::default(), Values::default());
    let mut submitted = 0;
    loop {
        while engine.wants_more() && items.peek().is_some() {
            let batch = call.read(&mut items, submitted)?;
            let len = batch.len();
            engine.submit(batch.build(kind.clone(), submitted))?;
            submitted += len;
        }
        let arrived = arrivals.take();
        let nothing = arrived.is_empty();
        call.progress.add(arrived.iter().map(|(_, part)| part.len()).sum());
        order.add(arrived, |part| values.add(&part));
        let more = items.peek().is_some();
        if order.count() == submitted && !more {
            break;
        }
        if nothing {
            // A processor that a worker could use is better used by it than by looking for each result.
            std::thread::yield_now();
            engine.wait_for(Deadline::NEVER, || {
                let wake = !arrivals.is_empty() || more && engine.wants_more();
                wake.then_some(())
            });
        }
    }
    values.finish()
}
