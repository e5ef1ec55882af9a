//! What is wrong gets an error that says so, and nothing is lost by it.

use super::*;

#[derive(Debug, PartialEq)]
struct Stubborn(bool);

impl Serialize for Stubborn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 { Err(serde::ser::Error::custom("not this one")) } else { serializer.serialize_bool(false) }
    }
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        bool::deserialize(deserializer).map(Stubborn)
    }
}

pub(super) fn is_refused_and_nothing_lost() {
    // It can't be encoded.
    let (sender, receiver) = channel::<Stubborn>().unwrap();
    let Err(SendError::Failed(error)) = sender.send(&Stubborn(true)) else { panic!() };
    assert!(error.is_codec() && error.to_string().contains("Stubborn"), "{error}");
    sender.send(&Stubborn(false)).unwrap();
    assert_eq!((receiver.recv().unwrap(), receiver.len()), (Stubborn(false), 0));
    // It can't be decoded: it's given as bytes.
    sender.send_bytes(&[9, 9]).unwrap();
    sender.send(&Stubborn(false)).unwrap();
    let Err(RecvError::Undecodable { error, message }) = receiver.recv() else { panic!() };
    assert!(error.is_codec() && message == [9, 9], "{error}");
    assert_eq!(receiver.recv().unwrap(), Stubborn(false));
    sender.send_bytes(&[9; 10_000]).unwrap();
    let mut iter = receiver.iter();
    assert!(
        iter.next().is_none()
            && matches!(iter.error(), Some(RecvError::Undecodable { message, .. }) if message.len() == 10_000)
    );
    // A handle of another type.
    let (ways, _arrivals) = channel::<Sender<u8>>().unwrap();
    let wrong = Process::spawn(|s: Sender<u16>| drop(s), (channel::<u16>().unwrap().0,));
    assert!(wrong.unwrap().join().is_ok());
    drop(ways);
    // An item of a joinable queue that can't be decoded is lost, and reported.
    let queue = JoinableQueue::<Picky>::unbounded().unwrap();
    queue.put(&Picky(1)).unwrap();
    queue.put(&Picky(2)).unwrap();
    assert!(matches!(queue.get(), Err(RecvError::Undecodable { .. })));
    assert_eq!(queue.get().unwrap().into_inner().unwrap(), Picky(2));
    assert!(queue.join().unwrap_err().is_lost());
    // More than there can be.
    let queue = Queue::<Vec<u8>>::unbounded().unwrap();
    let (sender, receiver) = channel::<u8>().unwrap();
    let Err(SendError::Failed(error)) = sender.reserve(1 << 50) else { panic!() };
    assert!(error.is_out_of_memory(), "{error}");
    sender.send(&1).unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
    drop((queue, sender, receiver));
}

#[derive(Debug, PartialEq, Serialize)]
struct Picky(u8);

impl<'de> Deserialize<'de> for Picky {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            1 => Err(serde::de::Error::custom("not a one")),
            n => Ok(Picky(n)),
        }
    }
}

pub(super) fn limits() {
    for error in [
        Queue::<u8>::bounded(0).unwrap_err(),
        JoinableQueue::<u8>::bounded(0).unwrap_err(),
        JoinableQueue::builder().redeliver(255).build::<u8>().unwrap_err(),
        channel_with::<u8>(0).unwrap_err(),
    ] {
        assert!(error.is_invalid_argument(), "{error}");
    }
    let (sender, receiver) = channel_with::<u64>(1).unwrap();
    sender.send(&1).unwrap();
    assert_eq!(receiver.recv().unwrap(), 1);
}

pub(super) fn after_the_end() {
    let (sender, receiver) = channel::<u8>().unwrap();
    drop(receiver);
    for _ in 0..3 {
        assert!(matches!(sender.send(&1), Err(SendError::Disconnected)));
        assert!(matches!(sender.try_send(&1), Err(SendError::Disconnected)));
        let error: procession::Error = sender.send_bytes(&[1; 10_000]).unwrap_err().into();
        assert!(error.is_disconnected(), "{error}");
    }
    let (sender, receiver) = channel::<u8>().unwrap();
    sender.send(&1).unwrap();
    drop(sender);
    assert_eq!(receiver.recv().unwrap(), 1);
    for _ in 0..3 {
        assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    }
}

/// Says to a program of its own that its family has little memory.
pub(super) const AT_THE_LIMIT: &str = "PROCESSION_TEST_AT_THE_LIMIT";

pub(super) fn no_more_memory() {
    let mut program = std::process::Command::new("/proc/self/exe");
    let status =
        program.env(AT_THE_LIMIT, "1").env("PROCESSION_ARENA_LIMIT", (16 << 20).to_string()).status();
    assert!(status.unwrap().success());
}

pub(super) fn at_the_limit() {
    fn fill<T: Serialize + serde::de::DeserializeOwned + 'static>(queue: &Queue<T>, item: &T) -> usize {
        let error = loop {
            if let Err(error) = queue.put(item) {
                break error;
            }
        };
        assert!(matches!(&error, SendError::Failed(error) if error.is_out_of_memory()), "{error}");
        queue.len()
    }
    // Short ones, in a ring that can't grow any more.
    let queue = Queue::<[u64; 4]>::unbounded().unwrap();
    let count = fill(&queue, &[7; 4]);
    assert!(count > 100_000, "{count}");
    (0..count).for_each(|_| assert_eq!(queue.get().unwrap(), [7; 4]));
    assert_eq!(queue.try_get().unwrap(), None);
    // Long ones.
    let queue = Queue::<Vec<u8>>::unbounded().unwrap();
    let long = vec![7; 100_000];
    let count = fill(&queue, &long);
    assert!(count > 50, "{count}");
    (0..count).for_each(|_| assert_eq!(queue.get().unwrap(), long));
    // One that is larger than all there is.
    let Err(SendError::Failed(error)) = queue.put(&vec![7; 20 << 20]) else { panic!("it can't be put") };
    assert!(error.is_out_of_memory() && error.to_string().contains("limit"), "{error}");
    queue.put(&long).unwrap();
    assert_eq!(queue.get().unwrap(), long);
}
