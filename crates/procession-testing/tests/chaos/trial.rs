//! One family after the other: started, harmed, and looked at when it has ended.

use crate::{
    family::{Orders, said},
    harm::{Harm, Harmer},
    tally::Tally,
};
use procession_testing::{Rng, kill, processes_with};
use std::{
    fmt,
    io::{BufRead, BufReader, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// What is done to a family, besides killing and stopping its processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Deaths,
    /// Its shared memory is small, and often full.
    Memory,
    /// It may have few descriptors, and often there are none left.
    Descriptors,
    /// Both.
    Want,
    /// Its root is killed in the middle.
    Root,
}

impl Kind {
    pub(crate) const ALL: [Kind; 5] = [Kind::Deaths, Kind::Memory, Kind::Descriptors, Kind::Want, Kind::Root];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Deaths => "deaths",
            Kind::Memory => "memory",
            Kind::Descriptors => "descriptors",
            Kind::Want => "want of both",
            Kind::Root => "root",
        }
    }
}

/// In the environment of a family's processes, so that all of them can be found.
const MARK: &str = "PROCESSION_CHAOS_FAMILY";

/// Nothing is heard of a family for so long only if it hangs. Its own watchdog comes before that, and knows more.
const SILENCE: Duration = Duration::from_secs(300);

/// What was done by now.
pub(crate) struct Trial {
    rng: Rng,
    start: Instant,
    families: usize,
    tally: Tally,
    harm: Harm,
}

impl Trial {
    pub(crate) fn new(rng: Rng) -> Trial {
        Trial { rng, start: Instant::now(), families: 0, tally: Tally::default(), harm: Harm::default() }
    }

    pub(crate) fn time(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn families(&self) -> usize {
        self.families
    }

    /// Nothing went wrong; and that means something, because there was harm, and work.
    pub(crate) fn end(self) {
        assert!(self.harm.kills > 0, "nobody was killed");
        // One family alone need not have come to all that; and one whose root was killed doesn't tell.
        if self.families > Kind::ALL.len() {
            assert!(self.tally.deaths > 0, "nobody was killed in the middle of anything");
            assert!(self.tally.answers > 0, "no request was answered");
        }
        println!("{self}");
    }

    /// Has one family live. Panics if it did anything that it must not, or left anything.
    pub(crate) fn family(&mut self, kind: Kind) {
        let start = Instant::now();
        let seed = self.rng.seed();
        let mut rng = Rng::from_seed(seed);
        let orders = Orders::new(kind, &mut rng);
        let mark = format!("{}-{}", std::process::id(), self.families);
        let mut family = Family::start(&orders, &mark);
        let harm = family.harm(kind, &orders, &mut rng);
        let tally = family.end(kind);
        until_gone(&mark);
        self.families += 1;
        self.tally += tally;
        self.harm.kills += harm.kills;
        self.harm.servers += harm.servers;
        self.harm.stops += harm.stops;
        println!(
            "{:>6.1} s, family {}, {} (seed {seed}), {:.1} s: {} kills, {} stops; {tally}",
            self.time().as_secs_f64(),
            self.families,
            kind.name(),
            start.elapsed().as_secs_f64(),
            harm.kills,
            harm.stops,
        );
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Harm { kills, servers, stops } = self.harm;
        write!(
            f,
            "{} families in {} s: {kills} kills ({servers} of forkservers), {stops} stops; {}; nothing is left",
            self.families,
            self.time().as_secs(),
            self.tally
        )
    }
}

/// A family, seen from outside.
struct Family {
    root: Child,
    told: ChildStdin,
    /// What it says, line by line.
    lines: Receiver<String>,
    mark: String,
}

impl Family {
    fn start(orders: &Orders, mark: &str) -> Family {
        let mut program = Command::new("/proc/self/exe");
        orders.give(&mut program);
        program.env(MARK, mark).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut root = program.spawn().expect("a family can be started");
        let (said, lines) = channel();
        let output = root.stdout.take().expect("it's a pipe");
        thread::spawn(move || {
            // Ends with the family.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if said.send(line).is_err() {
                    return;
                }
            }
        });
        let told = root.stdin.take().expect("it's a pipe");
        Family { root, told, lines, mark: mark.into() }
    }

    /// Until it says that it comes to its end; or until its root is killed.
    fn harm(&mut self, kind: Kind, orders: &Orders, rng: &mut Rng) -> Harm {
        let mut harmer = Harmer::new(self.root.id(), rng);
        assert_eq!(self.hear(SILENCE).as_deref(), Some(said::BEGUN), "a family that begins says so");
        // From here on; a family that hangs is ended by its own watchdog.
        let start = Instant::now();
        let end = orders.length().mul_f64(0.1 + rng.below(80) as f64 / 100.0);
        loop {
            if kind == Kind::Root && start.elapsed() > end {
                kill(self.root.id()).expect("it's a child of this process, and not yet waited for");
                harmer.done.kills += 1;
                break;
            }
            match self.lines.try_recv() {
                Ok(line) if line == said::ENDING => break,
                Ok(line) => println!("{line}"),
                Err(_) if matches!(self.root.try_wait(), Ok(Some(_))) => break,
                Err(_) => harmer.harm(rng),
            }
        }
        harmer.calm();
        harmer.done
    }

    /// Waits for its end, which has to be a good one.
    fn end(mut self, kind: Kind) -> Tally {
        // One that has ended by itself is told for nothing.
        let _ = writeln!(self.told, "{}", said::CALM);
        let mut tally = None;
        while let Some(line) = self.hear(SILENCE) {
            match line.strip_prefix(said::TALLY) {
                Some(text) => tally = Some(serde_json::from_str(text).expect("a tally")),
                None => println!("{line}"),
            }
        }
        let status = self.root.wait().expect("it's a child of this process");
        assert!(
            status.success() || kind == Kind::Root && status.signal() == Some(9),
            "a family failed: {status}"
        );
        if kind == Kind::Root {
            return tally.unwrap_or_default();
        }
        tally.expect("a family that ends well says what was done")
    }

    /// Its next line; `None` when it has ended, and all its members with it.
    fn hear(&mut self, silence: Duration) -> Option<String> {
        match self.lines.recv_timeout(silence) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                panic!("nothing is heard of a family, or of one of its members")
            }
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // Whatever happened.
        let _ = self.root.kill();
        let _ = self.root.wait();
        for process in processes_with(MARK, &self.mark) {
            let _ = kill(process);
        }
    }
}

/// Waits until no process of the family is there. One that stays is a fault.
fn until_gone(mark: &str) {
    let start = Instant::now();
    loop {
        let left = processes_with(MARK, mark);
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < SILENCE, "left by a family: {left:?}");
        thread::sleep(Duration::from_millis(1));
    }
}
