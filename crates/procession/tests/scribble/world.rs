//! Streams of each kind, and everything that can be done with them.

use super::choices::Choices;
use procession::{
    Event, JoinableQueue, Lease, Process, Queue, Receiver, Selector, Sender, channel, channel_with,
};
use procession_core::{
    Deadline,
    stream::{self, Limits, Message, Received},
};
use serde::{Deserialize, Serialize};
use std::{fmt::Debug, hint::black_box, thread, time::Duration};

pub(crate) const MOMENT: Duration = Duration::from_micros(300);

/// A message that may be long, and may have handles in it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Gift {
    number: u64,
    bytes: Vec<u8>,
    events: Vec<Event>,
    end: Option<Sender<u64>>,
}

impl Gift {
    pub(crate) fn new(choices: &mut Choices) -> Gift {
        Gift {
            number: choices.word(),
            bytes: vec![7; choices.one_of(&[0, 0, 10, 100, 5000, 40_000])],
            events: (0..choices.below(3)).filter_map(|_| Event::new().ok()).collect(),
            end: choices.one_in(4).then(|| channel().ok()).flatten().map(|(sender, _)| sender),
        }
    }

    /// As what comes back.
    pub(crate) fn lengthen(&mut self) {
        self.bytes.extend([1; 100]);
    }

    /// Uses what was received.
    pub(crate) fn open(&self) {
        black_box(self.bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>() ^ self.number);
        self.events.iter().for_each(|event| see(event.set()));
        self.end.iter().for_each(|end| see(end.send_timeout(&1, MOMENT)));
    }
}

/// The handles of the streams, all of which can travel.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Handles {
    numbers: (Sender<u64>, Receiver<u64>),
    texts: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
    gifts: (Sender<Gift>, Receiver<Gift>),
    grown: Queue<[u64; 4]>,
    tasks: JoinableQueue<Gift>,
}

/// All there is.
pub(crate) struct World {
    pub(crate) handles: Handles,
    raw: (stream::Sender, stream::Receiver),
    raw_queue: stream::Queue,
    leases: Vec<Lease<Gift>>,
    messages: Vec<Message>,
    children: usize,
}

/// How many streams it has, and in gifts there may be more.
pub(crate) const STREAMS: usize = 7;

/// Whatever comes of it.
pub(crate) fn see<T>(result: T) {
    black_box(result);
}

impl World {
    pub(crate) fn new(choices: &mut Choices) -> World {
        let limits = Limits { messages: None, ring: Some(64 << 10), bulk: Some(1 << 20) };
        let handles = Handles {
            numbers: channel_with(4096).unwrap(),
            texts: channel().unwrap(),
            gifts: channel().unwrap(),
            grown: Queue::unbounded().unwrap(),
            tasks: JoinableQueue::unbounded().unwrap(),
        };
        let mut world = World {
            handles,
            raw: stream::channel(1, limits).unwrap(),
            raw_queue: stream::Queue::create(2, limits).unwrap(),
            leases: Vec::new(),
            messages: Vec::new(),
            children: 0,
        };
        // Whatever is chosen, there is one outside of its ring.
        see(world.handles.texts.0.try_send(&vec![5; 9000]));
        let grown = choices.one_of(&[10, 400, 3000]);
        see(world.handles.grown.put_many((0..grown).map(|i| [i << 40; 4])));
        for _ in 0..choices.below(80) {
            see(world.handles.tasks.try_put(&Gift::new(choices)));
        }
        for _ in 0..choices.below(30) {
            world.leases.extend(world.handles.tasks.try_get().ok().flatten());
        }
        for step in 0..60 {
            world.fill(step % 7, choices);
        }
        world
    }

    /// Sends something.
    fn fill(&self, which: usize, choices: &mut Choices) {
        let Handles { numbers, texts, gifts, grown, tasks } = &self.handles;
        let size = choices.one_of(&[0, 8, 90, 3000, 4096, 5000, 70_000, 300_000]);
        match which {
            0 => see(numbers.0.try_send(&choices.word())),
            1 => see(texts.0.send_timeout(&vec![3; size], MOMENT)),
            2 => see(gifts.0.send_timeout(&Gift::new(choices), MOMENT)),
            3 => (0..choices.below(30)).for_each(|_| see(grown.try_put(&[choices.word(); 4]))),
            4 => see(tasks.try_put(&Gift::new(choices))),
            5 => see(self.raw.0.send(&vec![9; size], &[], Deadline::PASSED)),
            _ => {
                let ends: Vec<usize> = (1..=20).map(|i| i * size / 20).collect();
                see(self.raw_queue.send_many(&vec![4; size], &ends, &mut 0, Deadline::after(MOMENT)));
            }
        }
    }

    /// Takes something, and uses it.
    fn take(&mut self, which: usize, choices: &mut Choices) {
        let Handles { numbers, texts, gifts, grown, tasks } = &self.handles;
        let (mut out, mut ends) = (Vec::new(), Vec::new());
        match which {
            0 => see(numbers.1.recv_timeout(MOMENT)),
            1 => see(texts.1.try_recv()),
            2 => see(gifts.1.recv_timeout(MOMENT).map(|gift| gift.iter().for_each(Gift::open))),
            3 => (0..choices.below(60)).for_each(|_| see(grown.try_get())),
            4 => match tasks.get_timeout(MOMENT) {
                Ok(Some(lease)) => {
                    lease.open();
                    self.leases.push(lease);
                }
                other => see(other),
            },
            5 => match self.raw.1.receive(&mut out, Deadline::PASSED) {
                Ok(Some(Received::Message(message))) => self.messages.push(message),
                other => see(other),
            },
            _ => see(self.raw_queue.receive_many(choices.below(40), &mut out, &mut ends)),
        }
        self.messages.iter().for_each(|message| see(message.iter().fold(0, |sum: u8, byte| sum ^ byte)));
        if choices.one_in(4) {
            self.messages.clear();
        }
    }

    /// Does one thing, whichever it is.
    pub(crate) fn step(&mut self, choices: &mut Choices) {
        match choices.below(16) {
            0..=3 => self.fill(choices.below(7), choices),
            4..=7 => self.take(choices.below(7), choices),
            8 => self.finish(choices),
            9 => {
                for _ in 0..self.leases.len().min(choices.below(8)) {
                    drop(self.leases.swap_remove(choices.below(self.leases.len())));
                }
            }
            10 => self.look(),
            11 => self.handles = self.handles.clone(),
            12 => see(procession_core::sweep()),
            13 => see(procession::audit().map(|audit| format!("{audit:?}"))),
            14 => self.reserve(choices),
            _ => self.use_new(choices),
        }
    }

    fn finish(&mut self, choices: &mut Choices) {
        for _ in 0..choices.below(8) {
            match self.leases.pop() {
                Some(lease) if choices.one_in(2) => see(lease.into_inner()),
                Some(lease) => see(lease.task_done()),
                None => break,
            }
        }
        let tasks = &self.handles.tasks;
        see((tasks.join_timeout(MOMENT), tasks.unfinished(), tasks.lost()));
    }

    fn look(&self) {
        fn debug(what: &[&dyn Debug]) {
            what.iter().for_each(|what| see(format!("{what:?}")));
        }
        let Handles { numbers, texts, gifts, grown, tasks } = &self.handles;
        debug(&[
            numbers,
            texts,
            gifts,
            grown,
            tasks,
            &self.raw,
            &self.raw_queue,
            &procession::family::waits(),
        ]);
        see((numbers.0.len(), texts.1.len(), gifts.0.is_empty(), grown.len(), tasks.len(), grown.is_full()));
        see((tasks.limit(), tasks.is_full(), tasks.is_closed(), grown.is_closed(), numbers.1.statistics()));
        see((numbers.1.poll(Duration::ZERO), texts.1.poll(MOMENT), grown.poll(MOMENT), gifts.1.poll(MOMENT)));
        see((self.raw.1.poll(Deadline::PASSED), self.raw_queue.poll(Deadline::PASSED)));
        see((numbers.1.as_fd(), tasks.as_fd(), self.raw_queue.fd()));
        let mut selector = Selector::new();
        see((
            selector.add(&texts.1),
            selector.add(grown),
            selector.add(tasks),
            selector.wait_timeout(MOMENT),
        ));
    }

    fn reserve(&self, choices: &mut Choices) {
        let size = choices.one_of(&[10, 3000, 30_000, 200_000]);
        if let Ok(mut reservation) = self.handles.texts.0.reserve(size) {
            reservation.fill(8);
            see(reservation.try_commit());
        }
        if let Ok(mut reservation) = self.raw.0.reserve(size) {
            reservation.fill(8);
            see(reservation.send(Deadline::PASSED));
        }
    }

    /// Others have to work all the same.
    fn use_new(&self, choices: &mut Choices) {
        let Ok((sender, receiver)) = channel::<Gift>() else { return };
        see(sender.send_timeout(&Gift::new(choices), MOMENT));
        see(self.handles.gifts.0.try_send(&Gift { end: None, ..Gift::new(choices) }));
        drop(sender);
        see(receiver.recv_timeout(MOMENT).map(|gift| gift.iter().for_each(Gift::open)));
    }

    /// A process that has all handles, uses them and is killed.
    pub(crate) fn kill_one(&mut self, choices: &mut Choices) {
        self.children += 1;
        super::kill_in_use(Process::spawn(use_for_ever, (self.handles.clone(), choices.word())), choices);
    }

    /// Calls that may wait for ever, in threads that nobody waits for.
    pub(crate) fn wait_for_ever(&self) {
        let calls: [fn(Handles); 7] = [
            |handles| see(handles.numbers.1.recv()),
            |handles| see(handles.texts.1.recv_in_place().map(|message| message.to_vec())),
            |handles| {
                see(handles.gifts.0.send(&Gift {
                    number: 1,
                    bytes: vec![1; 9000],
                    events: vec![],
                    end: None,
                }))
            },
            |handles| see(handles.grown.get_many(50)),
            |handles| see(handles.grown.put_many((0..500).map(|i| [i; 4]))),
            |handles| see(handles.tasks.get().map(|lease| lease.task_done())),
            |handles| see((handles.tasks.join(), handles.tasks.close(), handles.grown.close())),
        ];
        for call in calls {
            let handles = self.handles.clone();
            thread::spawn(move || call(handles));
        }
    }

    /// Nothing can be put any more.
    pub(crate) fn close(&self) {
        see((self.handles.grown.close(), self.handles.tasks.close(), self.raw_queue.close()));
    }
}

fn use_for_ever(handles: Handles, seed: u64) {
    let mut choices = Choices::of(seed);
    loop {
        see(handles.numbers.0.try_send(&1));
        see(handles.numbers.1.try_recv());
        see(handles.texts.0.try_send(&vec![1; choices.one_of(&[1, 100, 5000])]));
        see(handles.texts.1.recv_timeout(MOMENT));
        see(handles.gifts.0.try_send(&Gift::new(&mut choices)));
        see(handles.gifts.1.try_recv().map(|gift| gift.iter().for_each(Gift::open)));
        see(handles.grown.try_put(&[1; 4]));
        see(handles.grown.get_timeout(MOMENT));
        let lease = handles.tasks.try_get();
        see(handles.tasks.join_timeout(MOMENT));
        if let Ok(Some(lease)) = lease
            && choices.one_in(2)
        {
            see(lease.task_done());
        }
    }
}
