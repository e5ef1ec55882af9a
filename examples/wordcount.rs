//! Counts the words of all files under a folder, on a pool of processes: one task for each file.
//!
//! ```text
//! wordcount [FOLDER] [--workers N] [--kill N] [--words FILE] [--errors]
//! ```
//!
//! A word is what `LC_ALL=C tr -s '[:space:]' '\n'` puts on a line. With `--kill N` this program kills N of its own
//! workers while they work, and then names the files that were lost with them: all others are counted.

use indicatif::{ProgressBar, ProgressStyle};
use procession::{AsyncResult, Pool, TaskError};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    error::Error,
    ffi::{OsStr, OsString},
    fs,
    hash::{BuildHasher, RandomState},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

/// Files that have been handed out and whose words haven't been added up: so many, however many files there are, keep
/// the workers busy and the memory small.
const OUTSTANDING: usize = 1024;

fn main() -> ExitCode {
    procession::init();
    let Err(e) = Options::from_command_line().and_then(|options| run(&options)) else {
        return ExitCode::SUCCESS;
    };
    eprintln!("wordcount: {e}");
    ExitCode::FAILURE
}

/// What the command line says.
struct Options {
    folder: PathBuf,
    workers: usize,
    kill: usize,
    words: Option<PathBuf>,
    /// How many errors of a kind are shown.
    errors: usize,
}

impl Options {
    /// Arguments needn't be UTF-8, since paths needn't be.
    fn from_command_line() -> Result<Options, Box<dyn Error>> {
        let workers = thread::available_parallelism()?.get();
        let mut options = Options { folder: ".".into(), workers, kill: 0, words: None, errors: 10 };
        let mut arguments = std::env::args_os().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{} needs a value", argument.display()));
            match argument.to_str() {
                Some("--workers") => options.workers = number(&value()?)?,
                Some("--kill") => options.kill = number(&value()?)?,
                Some("--words") => options.words = Some(value()?.into()),
                Some("--errors") => options.errors = usize::MAX,
                Some(text) if text.starts_with('-') => return Err(format!("no option {text}").into()),
                _ => options.folder = argument.into(),
            }
        }
        Ok(options)
    }
}

fn number(text: &OsStr) -> Result<usize, String> {
    text.to_str().and_then(|text| text.parse().ok()).ok_or(format!("not a number: {}", text.display()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut summary = Summary::default();
    let files = files_under(&options.folder, &mut summary)?;
    let pool = Pool::builder().name("wordcount").workers(options.workers).build()?;
    let start = Instant::now();
    let killed = thread::scope(|scope| {
        // Its thread ends when `due` is dropped: also on an error.
        let (due, kills) = channel();
        let killer = scope.spawn(|| kill_workers(&pool, kills));
        count_all(&files, &pool, options.kill, due, &mut summary)?;
        killer.join().map_err(|_| Box::<dyn Error>::from("the thread that kills workers panicked"))
    })?;
    let time = start.elapsed();
    pool.join()?;
    if let Some(file) = &options.words {
        summary.write_words(file).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    match summary.print(options, killed, time) {
        // Whoever reads has read enough.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// All regular files under a folder; links aren't followed. What can't be looked into goes to the errors, except the
/// folder itself.
fn files_under(folder: &Path, summary: &mut Summary) -> Result<Vec<PathBuf>, String> {
    fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let mut look = || -> io::Result<()> {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                match entry.file_type()? {
                    kind if kind.is_dir() => folders.push(entry.path()),
                    kind if kind.is_file() => files.push(entry.path()),
                    _ => {}
                }
            }
            Ok(())
        };
        if let Err(e) = look() {
            summary.add_error(&folder, &format!("unreadable: {e}"));
        }
    }
    Ok(files)
}

/// What a worker finds in a file.
#[derive(Serialize, Deserialize)]
struct Counted {
    bytes: u64,
    words: HashMap<String, u64>,
}

/// The task. The path travels as an `OsString`: `serde` refuses a `PathBuf` that isn't UTF-8.
fn count(path: OsString) -> Result<Counted, String> {
    let bytes = fs::read(path).map_err(|e| format!("unreadable: {e}"))?;
    let text = str::from_utf8(&bytes).map_err(|e| format!("not UTF-8: {e}"))?;
    let mut words = HashMap::new();
    // The six spaces of C: `char::is_ascii_whitespace` leaves one of them out.
    for word in text.split([' ', '\t', '\n', '\x0b', '\x0c', '\r']).filter(|word| !word.is_empty()) {
        match words.get_mut(word) {
            Some(count) => *count += 1,
            // Only a new word is allocated, and most aren't new.
            None => drop(words.insert(word.to_string(), 1)),
        }
    }
    Ok(Counted { bytes: bytes.len() as u64, words })
}

/// Has all files counted and adds up what comes back. Says when a kill is `due`: they are spread evenly over the files.
fn count_all(
    files: &[PathBuf],
    pool: &Pool,
    kills: usize,
    due: Sender<()>,
    summary: &mut Summary,
) -> Result<(), Box<dyn Error>> {
    let bar = ProgressBar::new(files.len() as u64); // shown only on a terminal
    bar.set_style(ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} files, {eta} left")?);
    let mut outstanding: VecDeque<(&PathBuf, AsyncResult<_>)> = VecDeque::new();
    let mut to_come = files.iter();
    for done in 1..=files.len() {
        for path in to_come.by_ref().take(OUTSTANDING - outstanding.len()) {
            outstanding.push_back((path, pool.apply_async(count, (path.clone().into_os_string(),))?));
        }
        let Some((path, result)) = outstanding.pop_front() else { break };
        summary.add(path, result.get());
        bar.inc(1);
        let due_after = |done: usize| (done * (kills + 1) / files.len()).min(kills);
        for _ in due_after(done - 1)..due_after(done) {
            due.send(())?;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Kills a worker whenever one is `due`, each only once; gives how many.
fn kill_workers(pool: &Pool, due: Receiver<()>) -> usize {
    let mut killed = HashSet::new();
    for () in due {
        let patience = Instant::now() + Duration::from_secs(10);
        while !kill_a_worker(pool, &mut killed) && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1)); // until the pool has replaced those that died
        }
    }
    killed.len()
}

/// Whether there was one to kill.
fn kill_a_worker(pool: &Pool, killed: &mut HashSet<u32>) -> bool {
    let mut workers = pool.worker_pids();
    workers.retain(|worker| !killed.contains(worker));
    // The standard library's only source of randomness.
    let random = RandomState::new().hash_one(workers.len()) as usize;
    let Some(&worker) = workers.get(random % workers.len().max(1)) else { return false };
    let Some(Ok(pidfd)) = Pid::from_raw(worker as i32).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return false;
    };
    // Still its worker, now that the descriptor holds it: a process id alone may have been given to another.
    pool.worker_pids().contains(&worker)
        && pidfd_send_signal(pidfd, Signal::KILL).is_ok()
        && killed.insert(worker)
}

/// What became of all files.
#[derive(Default)]
struct Summary {
    files: usize,
    bytes: u64,
    words: HashMap<String, u64>,
    /// By kind: what stands before the colon.
    errors: BTreeMap<String, Vec<String>>,
    lost: Vec<String>,
}

impl Summary {
    fn add(&mut self, path: &Path, result: Result<Result<Counted, String>, TaskError>) {
        match result {
            Ok(Ok(counted)) => {
                self.files += 1;
                self.bytes += counted.bytes;
                for (word, count) in counted.words {
                    *self.words.entry(word).or_default() += count;
                }
            }
            Ok(Err(error)) => self.add_error(path, &error),
            Err(TaskError::Died(status)) => self.lost.push(format!("{}: {status}", path.display())),
            Err(error) => self.add_error(path, &format!("failed: {error}")),
        }
    }

    fn add_error(&mut self, path: &Path, error: &str) {
        let (kind, why) = error.split_once(": ").unwrap_or((error, ""));
        self.errors.entry(kind.to_string()).or_default().push(format!("{}: {why}", path.display()));
    }

    /// All words as `count word` lines, in the order of `LC_ALL=C sort`.
    fn write_words(&self, file: &Path) -> io::Result<()> {
        let mut words: Vec<_> = self.words.iter().collect();
        words.sort_unstable();
        let mut out = BufWriter::new(fs::File::create(file)?);
        words.iter().try_for_each(|(word, count)| writeln!(out, "{count} {word}"))?;
        out.flush()
    }

    fn print(&self, options: &Options, killed: usize, time: Duration) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        let mut words: Vec<_> = self.words.iter().collect();
        words.sort_unstable_by_key(|&(word, count)| (Reverse(count), word));
        for (word, count) in words.iter().take(20) {
            writeln!(out, "{count:>10} {word}")?;
        }
        let (files, seconds, megabytes) = (self.files, time.as_secs_f64(), self.bytes as f64 / 1e6);
        let (files_rate, megabytes_rate) = (files as f64 / seconds, megabytes / seconds);
        write!(out, "{files} files, {} different words, {megabytes:.1} MB in {seconds:.2} s: ", words.len())?;
        writeln!(out, "{files_rate:.0} files/s, {megabytes_rate:.1} MB/s")?;
        for (kind, files) in &self.errors {
            writeln!(out, "{kind}: {}", files.len())?;
            files.iter().take(options.errors).try_for_each(|file| writeln!(out, "  {file}"))?;
            if files.len() > options.errors {
                writeln!(out, "  and {} more (--errors lists all)", files.len() - options.errors)?;
            }
        }
        if killed + self.lost.len() > 0 {
            writeln!(out, "{killed} workers were killed; {} files were lost with them:", self.lost.len())?;
            self.lost.iter().try_for_each(|file| writeln!(out, "  {file}"))?;
        }
        out.flush()
    }
}
