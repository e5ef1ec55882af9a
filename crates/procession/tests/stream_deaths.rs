//! Random deaths of busy producers and consumers: what was sent is received once, whole and in order, but for what a consumer took
//! with it.

#[path = "common/begin.rs"]
mod begin;
#[path = "workload/parcel.rs"]
mod parcel;

use parcel::Parcel;
use procession::{JoinableQueue, Process, Queue, TaskError, Value};
use procession_testing::{Census, Rng, tests};
use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
    path::PathBuf,
    process::ExitCode,
    thread,
    time::Duration,
};

fn main() -> ExitCode {
    begin::begin();
    procession_testing::run(tests![one_to_one, two_to_two, four_to_four, consumers_of_tasks])
}

/// How many processes are killed.
const KILLS: u64 = 1700;

/// Who notes what: a file, since nothing of what is tested can be used for that. A byte for each message of each producer, and before
/// those the number that it has sent for certain.
struct Ledger(File);

/// No producer sends more.
const MOST: u64 = 4000;
const ROW: u64 = 8 + MOST;

impl Ledger {
    fn open(path: &str) -> Ledger {
        Ledger(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    fn set_sent(&self, producer: u64, count: u64) {
        self.0.write_all_at(&count.to_le_bytes(), producer * ROW).unwrap();
    }

    fn receive(&self, producer: u64, number: u64) {
        let (at, mut times) = (producer * ROW + 8 + number, [0]);
        self.0.read_exact_at(&mut times, at).unwrap();
        self.0.write_all_at(&[times[0] + 1], at).unwrap();
    }

    fn row(&self, producer: u64) -> (u64, Vec<u8>) {
        let mut row = vec![0; ROW as usize];
        self.0.read_exact_at(&mut row, producer * ROW).unwrap();
        (u64::from_le_bytes(row[..8].try_into().unwrap()), row.split_off(8))
    }
}

/// The message of that number: each is of another size, and some have handles.
fn message(producer: u64, number: u64) -> (u64, u64, Parcel) {
    let size = [0, 20, 100, 1000, 3000, 9000, 60_000][(number % 97 % 7) as usize];
    (producer, number, Parcel::new(number, size, usize::from(number % 13 == 5)))
}

type Messages = Queue<(u64, u64, Parcel)>;

fn produce(queue: Messages, ledger: String, producer: u64) {
    let ledger = Ledger::open(&ledger);
    for number in 0..MOST {
        queue.put(&message(producer, number)).unwrap();
        ledger.set_sent(producer, number + 1);
    }
    loop {
        thread::park();
    }
}

fn consume(queue: Messages, ledger: String, received: Value<u64>) {
    let ledger = Ledger::open(&ledger);
    let mut last: HashMap<u64, u64> = HashMap::new();
    while let Ok((producer, number, parcel)) = queue.get() {
        ledger.receive(producer, number);
        assert!(parcel.is_whole());
        assert!(last.insert(producer, number).is_none_or(|last| last < number), "out of order");
        received.fetch_add(1).unwrap();
    }
}

fn one_to_one() {
    random_kills(1, 1);
}

fn two_to_two() {
    random_kills(2, 2);
}

fn four_to_four() {
    random_kills(4, 4);
}

fn is_killed(outcome: Result<(), TaskError>) -> bool {
    matches!(outcome, Err(TaskError::Died(status)) if status.signal() == Some(9))
}

fn assert_nothing_left() {
    procession_core::sweep().unwrap();
    let audit = procession::audit().unwrap();
    let left =
        (audit.objects.len(), audit.references, audit.blocks, audit.leaked, audit.impossible, audit.members);
    assert_eq!(left, (0, 0, 0, 0, 0, 1), "{audit:?}");
}

fn random_kills(producers: usize, consumers: usize) {
    let mut rng = Rng::new("random kills");
    Process::spawn(|| (), ()).unwrap().join().unwrap();
    let before = Census::take_at_rest();
    let path: PathBuf = std::env::temp_dir().join(format!("procession-ledger-{}", std::process::id()));
    File::create(&path).unwrap().set_len((KILLS + producers as u64) * ROW).unwrap();
    let ledger = path.to_str().unwrap().to_string();
    let queue: Messages = Queue::bounded(50).unwrap();
    let received = Value::new(0).unwrap();
    let mut started = 0;
    let mut start_producer = || {
        started += 1;
        Process::spawn(produce, (queue.clone(), ledger.clone(), started - 1)).unwrap()
    };
    let start_consumer =
        || Process::spawn(consume, (queue.clone(), ledger.clone(), received.clone())).unwrap();
    let mut producing: Vec<_> = (0..producers).map(|_| start_producer()).collect();
    let mut consuming: Vec<_> = (0..consumers).map(|_| start_consumer()).collect();
    let mut killed_consumers = 0;
    for _ in 0..KILLS {
        thread::sleep(Duration::from_micros(rng.below(3000) as u64));
        let victims = if rng.below(2) == 0 { &mut producing } else { &mut consuming };
        let victim = victims.swap_remove(rng.below(victims.len()));
        victim.kill().unwrap();
        if producing.len() < producers {
            producing.push(start_producer());
        } else {
            killed_consumers += 1;
            consuming.push(start_consumer());
        }
        assert!(is_killed(victim.join()));
    }
    for producer in producing {
        producer.kill().unwrap();
        assert!(is_killed(producer.join()));
    }
    // Nobody is stuck: those who are left take all that is left.
    queue.close().unwrap();
    consuming.into_iter().for_each(|consumer| consumer.join().unwrap());
    let (mut sent, mut lost) = (0, 0);
    let book = Ledger::open(&ledger);
    std::fs::remove_file(&path).unwrap();
    for producer in 0..started {
        let (count, row) = book.row(producer);
        let (certain, rest) = row.split_at(count as usize);
        assert!(row.iter().all(|times| *times <= 1), "a message of producer {producer} was received twice");
        // The last one may have been sent without having been noted.
        assert!(rest.iter().skip(1).all(|times| *times == 0));
        sent += count;
        lost += certain.iter().filter(|times| **times == 0).count() as u64;
    }
    assert!(lost <= killed_consumers, "{lost} messages lost, {killed_consumers} consumers killed");
    println!(
        "{KILLS} kills ({killed_consumers} of consumers), {sent} messages sent, {lost} gone with a consumer"
    );
    drop((queue, received, book));
    assert_nothing_left();
    before.wait_until_back();
}

fn work(tasks: JoinableQueue<u64>, done: [Value<u64>; 2]) {
    while let Ok(task) = tasks.get() {
        // Counted before it's done: so what is counted too often is what was done again.
        done[0].fetch_add(1).unwrap();
        done[1].fetch_add(*task).unwrap();
        task.task_done().unwrap();
    }
}

fn consumers_of_tasks() {
    let mut rng = Rng::new("random kills");
    let tasks = JoinableQueue::builder().bounded(100).redeliver(1).build::<u64>().unwrap();
    let done = [Value::new(0_u64).unwrap(), Value::new(0_u64).unwrap()];
    let start = || Process::spawn(work, (tasks.clone(), done.clone())).unwrap();
    let mut workers: Vec<_> = (0..3).map(|_| start()).collect();
    let (mut put, mut sum) = (0, 0);
    for kill in 0..KILLS / 4 {
        for i in 0..rng.below(300) as u64 {
            tasks.put(&i).unwrap();
            (put, sum) = (put + 1, sum + i);
        }
        let victim = workers.swap_remove(rng.below(workers.len()));
        victim.kill().unwrap();
        workers.push(start());
        if kill % 4 == 0 {
            // Never a hang, whoever has died.
            match tasks.join() {
                Ok(()) => assert_eq!(tasks.lost(), 0),
                Err(error) => assert!(error.is_lost()),
            }
            assert_eq!((tasks.unfinished(), tasks.len()), (0, 0));
        }
        assert!(is_killed(victim.join()));
    }
    let _ = tasks.join();
    tasks.close().unwrap();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let (lost, times) = (tasks.lost(), done[0].load());
    // Each was done, or is reported; at most one for each kill was done once more, or counted and not done.
    assert!(times + lost >= put && times <= put + KILLS / 4, "{put} put, {lost} lost, {times} done");
    println!("{put} tasks put, {lost} lost, {} done more than once", (times + lost).saturating_sub(put));
    assert!(lost > 0 || done[1].load() >= sum);
    drop((tasks, done));
    assert_nothing_left();
}
