//! What a call, an order, a link and its rings are: between processes, and between the two sides of a link in one.

use super::{
    arena::Arena,
    blocks::{Block, CALL, LINK, RAW},
    choices::Choices,
    world::{Gift, MOMENT, see},
};
use procession::{Event, Pool, Process};
use procession_core::{
    Deadline,
    pool::{Emptied, Inbox, Link, Receiver, Results, Span, Stamps, Tasks, Worker},
    start::{Descriptor, Verdict, input::Bytes},
};
use std::{hint::black_box, time::Duration};

/// Bytes that travel otherwise: some are wrong, or missing, or too many.
fn decode(choices: &mut Choices) {
    for bytes in Bytes::ALL {
        let example = bytes.example().unwrap();
        match bytes {
            Bytes::Error => see(bytes.decode(&example)),
            _ => bytes.decode(&example).expect("as it is it's right"),
        }
        for _ in 0..50 {
            let mut wrong = example.clone();
            for _ in 0..choices.one_of(&[1, 1, 2, 5, 20]) {
                match choices.below(5) {
                    _ if wrong.is_empty() => wrong.push(choices.word() as u8),
                    0 => wrong.truncate(choices.below(wrong.len())),
                    1 => wrong.push(choices.word() as u8),
                    2 => drop(wrong.remove(choices.below(wrong.len()))),
                    kind => {
                        let (at, random) = (choices.below(wrong.len()), choices.word());
                        wrong[at] = if kind == 3 { random as u8 } else { wrong[at] ^ 1 << (random % 8) };
                    }
                }
            }
            see(bytes.decode(&wrong));
        }
    }
}

static ECHO: Descriptor = Descriptor::new(
    || "scribble::records::echo",
    |argument, shares, result| {
        result.bytes.extend_from_slice(argument);
        result.shares.extend_from_slice(shares);
        Verdict::Value
    },
);

/// Takes what comes.
struct Taking(usize);

impl Receiver for Taking {
    fn expected(&self) -> usize {
        self.0
    }

    fn deliver(&mut self, results: Results) {
        assert!(results.len() <= self.0 && results.len() > 0, "{results:?}");
        assert_eq!(results.iter().count(), results.len(), "{results:?}");
        self.0 -= results.len();
        if results.len() == 1 {
            let (verdict, parcel) = results.into_first().expect("there is one");
            see((verdict, parcel.bytes.len(), parcel.shares.len()));
        }
    }

    fn empty(&mut self, blocks: Emptied) {
        drop(blocks);
    }

    fn span(&mut self, span: Span) {
        black_box(span);
    }
}

/// The blocks of these kinds.
fn blocks(arena: &Arena, kinds: &[u64]) -> Vec<Block> {
    let all = arena.blocks();
    let mut blocks: Vec<Block> = all.iter().filter(|block| kinds.contains(&block.kind)).copied().collect();
    blocks.extend(all.iter().filter(|block| block.kind == RAW));
    blocks
}

/// Both sides of a link, with a thread for the worker. One who doesn't end by itself does when the owner has gone.
fn use_link(choices: &mut Choices) {
    let Ok(inbox) = Inbox::new() else { return };
    let Ok(mut link) = Link::new(&inbox) else { return };
    link.set_worker(procession_core::me().unwrap());
    let Ok(event) = procession_core::objects::Event::new() else { return };
    let handle = link.handle();
    let worker = std::thread::spawn(move || Worker::attach(handle).and_then(|mut worker| worker.serve()));
    let arena = Arena::open();
    let mut left = Taking(0);
    for _ in 0..choices.below(12) {
        let (mut tasks, mut loans) = (Tasks::new(), Vec::new());
        for _ in 0..1 + choices.below(8) {
            let size = choices.one_of(&[0, 1, 10, 900, 9000, 20_000]);
            loans.push(tasks.push(|out| {
                out.resize(out.len() + size, 5);
                Ok(vec![event.share().clone(); usize::from(size == 10)])
            }));
        }
        let stamps = choices.one_of(&[Stamps::None, Stamps::Beginnings, Stamps::Spans]);
        match link.give(ECHO.id().unwrap(), &tasks, 0..tasks.len(), stamps) {
            Ok(Some((count, ticket))) => {
                left.0 += count;
                if choices.one_in(2) {
                    arena.scribble_blocks(&blocks(&arena, &[LINK]), choices);
                }
                let back = link.revoke(ticket, choices.one_in(2));
                left.0 = left.0.saturating_sub(back.len());
                see(link.claimed(ticket));
            }
            other => see(other),
        }
        inbox.wait_for_result(Deadline::after(MOMENT), || link.has_results().then_some(()));
        if choices.one_in(2) {
            arena.scribble_blocks(&blocks(&arena, &[LINK]), choices);
        }
        see((link.receive(&mut left), link.report(), link.flags(), link.has_starved()));
        if choices.one_in(4) {
            see(procession::audit().map(|audit| format!("{audit:?}")));
        }
        // Until the worker can't read them any more they must stay.
        std::mem::forget(loans);
    }
    link.close();
    drop(link);
    see(worker.join().expect("errors, and no panic"));
}

fn answer(event: Event, mut gift: Gift) -> Gift {
    see(event.wait_timeout(Duration::from_millis(20)));
    gift.open();
    gift.lengthen();
    gift
}

/// A process whose call is scribbled over while it runs, and after it.
fn use_call(choices: &mut Choices) {
    let Ok(event) = Event::new() else { return };
    let Ok(child) = Process::spawn(answer, (event.clone(), Gift::new(choices))) else { return };
    let arena = Arena::open();
    if choices.one_in(2) {
        arena.scribble_blocks(&blocks(&arena, &[CALL, CALL, CALL]), choices);
    }
    see(event.set());
    if choices.one_in(4) {
        see(child.kill());
    }
    while child.is_alive() {
        std::thread::yield_now();
    }
    if choices.one_in(2) {
        arena.scribble_blocks(&blocks(&arena, &[CALL, CALL, CALL]), choices);
    }
    super::check_end(child.join().map(|gift| gift.open()));
    see(procession_core::sweep());
}

/// A pool with everything in the arena that is a link's or nobody's.
fn use_pool(choices: &mut Choices) {
    let Ok(pool) = Pool::builder().workers(1..=2).build() else { return };
    see(pool.apply(|n: u64| n, (1,)));
    let arena = Arena::open();
    let mut results = Vec::new();
    for _ in 0..choices.below(8) {
        let gift = Gift::new(choices);
        results.extend(pool.apply_async(|gift: Gift| gift, (gift,)));
        see(pool.map_async(|n: u64| n + 1, 0..choices.below(200) as u64));
        arena.scribble_blocks(&blocks(&arena, &[LINK]), choices);
        see(results.last().map(|result| super::check_end(result.get_timeout(MOMENT * 10).map(|_| ()))));
        see((pool.statistics(), pool.worker_pids()));
    }
    pool.terminate();
    see(pool.join());
    results.iter().for_each(|result| see(result.get_timeout(MOMENT)));
}

pub(crate) fn run(others: bool, choices: &mut Choices) {
    decode(choices);
    for _ in 0..1 + choices.below(4) {
        match choices.below(4) {
            0 if others => use_call(choices),
            1 if others => use_pool(choices),
            _ => use_link(choices),
        }
    }
}
