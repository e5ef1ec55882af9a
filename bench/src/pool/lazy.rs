//! Lazy maps, whose results have 32 bytes.

use super::{RAYON, python::Python, rows};
use crate::{
    measure::{Contestant, Goal, Result, medians, rate, same},
    report::head,
};
use procession::{Pool, TaskError};
use rayon::prelude::*;

const WORKERS: usize = 2;
const TASKS: usize = 100_000;
const ROUNDS: usize = 15;

/// Like a digest, without the work.
fn digest(n: u64) -> [u8; 32] {
    let mut digest = [n as u8; 32];
    digest[..8].copy_from_slice(&n.to_le_bytes());
    digest
}

/// The item that it was made of, if it's whole.
fn item(digest: &[u8; 32]) -> Result<u64> {
    let (head, rest) = digest.split_first_chunk().expect("it's longer");
    let n = u64::from_le_bytes(*head);
    same(rest.iter().all(|byte| *byte == n as u8), true)?;
    Ok(n)
}

pub(super) fn run(python: &Python) -> Result<()> {
    let ours = Pool::new(WORKERS)?;
    let threads = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build()?;
    let items = || 0..TASKS as u64;
    let unordered: Contestant<'_> = &mut || rate(TASKS, || each_once(ours.imap_unordered(digest, items())));
    let ordered: Contestant<'_> = &mut || rate(TASKS, || in_order(ours.imap(digest, items())));
    let rayon: Contestant<'_> = &mut || {
        rate(TASKS, || {
            let digests: Vec<_> = threads.install(|| items().into_par_iter().map(digest).collect());
            in_order(digests.into_iter().map(Ok))
        })
    };
    let [unordered, ordered, rayon] = medians(ROUNDS, [unordered, ordered, rayon])?;
    head(&format!("{WORKERS} workers, u64 -> [u8; 32]"));
    rows("imap_unordered, M tasks/s", unordered, Goal::AtLeast(3.0), &[(RAYON, rayon)], python);
    rows("imap, M tasks/s", ordered, Goal::None, &[(RAYON, rayon)], python);
    ours.join()?;
    Ok(())
}

fn in_order(digests: impl Iterator<Item = std::result::Result<[u8; 32], TaskError>>) -> Result<()> {
    let mut count = 0;
    for digest in digests {
        same(item(&digest?)?, count)?;
        count += 1;
    }
    same(count, TASKS as u64)
}

fn each_once(digests: impl Iterator<Item = std::result::Result<[u8; 32], TaskError>>) -> Result<()> {
    let mut seen = vec![false; TASKS];
    for digest in digests {
        let place = seen.get_mut(item(&digest?)? as usize).ok_or("no such item")?;
        same(std::mem::replace(place, true), false)?;
    }
    same(seen.iter().all(|seen| *seen), true)
}
