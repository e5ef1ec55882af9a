//! Dicts and lists, and everything that can be done with them.

use super::{
    arena::Arena,
    blocks::{Block, DICT, LIST, RAW},
    choices::Choices,
    world::{Gift, MOMENT, see},
};
use procession::{Dict, List, Manager, Process};

type Text = String;

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Maps {
    numbers: Dict<u64, u64>,
    texts: Dict<Text, Text>,
    gifts: Dict<u64, Gift>,
    list: List<u64>,
    wide: List<Text>,
    given: List<Gift>,
}

/// All there is; what a manager made as well.
struct World {
    maps: Maps,
    managed: Maps,
    manager: Manager,
}

impl Maps {
    fn new() -> procession::Result<Maps> {
        Ok(Maps {
            numbers: Dict::new()?,
            texts: Dict::new()?,
            gifts: Dict::new()?,
            list: List::new()?,
            wide: List::new()?,
            given: List::new()?,
        })
    }

    /// So that there are many shards and leaves, or few.
    fn fill(&self, choices: &mut Choices) {
        for _ in 0..choices.one_of(&[1, 30, 300]) {
            see(self.numbers.insert(&choices.word(), &choices.word()));
        }
        let many = choices.one_of(&[3, 100, 2000]);
        see(self.numbers.extend((0..many).map(|i| (i, i))));
        see(self.list.extend(0..choices.one_of(&[1, 100, 5000])));
        for i in 0..choices.one_of(&[2, 40, 300]) {
            let text = text(choices);
            see(self.texts.insert(&format!("{i}"), &text));
            see(self.wide.push(&text));
        }
        for i in 0..choices.below(12) as u64 {
            see(self.gifts.insert(&i, &Gift::new(choices)));
            see(self.given.push(&Gift::new(choices)));
        }
    }

    fn step(&self, choices: &mut Choices) {
        match choices.below(5) {
            0 => self.use_numbers(choices),
            1 => self.use_texts(choices),
            2 => self.use_gifts(choices),
            3 => self.use_list(choices),
            _ => self.use_lists(choices),
        }
    }

    fn use_numbers(&self, choices: &mut Choices) {
        let (dict, key) = (&self.numbers, choices.below(100) as u64);
        let (other, value) = (choices.word(), choices.word());
        match choices.below(18) {
            0 => see(dict.get(&key)),
            1 => see((dict.contains(&key), dict.insert(&other, &value))),
            2 => see(dict.insert(&key, &value)),
            3 => see(dict.remove(&key)),
            4 => see(dict.update(&key, |value| *value ^= 1)),
            5 => see(dict.update_or_insert(&key, 1, |value| *value ^= 3)),
            6 => see((dict.len(), dict.is_empty(), dict.statistics(), format!("{dict:?}"))),
            7 => see(dict.items()),
            8 => see((dict.keys(), dict.values())),
            9 => see(dict.retain(|key, value| {
                *value ^= 1;
                key % 3 != 0
            })),
            10 => see(dict.get_many(&[&key, &other, &1, &2])),
            11 => see(dict.insert_many(&[(&key, &value), (&other, &value)])),
            12 => see(dict.transaction(&[&key, &other, &1, &2, &3], |view| {
                view.insert(&key, value);
                view.remove(&1);
                see(view.get_mut(&2).map(|value| *value ^= 1));
            })),
            13 => see((dict.fetch_add(&key, 1), dict.compare_exchange(&key, &value, &other))),
            14 => see((dict.changes(), dict.wait_for_change(value, MOMENT))),
            15 => see(dict.wait_for(&key, |value| value.is_none(), MOMENT)),
            16 => (0..300).for_each(|i| see(dict.remove(&i))),
            _ => see(choices.one_in(8).then(|| dict.clear())),
        }
    }

    fn use_texts(&self, choices: &mut Choices) {
        let (dict, key, text) = (&self.texts, choices.below(40).to_string(), text(choices));
        match choices.below(10) {
            0 => see(dict.get(&key)),
            1 => see(dict.insert(&key, &text)),
            2 => see(dict.insert(&text, &key)),
            3 => see(dict.remove(&key)),
            4 => see(dict.update(&key, |value| value.push('x'))),
            5 => see(dict.transaction(&[&key, &"1".to_string(), &"2".to_string()], |view| {
                view.insert(&key, text);
                view.remove(&"1".to_string());
            })),
            6 => see(dict.retain(|_, value| value.len() % 2 == 0)),
            7 => see((dict.items(), dict.len())),
            8 => see(dict.get_or_insert(&key, text)),
            _ => see(choices.one_in(4).then(|| dict.clear())),
        }
    }

    fn use_gifts(&self, choices: &mut Choices) {
        let (dict, key) = (&self.gifts, choices.below(12) as u64);
        match choices.below(7) {
            0 => see(dict.get(&key).map(|gift| gift.iter().for_each(Gift::open))),
            1 => see(dict.insert(&key, &Gift::new(choices)).map(|gift| gift.iter().for_each(Gift::open))),
            2 => see(dict.remove(&key)),
            3 => see(dict.update(&key, |gift| gift.open())),
            4 => see(dict.items().map(|gifts| gifts.iter().for_each(|(_, gift)| gift.open()))),
            5 => see(dict.retain(|key, _| key % 2 == 0)),
            _ => see(choices.one_in(4).then(|| dict.clear())),
        }
    }

    fn use_list(&self, choices: &mut Choices) {
        let (list, at, value) = (&self.list, choices.one_of(&[0, 3, 90, 1500, 4990]), choices.word());
        match choices.below(14) {
            0 => see(list.get(at)),
            1 => (0..30).for_each(|_| see(list.push(&value))),
            2 => (0..30).for_each(|_| see(list.pop())),
            3 => see(list.set(at, &value)),
            4 => see(list.insert(at, &value)),
            5 => see(list.remove(at)),
            6 => see(list.swap(at, choices.below(100))),
            7 => see(list.update(at, |value| *value ^= 1)),
            8 => see((list.len(), list.is_empty(), list.statistics(), format!("{list:?}"))),
            9 => see(list.iter().map(|values| values.fold(0, |sum, value| sum ^ value))),
            10 => see(list.extend(0..choices.below(2000) as u64)),
            11 => see((list.changes(), list.wait_for_change(value, MOMENT))),
            12 => see(choices.one_in(3).then(|| list.truncate(at))),
            _ => see(choices.one_in(8).then(|| list.clear())),
        }
    }

    fn use_lists(&self, choices: &mut Choices) {
        let (list, at, text) = (&self.wide, choices.below(60), text(choices));
        match choices.below(11) {
            0 => see(list.get(at)),
            1 => see(list.push(&text)),
            2 => see(list.pop()),
            3 => see(list.set(at, &text)),
            4 => see(list.insert(at, &text)),
            5 => see(list.remove(at)),
            6 => see(self.given.get(at).map(|gift| gift.iter().for_each(Gift::open))),
            7 => see(self.given.push(&Gift::new(choices))),
            8 => see(self.given.remove(choices.below(10))),
            9 => see((self.given.swap(0, choices.below(9)), self.given.truncate(choices.below(12)))),
            _ => see(self.given.set(choices.below(10), &Gift::new(choices))),
        }
    }
}

fn text(choices: &mut Choices) -> Text {
    "a".repeat(choices.one_of(&[0, 1, 7, 8, 30, 500, 1100, 9000]))
}

impl World {
    fn new(choices: &mut Choices) -> procession::Result<World> {
        let manager = Manager::new()?;
        let world = World { maps: Maps::new()?, managed: manager.own(Maps::new)?, manager };
        world.maps.fill(choices);
        if choices.one_in(3) {
            world.managed.fill(choices);
        }
        Ok(world)
    }

    fn step(&mut self, choices: &mut Choices) {
        match choices.below(24) {
            0 => see(procession_core::sweep()),
            1 => see(procession::audit().map(|audit| format!("{audit:?}"))),
            2 => see(Maps::new().map(|maps| {
                maps.fill(choices);
                maps.step(choices);
            })),
            3 => self.maps = self.maps.clone(),
            4..=7 => self.managed.step(choices),
            8 if choices.one_in(10) => see(self.manager.shutdown()),
            _ => self.maps.step(choices),
        }
    }

    /// What is its own in the arena.
    fn blocks(arena: &Arena) -> Vec<Block> {
        let mut blocks = arena.blocks();
        blocks.retain(|block| matches!(block.kind, DICT | LIST | RAW));
        // There are fewer of these, and more depends on them.
        let records = blocks.iter().filter(|block| block.kind != RAW).copied();
        let records: Vec<Block> = records.flat_map(|block| [block; 4]).collect();
        blocks.extend(records);
        blocks
    }

    /// A process that has all of it, uses it and is killed.
    fn kill_one(&self, choices: &mut Choices) {
        super::kill_in_use(Process::spawn(use_for_ever, (self.maps.clone(), choices.word())), choices);
    }
}

fn use_for_ever(maps: Maps, seed: u64) {
    let mut choices = Choices::of(seed);
    loop {
        maps.step(&mut choices);
    }
}

pub(crate) fn run(others: bool, choices: &mut Choices) {
    let (meanwhile, processes) = (others && choices.one_in(4), others && choices.one_in(4));
    let made = World::new(choices);
    assert!(made.is_ok() || !others, "in a new family");
    let Ok(mut world) = made else { return };
    let arena = Arena::open();
    let blocks = World::blocks(&arena);
    let count = |kind| blocks.iter().filter(|block| block.kind == kind).count();
    assert!(!others || count(DICT) >= 6 && count(LIST) >= 6 && count(RAW) >= 6, "{blocks:?}");
    let scribble = |blocks: &Vec<Block>, choices: &mut _| arena.scribble_blocks(blocks, choices);
    let blocks = || World::blocks(&arena);
    super::scribble_and_use(meanwhile, 12, choices, blocks, scribble, |choices| {
        (0..choices.below(60)).for_each(|_| world.step(choices));
        if processes && choices.one_in(2) {
            world.kill_one(choices);
        }
    });
}
