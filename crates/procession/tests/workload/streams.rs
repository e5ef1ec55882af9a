//! Channels and queues among everything.

use super::parcel::Parcel;
use procession::{
    JoinableQueue, Lease, Queue, Receiver, RecvError, SendError, Sender, channel, channel_with,
};
use procession_testing::Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const MOMENT: Duration = Duration::from_micros(300);

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Streams {
    messages: (Sender<Parcel>, Receiver<Parcel>),
    /// Grows and shrinks.
    numbers: Queue<[u64; 2]>,
    jobs: JoinableQueue<Vec<u64>>,
    /// Ends go through it, of channels that somebody else made.
    ways: Queue<Way>,
}

#[derive(Clone, Serialize, Deserialize)]
enum Way {
    Sender(Sender<u64>),
    Receiver(Receiver<u64>),
    Queue(Queue<u64>),
}

impl Streams {
    pub(crate) fn new() -> Streams {
        Streams {
            messages: channel_with(8192).unwrap(),
            numbers: Queue::unbounded().unwrap(),
            jobs: JoinableQueue::unbounded().unwrap(),
            ways: Queue::bounded(20).unwrap(),
        }
    }

    /// Does one thing, whichever it is.
    pub(crate) fn round(&self, rng: &mut Rng) {
        match rng.below(6) {
            0 => {
                let size = [0, 10, 100, 1000, 3000, 20_000, 200_000][rng.below(7)];
                let parcel = Parcel::new(rng.seed(), size, rng.below(12) / 10 * 2);
                self.messages.0.send_timeout(&parcel, MOMENT).unwrap();
            }
            1 => {
                if let Some(parcel) = self.messages.1.recv_timeout(MOMENT).unwrap() {
                    assert!(parcel.is_whole());
                }
            }
            2 => {
                for i in 0..[1, 10, 400][rng.below(3)] {
                    self.numbers.put(&[i; 2]).unwrap();
                }
                while self.numbers.len() > 1000 {
                    let numbers = self.numbers.get_many(500).unwrap();
                    assert!(numbers.iter().all(|[a, b]| a == b));
                }
            }
            3 => {
                while let Some([a, b]) = self.numbers.try_get().unwrap() {
                    assert_eq!(a, b);
                }
            }
            4 => self.do_jobs(rng),
            _ => self.travel(rng),
        }
    }

    fn do_jobs(&self, rng: &mut Rng) {
        let many = [1, 3, 80][rng.below(3)];
        for i in 0..many {
            self.jobs.put(&vec![i; rng.below(20)]).unwrap();
        }
        let leases: Vec<Lease<_>> = (0..many).map_while(|_| self.jobs.try_get().unwrap()).collect();
        for lease in leases {
            assert!(lease.windows(2).all(|pair| pair[0] == pair[1]));
            // The others go back.
            if rng.below(4) != 0 {
                lease.task_done().unwrap();
            }
        }
        while self.jobs.unfinished() > 200 {
            match self.jobs.try_get().unwrap() {
                Some(lease) => lease.task_done().unwrap(),
                None => break,
            }
        }
    }

    fn travel(&self, rng: &mut Rng) {
        let (sender, receiver) = channel::<u64>().unwrap();
        sender.send(&1).unwrap();
        let way = match rng.below(3) {
            0 => Way::Sender(sender),
            1 => {
                // Or two would wait for each other's.
                drop(sender);
                Way::Receiver(receiver)
            }
            _ => {
                let queue = Queue::unbounded().unwrap();
                queue.put(&7).unwrap();
                queue.close().unwrap();
                Way::Queue(queue)
            }
        };
        self.ways.put_timeout(&way, MOMENT).unwrap();
        drop(way);
        match self.ways.get_timeout(MOMENT).unwrap() {
            Some(Way::Sender(sender)) => {
                assert!(matches!(sender.send(&2), Ok(()) | Err(SendError::Disconnected)));
            }
            Some(Way::Receiver(receiver)) => {
                assert_eq!(receiver.recv().unwrap(), 1);
                assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
            }
            Some(Way::Queue(queue)) => {
                assert_eq!(queue.get().unwrap(), 7);
                assert!(matches!(queue.get(), Err(RecvError::Closed)));
            }
            None => {}
        }
    }

    /// What must be true when nobody uses it any more.
    pub(crate) fn check(&self) {
        while let Some(parcel) = self.messages.1.try_recv().unwrap() {
            assert!(parcel.is_whole());
        }
        while let Some([a, b]) = self.numbers.try_get().unwrap() {
            assert_eq!(a, b);
        }
        while let Some(lease) = self.jobs.try_get().unwrap() {
            lease.task_done().unwrap();
        }
        assert_eq!((self.jobs.unfinished(), self.jobs.len()), (0, 0));
        // Some may have been lost, and that's reported.
        assert!(self.jobs.join().is_ok() || self.jobs.lost() > 0);
        while self.ways.try_get().unwrap().is_some() {}
        for statistics in [self.messages.0.statistics(), self.numbers.statistics(), self.jobs.statistics()] {
            assert!(statistics.waiters.is_empty(), "{statistics:?}");
        }
    }
}
