//! Of dictionaries and lists: a process dies at every step of every operation, and at every step of the repair after such a death.
//! What was there before is there, or what would be there afterwards; and nothing is lost or left.

use super::{Death, dies_in};
use procession::{Dict, Event, List, kill_point::KillPoint};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Serialize, Deserialize)]
pub(crate) struct Item {
    number: u32,
    bytes: Vec<u8>,
    event: Option<Event>,
}

/// What can be compared of one.
type Shape = (u32, usize, bool);

impl Item {
    fn short(number: u32) -> Item {
        Item { number, bytes: vec![number as u8; number as usize % 100], event: None }
    }

    /// In a block of its own.
    fn long(number: u32) -> Item {
        Item { bytes: vec![number as u8; 2000 + number as usize], ..Item::short(number) }
    }

    fn with_handle(number: u32) -> Item {
        let event = Event::new().unwrap();
        event.set().unwrap();
        Item { event: Some(event), ..Item::short(number) }
    }

    /// One or the other.
    fn any(number: u32) -> Item {
        match number % 50 {
            7 => Item::long(number),
            8 => Item::with_handle(number),
            _ => Item::short(number),
        }
    }

    fn shape(&self) -> Shape {
        assert!(self.bytes.iter().all(|byte| *byte == self.number as u8), "whole");
        assert!(self.event.as_ref().is_none_or(Event::is_set), "the same event");
        (self.number, self.bytes.len(), self.event.is_some())
    }
}

/// What is done to one of a kind.
pub(crate) struct Scenario<C: 'static> {
    make: fn() -> C,
    steps: &'static [fn(&C)],
    /// Each step is done wholly or not at all, not only to each entry.
    is_whole: bool,
}

pub(crate) trait Shared: Clone + Serialize + DeserializeOwned + 'static {
    const SCENARIOS: &'static [Scenario<Self>];
    /// Points of its protocol.
    const POINTS: &'static str;

    /// Everything, by key or number, as one who only reads finds it.
    fn read(&self) -> BTreeMap<u32, Shape>;
    /// Everything in its order.
    fn snapshot(&self) -> Vec<(u32, Shape)>;
    /// Takes each lock, and changes nothing in the end.
    fn touch(&self);
}

const SPACE: u32 = 4000;

impl Shared for Dict<u32, Item> {
    const POINTS: &'static str = "map.";

    const SCENARIOS: &'static [Scenario<Self>] = &[
        // New keys, into pages with room and without.
        Scenario {
            make: || dict(0..10),
            steps: &[
                |d| insert(d, Item::short(20)),
                |d| insert(d, Item::long(21)),
                |d| insert(d, Item::with_handle(22)),
            ],
            is_whole: true,
        },
        // The same key over and over: cells and boxes are used again.
        Scenario {
            make: || dict(0..10),
            steps: &[
                |d| drop(d.insert(&3, &Item::short(60))),
                |d| drop(d.insert(&3, &Item::short(50))),
                |d| drop(d.insert(&3, &Item::short(40))),
                |d| drop(d.insert(&3, &Item::long(30))),
                |d| drop(d.insert(&3, &Item::with_handle(31))),
                |d| drop(d.swap(&3, &Item::with_handle(32))),
                |d| drop(d.update(&3, |item| *item = Item::short(33))),
            ],
            is_whole: true,
        },
        Scenario {
            make: || dict(0..60),
            steps: &[
                |d| drop(d.remove(&7)),
                |d| drop(d.remove(&8)),
                |d| d.retain(|key, _| *key > 1).unwrap(),
            ],
            is_whole: false,
        },
        // Shards are divided; the last ones begin a new group.
        Scenario {
            make: || dict(0..1500),
            steps: &[|d| (1500..SPACE).for_each(|number| insert(d, Item::short(number)))],
            is_whole: false,
        },
        // And put together.
        Scenario {
            make: || dict(0..3500),
            steps: &[|d| d.retain(|key, _| *key < 40).unwrap()],
            is_whole: false,
        },
        Scenario {
            make: || dict(0..2500),
            steps: &[|d| d.clear().unwrap(), |d| insert(d, Item::short(1))],
            is_whole: true,
        },
        // Of one shard, and of more.
        Scenario {
            make: || dict(0..60),
            steps: &[
                |d| d.transaction(&[&8], |view| drop(view.insert(&8, Item::long(80)))).unwrap(),
                |d| {
                    let all = d.transaction(&[&7, &8, &9, &10, &100, &101], |view| {
                        view.remove(&7);
                        view.insert(&8, Item::with_handle(81));
                        view.get_mut(&9)?.bytes.clear();
                        view.insert(&100, Item::long(100));
                        view.insert(&101, Item::with_handle(101));
                        Some(())
                    });
                    assert!(all.unwrap().is_some());
                },
            ],
            is_whole: true,
        },
    ];

    fn read(&self) -> BTreeMap<u32, Shape> {
        let all = (0..SPACE).filter_map(|key| Some((key, self.get(&key).unwrap()?.shape())));
        all.collect()
    }

    fn snapshot(&self) -> Vec<(u32, Shape)> {
        self.items().unwrap().iter().map(|(key, item)| (*key, item.shape())).collect()
    }

    fn touch(&self) {
        for key in 1_000_000..1_000_200 {
            insert(self, Item::short(key));
        }
        self.transaction(&[&1_000_003, &1_000_004, &1_000_005], |view| {
            for key in [1_000_003, 1_000_004, 1_000_005] {
                view.remove(&key);
            }
        })
        .unwrap();
        for key in self.keys().unwrap() {
            if key < SPACE {
                self.update(&key, |_| ()).unwrap();
            } else {
                self.remove(&key).unwrap();
            }
        }
    }
}

fn dict(numbers: std::ops::Range<u32>) -> Dict<u32, Item> {
    let dict = Dict::new().unwrap();
    numbers.for_each(|number| insert(&dict, Item::any(number)));
    dict
}

fn insert(dict: &Dict<u32, Item>, item: Item) {
    dict.insert(&item.number, &item).unwrap();
}

impl Shared for List<Item> {
    const POINTS: &'static str = "list.";

    const SCENARIOS: &'static [Scenario<Self>] = &[
        Scenario {
            make: || list(0),
            steps: &[
                |l| l.push(&Item::short(1)).unwrap(),
                |l| l.push(&Item::long(2)).unwrap(),
                |l| l.push(&Item::with_handle(3)).unwrap(),
                |l| l.insert(1, &Item::with_handle(4)).unwrap(),
                |l| drop(l.set(2, &Item::with_handle(5))),
                |l| drop(l.update(2, |item| *item = Item::long(6))),
                |l| l.swap(0, 2).unwrap(),
                |l| drop(l.pop()),
                |l| drop(l.pop()),
                |l| drop(l.remove(0)),
                |l| drop(l.pop()),
            ],
            is_whole: true,
        },
        // Many leaves, and so many that the root has to become larger.
        Scenario {
            make: || list(300),
            steps: &[
                |l| l.insert(20, &Item::with_handle(1)).unwrap(),
                |l| l.swap(7, 250).unwrap(),
                |l| drop(l.remove(8)),
                |l| l.extend((0..300).map(Item::any)).unwrap(),
                |l| l.truncate(310).unwrap(),
                |l| l.truncate(3).unwrap(),
                |l| l.clear().unwrap(),
            ],
            is_whole: true,
        },
        Scenario {
            make: || list(100),
            steps: &[|l| (100..1200).for_each(|number| l.push(&Item::any(number)).unwrap())],
            is_whole: false,
        },
        Scenario { make: || list(500), steps: &[|l| while l.pop().unwrap().is_some() {}], is_whole: false },
    ];

    fn read(&self) -> BTreeMap<u32, Shape> {
        let all = (0..).map_while(|at| Some((at, self.get(at as usize).unwrap()?.shape())));
        all.collect()
    }

    fn snapshot(&self) -> Vec<(u32, Shape)> {
        (0..).zip(self.iter().unwrap().map(|item| item.shape())).collect()
    }

    fn touch(&self) {
        self.push(&Item::with_handle(9)).unwrap();
        self.pop().unwrap().unwrap();
    }
}

fn list(len: u32) -> List<Item> {
    let list = List::new().unwrap();
    list.extend((0..len).map(Item::any)).unwrap();
    list
}

/// What there is in the beginning, and after each step.
fn states<C: Shared>(scenario: &Scenario<C>) -> Vec<Vec<(u32, Shape)>> {
    let collection = (scenario.make)();
    let mut states = vec![collection.snapshot()];
    for step in scenario.steps {
        step(&collection);
        states.push(collection.snapshot());
    }
    states
}

fn perform<C: Shared>((collection, scenario): (C, usize), death: Death) {
    death.arm();
    C::SCENARIOS[scenario].steps.iter().for_each(|step| step(&collection));
}

fn touch<C: Shared>(collection: C, death: Death) {
    death.arm();
    collection.touch();
}

/// What one who repairs may die at.
const OF_REPAIR: &[KillPoint] = &[
    KillPoint::MutexAfterSteal,
    KillPoint::MapAfterResolve,
    KillPoint::MapAfterRepair,
    KillPoint::MapAfterCommit,
];

pub(crate) fn at_every_step_of_a_dictionary() {
    let mut reached = at_every_step::<Dict<u32, Item>>();
    reached.insert("map.while_ending");
    assert_all_reached("map.", &reached);
}

pub(crate) fn at_every_step_of_a_list() {
    let mut reached = at_every_step::<List<Item>>();
    reached.insert("list.while_ending");
    assert_all_reached("list.", &reached);
}

fn assert_all_reached(of: &str, reached: &BTreeSet<&str>) {
    for point in KillPoint::ALL.iter().map(|point| point.name()).filter(|name| name.starts_with(of)) {
        assert!(reached.contains(point), "nobody died at {point}");
    }
}

fn at_every_step<C: Shared>() -> BTreeSet<&'static str> {
    let mut reached = BTreeSet::new();
    let points = || KillPoint::ALL.iter().filter(|point| point.name().starts_with(C::POINTS));
    for (number, scenario) in C::SCENARIOS.iter().enumerate() {
        let states = states(scenario);
        for point in points().chain([&KillPoint::MutexAfterLock, &KillPoint::MutexBeforeUnlock]) {
            // The first ones, and some of those that come later.
            for passes in [0, 1, 7, 50] {
                let collection = (scenario.make)();
                if !dies_in(perform::<C>, (collection.clone(), number), *point, passes) {
                    assert_eq!(Some(&collection.snapshot()), states.last(), "it did everything");
                    break;
                }
                reached.insert(point.name());
                if passes == 0 {
                    for heirs in OF_REPAIR {
                        if dies_in(touch::<C>, collection.clone(), *heirs, passes) {
                            reached.insert(heirs.name());
                        }
                    }
                }
                let at = format!("scenario {number}, {}, {passes} passes", point.name());
                check(collection, scenario, &states, &at);
            }
        }
    }
    reached
}

fn check<C: Shared>(collection: C, scenario: &Scenario<C>, states: &[Vec<(u32, Shape)>], at: &str) {
    let read = collection.read();
    procession_core::sweep().unwrap();
    assert_eq!(collection.read(), read, "{at}: the sweep changes nothing");
    collection.touch();
    let now = collection.snapshot();
    assert_eq!(now.iter().copied().filter(|(key, _)| *key < SPACE).collect::<BTreeMap<_, _>>(), read, "{at}");
    if scenario.is_whole {
        assert!(states.contains(&now), "{at}: {now:?}");
    } else {
        let states: Vec<BTreeMap<u32, Shape>> =
            states.iter().map(|state| state.iter().copied().collect()).collect();
        let keys: BTreeSet<u32> = states.iter().flat_map(|state| state.keys().copied()).collect();
        for key in &keys {
            let now = read.get(key);
            assert!(states.iter().any(|state| state.get(key) == now), "{at}: {key} is {now:?}");
        }
        assert!(read.keys().all(|key| keys.contains(key)), "{at}");
    }
    drop(collection);
    assert_nothing_left(at);
}

pub(super) fn assert_nothing_left(at: &str) {
    procession_core::sweep().unwrap();
    let audit = procession_core::audit().unwrap();
    let left = (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible);
    assert_eq!(left, (0, 0, 0, 0, 0), "{at}: {audit:?}");
}

/// Whoever has it last dies while it frees it.
pub(crate) fn while_they_end() {
    fn end<C: Shared>(collection: C, death: Death) {
        death.arm();
        drop(collection);
    }
    for passes in [0, 1, 5] {
        let at = format!("{passes} passes");
        assert!(dies_in(end, dict(0..1000), KillPoint::MapWhileEnding, passes));
        assert_nothing_left(&at);
        for point in
            [KillPoint::BlockAfterUntag, KillPoint::StreamAfterTakeOver, KillPoint::ReferenceBeforeUncount]
        {
            dies_in(end, dict(0..1000), point, passes);
            assert_nothing_left(&at);
            dies_in(end, list(300), point, passes);
            assert_nothing_left(&at);
        }
    }
    assert!(dies_in(end, list(300), KillPoint::ListWhileEnding, 0));
    assert_nothing_left("a list");
}
