//! What says what there is in the arena: its header, the slots of its processes, the tables of its chunks and blocks. Of a copy, which is
//! attached to as by a new process; and of this process's own, which goes on.

use super::{
    arena::{Arena, HEADER},
    blocks::{Block, CALL},
    choices::Choices,
    world::{Gift, MOMENT, see},
};
use procession::{Dict, Event, List, Process, Queue};
use procession_core::{Handle, start::input};

/// The slot that the copy has for who attaches.
const SLOT: u64 = 5;
const GENERATION: u64 = 99;

/// The state of a slot that is reserved.
const STARTING: u64 = 1;

const PAGE: u64 = 4096;

/// Things of all sizes.
struct World {
    queue: Queue<Gift>,
    dict: Dict<u64, Vec<u8>>,
    list: List<Vec<u8>>,
    events: Vec<Event>,
}

impl World {
    fn new() -> procession::Result<World> {
        Ok(World { queue: Queue::unbounded()?, dict: Dict::new()?, list: List::new()?, events: Vec::new() })
    }

    fn step(&mut self, choices: &mut Choices) {
        let bytes = vec![1; choices.one_of(&[1, 70, 900, 5000, 40_000, 300_000])];
        let key = choices.below(30) as u64;
        match choices.below(14) {
            0 | 1 => see(self.queue.put_timeout(&Gift::new(choices), MOMENT)),
            2 | 3 => see(self.queue.try_get().map(|gift| gift.iter().for_each(Gift::open))),
            4 | 5 => see(self.dict.insert(&key, &bytes)),
            6 => see((self.dict.remove(&key), self.dict.get(&(key + 1)))),
            7 => see(self.list.push(&bytes)),
            8 => see((self.list.pop(), self.list.get(1))),
            9 => self.events.extend(Event::new()),
            10 => drop(self.events.pop()),
            11 => see(procession_core::sweep()),
            12 => see(procession::audit().map(|audit| format!("{audit:?}"))),
            _ => see(World::new().map(|mut world| world.step(choices))),
        }
    }
}

/// A copy of the arena: all pages that have something in them, and a slot for one more process.
fn copy(arena: &Arena) -> (usize, Vec<(u64, Vec<u8>)>) {
    let used = arena.used();
    let parts = [
        0..arena.entry(arena.chunks()),
        arena.control(0)..arena.control(used),
        arena.chunk(0)..arena.chunk(used),
    ];
    let mut pages = Vec::new();
    for part in parts {
        let bytes = arena.read_bytes(part.start, (part.end - part.start) as usize);
        for (i, page) in bytes.chunks(PAGE as usize).enumerate() {
            if page.iter().any(|byte| *byte != 0) {
                pages.push((part.start + i as u64 * PAGE, page.to_vec()));
            }
        }
    }
    let len = arena.chunk(arena.chunks());
    let slot = HEADER + SLOT * 128;
    set(&mut pages, slot, |_| STARTING | GENERATION << 32);
    // One word of the header says how many slots were ever used.
    set(&mut pages, 56, |used| used.max(SLOT + 1));
    (len as usize, pages)
}

fn set(pages: &mut Vec<(u64, Vec<u8>)>, at: u64, change: impl FnOnce(u64) -> u64) {
    let page = at / PAGE * PAGE;
    if !pages.iter().any(|(offset, _)| *offset == page) {
        pages.push((page, vec![0; PAGE as usize]));
    }
    let (_, bytes) = pages.iter_mut().find(|(offset, _)| *offset == page).expect("just put there");
    let word = bytes[(at - page) as usize..].first_chunk_mut::<8>().expect("words don't cross pages");
    *word = change(u64::from_le_bytes(*word)).to_le_bytes();
}

/// Joins a copy, some of whose words are wrong.
fn attach(arena: &Arena, calls: &[Block], choices: &mut Choices) {
    let (len, mut pages) = copy(arena);
    let call = if calls.is_empty() { (0, 0) } else { choices.one_of(calls).name() };
    let call = Handle { offset: call.0, generation: call.1 };
    let blocks = arena.blocks();
    let attach = |pages: &[_]| input::attach(len, pages, (SLOT as usize, GENERATION as u32), call);
    if choices.one_in(16) {
        let seen = attach(&pages).expect("as it is it's right");
        assert!(seen.members >= 2 && seen.impossible == 0, "{seen:?}");
    }
    let tables = arena.tables();
    for _ in 0..choices.one_of(&[1, 1, 2, 3, 8, 40]) {
        let at = match choices.below(8) {
            0..=3 => {
                let range = &tables[choices.below(tables.len())];
                range.start + choices.below(((range.end - range.start) / 8) as usize) as u64 * 8
            }
            4 => choices.below(8) as u64 * 8,
            5 => call.offset + choices.below(20) as u64 * 8,
            _ => {
                let block = choices.one_of(&blocks);
                block.offset + choices.below((block.size / 8).min(16) as usize) as u64 * 8
            }
        };
        let wrong = arena.wrong(at, &blocks, choices);
        if !arena.names_living(wrong) {
            set(&mut pages, at, |_| wrong);
        }
    }
    let len = if choices.one_in(16) { choices.one_of(&[1, len / 2, len - 1, len * 2]) } else { len };
    see(input::attach(len, &pages, (SLOT as usize, GENERATION as u32), call)
        .map(|audit| format!("{audit:?}")));
}

/// Waits until it's killed: its call is there meanwhile.
fn wait(never: Event, gift: Gift) {
    see((never.wait(), gift));
}

pub(crate) fn run(others: bool, choices: &mut Choices) {
    let made = World::new();
    assert!(made.is_ok() || !others, "in a new family");
    let Ok(mut world) = made else { return };
    (0..30).for_each(|_| world.step(choices));
    let child = others.then(|| Process::spawn(wait, (Event::new().unwrap(), Gift::new(choices))).unwrap());
    let arena = Arena::open();
    let calls: Vec<Block> = arena.blocks().into_iter().filter(|block| block.kind == CALL).collect();
    assert!(!others || !calls.is_empty(), "a process that was started has a call");
    for _ in 0..choices.below(8) {
        attach(&arena, &calls, choices);
    }
    if let Some(child) = child {
        see(child.kill());
        super::check_end(child.join());
    }
    // Without its tables there is no arena for others after this one.
    for _ in 0..if others { choices.below(6) } else { 0 } {
        let blocks = arena.blocks();
        arena.scribble_tables(&arena.tables(), &blocks, choices);
        (0..choices.below(40)).for_each(|_| world.step(choices));
    }
}
