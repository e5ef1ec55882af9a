//! Handles of everything that can be shared, which travel, and everything that can be done with what they name.

use super::{
    arena::Arena,
    blocks::{Block, RAW, REFERENCE},
    choices::Choices,
    world::{MOMENT, see},
};
use procession::{
    Array, Barrier, BoundedSemaphore, Condition, Dict, Event, List, Manager, Mutex, Once, OnceValue, Process,
    Queue, Receiver, ReentrantMutex, RwLock, Semaphore, Sender, Value, channel,
};

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Handles {
    mutex: Mutex<u64>,
    reentrant: ReentrantMutex<u32>,
    rw_lock: RwLock<[u64; 20]>,
    semaphore: Semaphore,
    bounded: BoundedSemaphore,
    condition: Condition,
    event: Event,
    barrier: Barrier,
    once: Once,
    once_value: OnceValue<u64>,
    value: Value<u64>,
    array: Array<u16>,
    ends: (Sender<u64>, Receiver<u64>),
    queue: Queue<Event>,
    dict: Dict<u64, Event>,
    list: List<Event>,
}

impl Handles {
    fn new() -> procession::Result<Handles> {
        Ok(Handles {
            mutex: Mutex::new(1)?,
            reentrant: ReentrantMutex::new(1)?,
            rw_lock: RwLock::new([7; 20])?,
            semaphore: Semaphore::new(3)?,
            bounded: BoundedSemaphore::new(2)?,
            condition: Condition::new()?,
            event: Event::new()?,
            barrier: Barrier::new(2)?,
            once: Once::new()?,
            once_value: OnceValue::new()?,
            value: Value::new(5)?,
            array: Array::from_slice(&[9; 3000])?,
            ends: channel()?,
            queue: Queue::unbounded()?,
            dict: Dict::new()?,
            list: List::new()?,
        })
    }

    fn step(&self, choices: &mut Choices) {
        let few = choices.below(3);
        match choices.below(16) {
            0 => see(self.mutex.lock_timeout(MOMENT).map(|guard| guard.map(|mut guard| *guard ^= 1))),
            1 => see(self.reentrant.lock_timeout(MOMENT).map(|guard| {
                see(self.reentrant.try_lock().is_ok());
                see(guard.map(|guard| guard.get()));
            })),
            2 => see(self
                .rw_lock
                .read_timeout(MOMENT)
                .map(|guard| guard.map(|all| all.iter().fold(0, |sum, value| sum ^ value)))),
            3 => see(self.rw_lock.write_timeout(MOMENT).map(|guard| guard.map(|mut all| all[few] = 1))),
            4 => {
                let permits = [self.semaphore.acquire_timeout(MOMENT), self.semaphore.try_acquire()];
                see((permits, self.semaphore.available(), self.bounded.acquire_timeout(MOMENT)));
            }
            5 => see((self.semaphore.release(), self.bounded.release(), self.bounded.available())),
            6 => see((self.event.set(), self.event.is_set(), self.event.wait_timeout(MOMENT))),
            7 => see((self.event.clear(), self.event.wait_timeout(MOMENT))),
            8 => see((
                self.barrier.wait_timeout(MOMENT),
                self.barrier.parties(),
                self.barrier.waiting(),
                self.barrier.is_broken(),
                self.barrier.reset(),
                choices.one_in(4).then(|| self.barrier.abort()),
            )),
            9 => see((self.once.call_once_timeout(MOMENT, || ()), self.once.is_completed())),
            10 => see((
                self.once_value.get_or_init_timeout(MOMENT, || 3).map(|v| v.copied()),
                self.once_value.get(),
            )),
            11 => see((
                self.value.get(),
                self.value.lock_timeout(MOMENT).map(|_| ()),
                self.value.load(),
                self.value.try_lock().map(|_| ()),
            )),
            12 => {
                let range = choices.below(1500)..choices.one_of(&[1500, 3000, 2999]);
                see(self
                    .array
                    .lock_range_timeout(range, MOMENT)
                    .map(|part| part.map(|mut part| part.fill(4))));
                see(self
                    .array
                    .try_lock()
                    .map(|all| all.map(|all| all.iter().fold(0, |sum, value| sum ^ value))));
                see((self.array.len(), self.array.lock_timeout(MOMENT).is_ok()));
            }
            13 => {
                see(self.ends.0.send_timeout(&1, MOMENT));
                see((self.ends.1.recv_timeout(MOMENT), self.ends.1.len()));
            }
            14 => {
                if let Ok(Some(guard)) = self.mutex.lock_timeout(MOMENT) {
                    see(self.condition.wait_timeout(guard, MOMENT).is_ok());
                }
                see((self.condition.notify_one(), self.condition.notify_all()));
            }
            _ => {
                see((
                    self.queue.try_put(&self.event),
                    self.dict.insert(&1, &self.event),
                    self.list.push(&self.event),
                ));
                see((self.queue.try_get(), self.dict.get(&1), self.list.pop()));
            }
        }
    }

    fn look(&self) {
        macro_rules! look {
            ($($field:ident),*) => {
                $(see((format!("{:?}", self.$field), self.$field.statistics()));)*
            };
        }
        look!(
            mutex, reentrant, rw_lock, semaphore, bounded, condition, event, barrier, once, once_value,
            value, array, queue, dict, list
        );
    }
}

/// All there is: handles that this process has, and those that are on their way.
struct World {
    handles: Handles,
    managed: Handles,
    manager: Manager,
    others: Vec<Handles>,
    ways: (Sender<Handles>, Receiver<Handles>),
    queue: Queue<Handles>,
    dict: Dict<u64, Handles>,
    list: List<Handles>,
}

impl World {
    fn new() -> procession::Result<World> {
        let manager = Manager::new()?;
        Ok(World {
            handles: Handles::new()?,
            managed: manager.own(Handles::new)?,
            manager,
            others: Vec::new(),
            ways: channel()?,
            queue: Queue::unbounded()?,
            dict: Dict::new()?,
            list: List::new()?,
        })
    }

    fn send(&self, choices: &mut Choices) {
        let others = [&self.handles, &self.managed];
        let handles = self.others.last().unwrap_or(choices.one_of(&others));
        match choices.below(4) {
            0 => see(self.ways.0.send_timeout(handles, MOMENT)),
            1 => see(self.queue.try_put(handles)),
            2 => see(self.dict.insert(&(choices.below(4) as u64), handles)),
            _ => see(self.list.push(handles)),
        }
    }

    fn receive(&mut self, choices: &mut Choices) {
        let received = match choices.below(12) {
            0 => self.ways.1.recv_timeout(MOMENT).ok().flatten(),
            1 => self.queue.try_get().ok().flatten(),
            2 => self.dict.get(&(choices.below(4) as u64)).ok().flatten(),
            3 => self.dict.remove(&(choices.below(4) as u64)).ok().flatten(),
            4 => self.list.get(choices.below(3)).ok().flatten(),
            _ => self.list.pop().ok().flatten(),
        };
        self.others.extend(received);
    }

    fn step(&mut self, choices: &mut Choices) {
        match choices.below(20) {
            0..=2 => self.send(choices),
            3..=5 => self.receive(choices),
            6 => self.handles.look(),
            7 => self.managed.step(choices),
            8 => drop(self.others.pop()),
            9 => see(procession_core::sweep()),
            10 => see(procession::audit().map(|audit| format!("{audit:?}"))),
            11 => see(Handles::new().map(|handles| self.others.push(handles))),
            12 if choices.one_in(10) => see(self.manager.shutdown()),
            13 => see(procession::family::waits()),
            _ => self.others.last().unwrap_or(&self.handles).step(choices),
        }
    }

    /// What is in the arena: references and messages more often than all the rest.
    fn blocks(arena: &Arena) -> Vec<Block> {
        let mut blocks = arena.blocks();
        let more: Vec<Block> =
            blocks.iter().filter(|block| matches!(block.kind, RAW | REFERENCE)).copied().collect();
        blocks.extend(more);
        blocks
    }

    fn kill_one(&self, choices: &mut Choices) {
        super::kill_in_use(Process::spawn(use_for_ever, (self.handles.clone(), choices.word())), choices);
    }
}

fn use_for_ever(handles: Handles, seed: u64) {
    let mut choices = Choices::of(seed);
    loop {
        handles.step(&mut choices);
    }
}

pub(crate) fn run(others: bool, choices: &mut Choices) {
    let (meanwhile, processes) = (others && choices.one_in(4), others && choices.one_in(4));
    let made = World::new();
    assert!(made.is_ok() || !others, "in a new family");
    let Ok(mut world) = made else { return };
    (0..6).for_each(|_| world.send(choices));
    let arena = Arena::open();
    let blocks = World::blocks(&arena);
    let count = |kind| blocks.iter().filter(|block| block.kind == kind).count();
    assert!(!others || count(REFERENCE) >= 60 && count(RAW) >= 6, "{blocks:?}");
    let scribble = |blocks: &Vec<Block>, choices: &mut _| arena.scribble_blocks(blocks, choices);
    let blocks = || World::blocks(&arena);
    super::scribble_and_use(meanwhile, 6, choices, blocks, scribble, |choices| {
        (0..choices.below(60)).for_each(|_| world.step(choices));
        if processes && choices.one_in(2) {
            world.kill_one(choices);
        }
    });
}
