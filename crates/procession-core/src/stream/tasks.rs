//! Queues of tasks: messages that are finished after they were taken.

use super::{ends::Tasks, lease::Leased};
use crate::{
    atomic::Ordering::Relaxed, error::Result, family, message::Draft, objects::block_on, references::Share,
    sys::clock::Deadline,
};
use std::sync::Arc;

impl Tasks {
    /// Sends a message; false when the deadline passed first.
    pub fn send(&self, bytes: &[u8], shares: &[Arc<Share>], deadline: Deadline) -> Result<bool> {
        self.shared.checked()?;
        if let Some(refusal) = self.stream.refusal() {
            return Err(refusal);
        }
        if !shares.is_empty() {
            self.stream.record.carries_handles.store(1, Relaxed);
        }
        // Never in the ring: it stays where it is until it's finished.
        let draft = Draft::with_bytes(self.stream.arena, bytes, shares)?;
        Ok(self.stream.send_draft(&self.shared, draft, deadline)?.is_none())
    }

    /// Takes a message; `None` when the deadline passed first.
    pub fn lease(&self, deadline: Deadline) -> Result<Option<Lease>> {
        self.shared.checked()?;
        let (stream, lease) = (&self.stream, || self.stream.lease(deadline));
        let leased = match lease() {
            Ok(None) => stream.wait_for(&self.shared, stream.record.ring.arrivals(), deadline, lease),
            leased => leased,
        };
        let lease =
            leased.map(|leased| leased.map(|leased| Lease { tasks: self.clone(), leased: Some(leased) }));
        stream.refresh();
        self.shared.check()?;
        lease
    }

    /// How many messages were put and are neither done nor lost.
    pub fn unfinished(&self) -> Result<usize> {
        self.shared.checked()?;
        Ok(self.stream.unfinished())
    }

    /// How many were lost: their consumers died, or gave them back, once too often.
    pub fn lost(&self) -> u64 {
        self.stream.lost()
    }

    /// Waits until nothing is unfinished: whether that was before the deadline.
    pub fn join(&self, deadline: Deadline) -> Result<bool> {
        self.shared.checked()?;
        let finished = || (self.stream.unfinished() == 0).then_some(());
        let done = match finished() {
            None => block_on(&self.shared, &self.stream.record.done, deadline, finished)?,
            done => done,
        };
        self.shared.check()?;
        Ok(done.is_some())
    }
}

/// A message that this process has taken from [`Tasks`] and not finished. Given back when it's dropped.
#[derive(Debug)]
pub struct Lease {
    tasks: Tasks,
    /// `None` once it's finished.
    leased: Option<Leased>,
}

impl Lease {
    /// The message, and the handles in it.
    pub fn message(&self) -> (&[u8], &[Arc<Share>]) {
        self.leased.as_ref().map_or((&[], &[]), |leased| (&leased.bytes, &leased.shares))
    }

    /// It's done; or it's lost, since nobody can do it.
    pub fn finish(mut self, is_done: bool) -> Result<()> {
        self.tasks.shared.checked()?;
        match self.leased.take() {
            // Who frees what is in the stream once its manager has ended takes it away from who has it.
            Some(leased) => self.tasks.stream.finish(leased.index, is_done).or_else(|e| {
                self.tasks.shared.check()?;
                Err(e)
            }),
            None => Ok(()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(leased) = self.leased.take()
            && family::current().is_ok()
        {
            // Wrong words in shared memory don't make a drop fail.
            let _ = self.tasks.stream.give_back(leased.index, true);
        }
    }
}
